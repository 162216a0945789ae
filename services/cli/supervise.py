"""The supervisor of `relais up`: forks the services, starts again what dies, stops all of it in order.

The services are forked from a process that has imported them, which saves each of them seconds of CPU and shares the
memory of the code. Forking is only safe from a process with one thread, so the supervisor has no thread, no event loop
and no connection: whatever needs one (migrations, the import of the demonstration) runs in a child of its own.
"""

import gc
import http.client
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import psutil

from deploy.local import DataFolder, Stack, StackError
from deploy.local.folder import trim_log

POLL_S = 0.1
READY_TIMEOUT_S = 120.0
HEALTH_TIMEOUT_S = 2.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_AFTER_S = 30.0
DEATHS_BEFORE_READY = 3
TRIM_EVERY_S = 5.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked to stop."""


class Failed(Exception):
    """Relais cannot start; `str(error)` is one sentence that says why."""


@dataclass
class Service:
    """A service to be kept running: what its process does, and where it answers."""

    name: str
    run: Callable[[], None]
    port: int
    pid: int | None = None
    pause_s: float = FIRST_PAUSE_S
    deaths: int = 0
    started_at: float = 0.0
    start_again_at: float = 0.0


@dataclass
class _Server:
    """The same care for PostgreSQL and Kafka."""

    pause_s: float = FIRST_PAUSE_S
    launched_at: float = field(default_factory=time.monotonic)
    start_again_at: float | None = None


class Supervisor:
    """Keeps services, and the servers of `stack`, running. Use as a context: leaving it stops everything."""

    def __init__(self, folder: DataFolder, *, stop_timeout_s: float, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._stop_timeout_s = stop_timeout_s
        self._say = say
        self._services: dict[str, Service] = {}
        self._servers: dict[str, _Server] = {}
        self._stack: Stack | None = None
        self._stopping = False
        self._lifeline_reader, self._lifeline = os.pipe()
        self._wake_reader, self._wake_writer = os.pipe()
        self._on_change: Callable[[Mapping[str, int]], None] = lambda _: None

    def __enter__(self) -> "Supervisor":
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN or number is not signal.SIGHUP:  # nohup stays nohup.
                signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # Only to wake the loop.
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_all()

    @property
    def processes(self) -> Mapping[str, int]:
        """Every process that is running, by name, the supervisor included."""
        servers = {"watchdog": self._stack.watchdog_pid, **self._stack.processes} if self._stack else {}
        services = {service.name: service.pid for service in self._services.values() if service.pid is not None}
        return {"supervisor": os.getpid(), **servers, **services}

    def adopt(self, stack: Stack) -> None:
        """Watches over the servers of `stack` too, and stops it last."""
        self._stack = stack

    def wait_for_stack(self) -> None:
        if self._stack:
            self._stack.wait_until_ready()
            self._servers = {server.name: _Server() for server in self._stack.servers}
        self._raise_if_stopping()

    def run_once(self, name: str, task: Callable[[], None], *, failure: str) -> None:
        """Runs `task` in a child of its own to its end. Raises Failed with the sentence `failure` where it fails."""
        pid = self._fork(name, task, log=None)
        status: int | None = None
        while status is None:
            if self._stopping:
                os.kill(pid, signal.SIGTERM)
                os.waitpid(pid, 0)
                raise Stopped
            status = _exit_status(pid)
            if status is None:
                self._wait(POLL_S)
        if status != 0:
            raise Failed(failure)

    def start(self, services: Sequence[Service]) -> None:
        gc.freeze()  # What was imported stays shared with the children.
        for service in services:
            self._services[service.name] = service
            self._start_service(service)

    def wait_until_ready(self) -> None:
        """Waits for every service's /health/ready. Raises Failed where one dies again and again, or takes too long."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        waiting = dict(self._services)
        while waiting:
            self._raise_if_stopping()
            for name, service in list(waiting.items()):
                if _is_ready(service.port):
                    del waiting[name]
                elif service.deaths >= DEATHS_BEFORE_READY or time.monotonic() > deadline:
                    raise Failed(f"The service {name} does not get ready; its log is {self._folder.log(name)}.")
            self._look_after()
            if waiting:
                self._wait(POLL_S)

    def keep_running(self, on_change: Callable[[Mapping[str, int]], None]) -> None:
        """Starts again what dies, until a signal asks to stop. `on_change` hears of all processes now, and whenever
        they change."""
        self._on_change = on_change
        known = self.processes
        on_change(known)
        trimmed_at = time.monotonic()
        while not self._stopping:
            self._wait(self._next_event_in())
            self._look_after()
            if (now_running := self.processes) != known:
                known = now_running
                on_change(known)
            if time.monotonic() - trimmed_at > TRIM_EVERY_S:
                trimmed_at = time.monotonic()
                for log in (self._folder.path / "logs").glob("*.log"):
                    trim_log(log)

    def memory_bytes(self) -> int:
        """Of all processes together; what they share is counted once where the system tells (PSS), else in each."""
        return sum(_memory_bytes(pid) for pid in self._family())

    def _family(self) -> set[int]:
        pids = set(self.processes.values())
        for pid in list(pids):
            with suppress(psutil.NoSuchProcess):
                pids |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
        return pids

    # -- Looking after ------------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        now = time.monotonic()
        for service in self._services.values():
            if service.pid is None:
                if now >= service.start_again_at:
                    self._start_service(service)
            elif (status := _exit_status(service.pid)) is not None:
                self._service_died(service, status, now)
        if self._stack:
            self._stack.ensure_watched()
        for name, care in self._servers.items():
            self._look_after_server(name, care, now)

    def _service_died(self, service: Service, status: int, now: float) -> None:
        service.pid = None
        service.deaths += 1
        if now - service.started_at > STEADY_AFTER_S:
            service.pause_s = FIRST_PAUSE_S
        service.start_again_at = now + service.pause_s
        self._tell_of_death(service.name, f"exit status {status}", service.pause_s)
        service.pause_s = min(2 * service.pause_s, LONGEST_PAUSE_S)

    def _look_after_server(self, name: str, care: _Server, now: float) -> None:
        assert self._stack is not None
        server = self._stack.server(name)
        if server.pid is not None:
            return
        if care.start_again_at is None:
            if now - care.launched_at > STEADY_AFTER_S:
                care.pause_s = FIRST_PAUSE_S
            care.start_again_at = now + care.pause_s
            self._tell_of_death(name, "it ended", care.pause_s)
            care.pause_s = min(2 * care.pause_s, LONGEST_PAUSE_S)
        elif now >= care.start_again_at:
            care.start_again_at = None
            care.launched_at = now
            try:
                server.launch()
            except StackError as error:
                self._say(str(error))

    def _tell_of_death(self, name: str, how: str, pause_s: float) -> None:
        why = f"; the disk that holds {self._folder.path} is full" if self._folder.is_full() else ""
        self._say(f"{name} died ({how}{why}); it is started again in {pause_s:.1f} s. Log: {self._folder.log(name)}")

    def _start_service(self, service: Service) -> None:
        log = self._folder.log(service.name)
        trim_log(log)
        service.pid = self._fork(service.name, service.run, log=log)
        service.started_at = time.monotonic()

    # -- Processes ----------------------------------------------------------------------------------------------------

    def _fork(self, name: str, run: Callable[[], None], *, log: Path | None) -> int:
        if threading.active_count() != 1:
            raise Failed("The supervisor has more than one thread and cannot fork safely.")
        sys.stdout.flush()
        sys.stderr.flush()
        with _signals_held():
            pid = os.fork()
            if pid == 0:
                self._become_child(name, log)
        if pid == 0:
            _run_and_exit(run)
        return pid

    def _become_child(self, name: str, log: Path | None) -> None:
        os.setsid()  # Ctrl-C is for the supervisor, which stops its children in order.
        signal.set_wakeup_fd(-1)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for end in (self._lifeline, self._wake_reader, self._wake_writer):
            os.close(end)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        if log is not None:
            output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.dup2(output, 1)
            os.dup2(output, 2)
        with suppress(OSError):  # Linux only: the name that ps and top show.
            Path("/proc/self/comm").write_text(f"relais-{name}"[:15])
        _seed_again()
        threading.Thread(target=_die_with, args=(self._lifeline_reader, self._stop_timeout_s), daemon=True).start()

    def _wait(self, timeout_s: float) -> None:
        """Sleeps, but wakes up for a signal or the death of a child."""
        ready, _, _ = select.select([self._wake_reader], [], [], timeout_s)
        if ready:
            os.read(self._wake_reader, 4096)

    def _next_event_in(self) -> float:
        waiting = [service.start_again_at for service in self._services.values() if service.pid is None]
        waiting += [care.start_again_at for care in self._servers.values() if care.start_again_at is not None]
        return max(0.01, min([*waiting, time.monotonic() + 1.0]) - time.monotonic())

    def _asked_to_stop(self, *_: object) -> None:
        self._stopping = True

    def _raise_if_stopping(self) -> None:
        if self._stopping:
            raise Stopped

    # -- Stopping -----------------------------------------------------------------------------------------------------

    def _stop_all(self) -> None:
        """The front first, so that no new request arrives; then the services together; the mail server after them,
        since they may still deliver; the servers last."""
        names = set(self._services)
        for group in ({"portal"}, names - {"portal", "mail"}, {"mail"}):
            self._stop_services([self._services[name] for name in group & names])
        if self._stack:
            self._stack.stop()
        signal.set_wakeup_fd(-1)

    def _stop_services(self, services: Sequence[Service]) -> None:
        running = {service.pid for service in services if service.pid is not None}
        for pid in running:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + self._stop_timeout_s
        while running := {pid for pid in running if _exit_status(pid) is None}:
            if time.monotonic() > deadline:
                for pid in running:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                break
            self._wait(POLL_S)
        for service in services:
            service.pid = None


def write_atomically(path: Path, content: Mapping[str, object]) -> None:
    """Readers see the old file or the new one, never half of one."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(path)


def _run_and_exit(run: Callable[[], None]) -> NoReturn:
    """Ends the child without the supervisor's clean-up."""
    status = 1
    try:
        run()
        status = 0
    except SystemExit as exit_:
        if isinstance(exit_.code, str):
            print(exit_.code, file=sys.stderr)
        status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _die_with(lifeline: int, grace_s: float) -> None:
    """Runs in a thread of each child: the pipe closes when the supervisor ends, however it ends."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os._exit(1)


def _seed_again() -> None:
    """Sibling processes must not draw the same random bits for their UUIDs."""
    import uuid_utils

    uuid_utils.reseed_rng()


@contextmanager
def _signals_held() -> Iterator[None]:
    """A signal that arrives between the fork and the child's own handlers waits for them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _exit_status(pid: int) -> int | None:
    """The status of a child that has ended (negative: the signal that ended it), None while it runs."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _memory_bytes(pid: int) -> int:
    try:
        info = psutil.Process(pid).memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(info, "pss", info.rss))
