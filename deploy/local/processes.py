"""Server processes that cannot outlive their owner, and the watchdog that sees to it."""

import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from pwd import struct_passwd
from typing import Literal

import psutil

from deploy.local.errors import StackError
from deploy.local.folder import DataFolder, trim_log

StopSignal = Literal["INT", "TERM"]
# The shell tells the watchdog its process id and the stop signal, then becomes the server: no moment without a keeper.
ANNOUNCE = 'echo "+$$ $0" >&0; exec "$@" </dev/null'
STOP_TIMEOUT_S = 30.0
POLL_S = 0.02


class Watchdog:
    """The process that ends a stack's servers when this one ends, however it ends (see watchdog.py)."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._servers: dict[int, StopSignal] = {}
        self._writer = -1
        self._start()
        _watchdogs.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def fd(self) -> int:
        """Where a server announces itself."""
        return self._writer

    def ensure_running(self) -> None:
        """Starts it again where it was killed, and tells it of the servers that run."""
        if self._process.poll() is None:
            return
        self.let_go()
        self._start()
        for pid, stop_signal in self._servers.items():
            os.write(self._writer, f"+{pid} {stop_signal}\n".encode())

    def remember(self, pid: int, stop_signal: StopSignal) -> None:
        self._servers[pid] = stop_signal

    def forget(self, pid: int) -> None:
        """The process id may now be given to another program, which must not be ended."""
        self._servers.pop(pid, None)
        with suppress(BrokenPipeError):
            os.write(self._writer, f"-{pid}\n".encode())

    def close(self) -> None:
        """Ends the watchdog, which ends whatever was not stopped before."""
        self.let_go()
        self._process.wait(STOP_TIMEOUT_S)

    def let_go(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def _start(self) -> None:
        reader, self._writer = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))],
            stdin=reader,
            pass_fds=(self._folder.lock_fd,),
            start_new_session=True,
        )
        os.close(reader)


# A forked child would hold the pipe open, and the watchdog would wait for it: so the child lets go at once.
_watchdogs: weakref.WeakSet[Watchdog] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for watchdog in _watchdogs:
        watchdog.let_go()


os.register_at_fork(after_in_child=_let_go_in_child)


class ServerProcess:
    """One running server. Its output goes to the end of `log`."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        watchdog: Watchdog,
        stop_signal: StopSignal,
        log: Path,
        user: struct_passwd | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        trim_log(log)
        watchdog.ensure_running()
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        self._watchdog = watchdog
        self._stop_signal = stop_signal
        self._forgotten = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", ANNOUNCE, stop_signal, *arguments],
                stdin=watchdog.fd,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C is for the owner; it stops its servers in order.
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        watchdog.remember(self.pid, stop_signal)

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        if self._process.poll() is None:
            return True
        self._reaped()
        return False

    def output(self) -> str:
        """What this process has written so far."""
        with self.log.open("rb") as file:
            file.seek(min(self._log_start, self.log.stat().st_size))
            return file.read().decode(errors="replace")

    def ask_to_stop(self) -> None:
        if self.alive():
            self._process.send_signal(getattr(signal, f"SIG{self._stop_signal}"))
            self.resume()  # A paused process would never hear of it.

    def stop(self) -> None:
        """Asks it to stop, and kills it where it does not within STOP_TIMEOUT_S."""
        self.ask_to_stop()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reaped()

    def kill(self) -> None:
        """kill -9 of it and of all that it started: a crash."""
        family = self._family()
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.wait(STOP_TIMEOUT_S)
        psutil.wait_procs(family, timeout=STOP_TIMEOUT_S)
        self._reaped()

    def pause(self) -> None:
        """Returns when all of it stands still."""
        family = self._family()
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.suspend()
        while any(member.is_running() and member.status() == psutil.STATUS_RUNNING for member in family):
            time.sleep(POLL_S)

    def resume(self) -> None:
        for member in self._family():
            with suppress(psutil.NoSuchProcess):
                member.resume()

    def _family(self) -> list[psutil.Process]:
        try:
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _reaped(self) -> None:
        if not self._forgotten:
            self._forgotten = True
            self._watchdog.forget(self.pid)


def end_leftover(pid_file: Path, marker: str) -> None:
    """Kills the server that a crash of both the owner and its watchdog has left behind, and waits until it is gone.

    `pid_file` holds its process id in the first line; `marker` stands on its command line, else it is somebody else's.
    """
    try:
        leftover = psutil.Process(int(pid_file.read_text().split()[0]))
        if not any(marker in argument for argument in leftover.cmdline()):
            return
        family = [leftover, *leftover.children(recursive=True)]
    except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    _, remaining = psutil.wait_procs(family, timeout=STOP_TIMEOUT_S)
    if remaining:
        raise StackError(f"Process {leftover.pid}, left behind by an earlier run, does not end.")


def wait_until_ready(process: ServerProcess, name: str, *, ready: str, timeout_s: float) -> None:
    """Waits for `ready` in the server's own log. Raises StackError where it dies or takes too long."""
    deadline = time.monotonic() + timeout_s
    while ready not in process.output():
        if not process.alive():
            raise StackError(why_it_died(name, process))
        if time.monotonic() > deadline:
            raise StackError(f"{name} is not ready after {timeout_s:.0f} s; its log is {process.log}.")
        time.sleep(POLL_S)


def why_it_died(name: str, process: ServerProcess) -> str:
    """One sentence about a server that ended by itself, from what it wrote."""
    output = process.output()
    if "No space left on device" in output:
        return f"{name} stopped because the disk is full; make room where {process.log.parent.parent} lies."
    if "Address already in use" in output:
        return f"{name} stopped because a port that it needs was taken by another program; start again."
    return f"{name} stopped by itself; the reason stands at the end of {process.log}."
