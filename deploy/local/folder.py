"""The data folder of a stack: one owner at a time, room on its disk, places for logs and sockets."""

import fcntl
import os
import shutil
import tempfile
import time
import weakref
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Self

from deploy.local.errors import StackError

MIN_FREE_BYTES = 512 * 1024 * 1024
# Linux allows 107 bytes for the path of a socket, macOS 103; libpq appends "/.s.PGSQL.5432" to the folder.
MAX_SOCKET_FOLDER_LENGTH = 80
HAND_OVER_TIMEOUT_S = 20.0
LOG_LIMIT_BYTES = 10 * 1024 * 1024


class DataFolder:
    """A folder that only this process uses, from `acquire` until `release` or the end of the process.

    The lock is inherited by the stack's watchdog, so that after a crash nobody starts before the old servers are gone.
    """

    def __init__(self, path: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self.path = path.expanduser().absolute()
        self._min_free_bytes = min_free_bytes
        self._lock: int | None = None

    @property
    def lock_fd(self) -> int:
        if self._lock is None:
            raise StackError(f"The data folder {self.path} is not acquired.")
        return self._lock

    def acquire(self) -> Self:
        """Raises StackError where the folder is in use, cannot be written, or has no room."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "logs").mkdir(exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StackError(f"The data folder {self.path} cannot be written: {error.strerror}.") from error
        try:
            self._take(lock)
            self._check_room()
        except StackError:
            os.close(lock)
            raise
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock
        _acquired.add(self)
        return self

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def socket_folder(self) -> Path:
        """Where PostgreSQL puts its socket: in here, or in a short temporary folder where this path is too long."""
        inside = self.path / "run"
        if len(os.fsencode(inside)) <= MAX_SOCKET_FOLDER_LENGTH:
            return inside
        return Path(tempfile.gettempdir()) / f"relais-{sha256(os.fsencode(self.path)).hexdigest()[:16]}"

    def is_full(self) -> bool:
        return shutil.disk_usage(self.path).free < 1024 * 1024

    def _take(self, lock: int) -> None:
        deadline = time.monotonic() + HAND_OVER_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = _owner(lock)
                # An owner that has died leaves the lock to its watchdog, for the seconds that the servers need to stop.
                if (owner is not None and _alive(owner)) or time.monotonic() > deadline:
                    raise StackError(
                        f"The data folder {self.path} is in use by another Relais"
                        f"{f' (process {owner})' if owner else ''}. Stop it, or choose another folder with --data-dir."
                    ) from None
                time.sleep(0.1)
            else:
                return

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < self._min_free_bytes:
            raise StackError(
                f"The disk that holds {self.path} is full: {free // 2**20} MiB are free and "
                f"{self._min_free_bytes // 2**20} MiB are needed. Make room, or choose another folder with --data-dir."
            )


# A forked child shares the lock; it lets go, or the folder would stay in use for as long as the child lives.
_acquired: weakref.WeakSet[DataFolder] = weakref.WeakSet()


def _release_in_child() -> None:
    for folder in _acquired:
        folder.release()


os.register_at_fork(after_in_child=_release_in_child)


def trim_log(path: Path) -> None:
    """Keeps one older part (`.1`) once a log has outgrown its limit. Writers append, so they go on undisturbed."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)


def _owner(lock: int) -> int | None:
    text = os.pread(lock, 20, 0)
    return int(text) if text.isdigit() else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
