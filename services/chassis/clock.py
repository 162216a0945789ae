"""The clock: the one place where a service reads the time."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

MAX_OFFSET = timedelta(days=3_650)


class Clock(Protocol):
    """Gives the present instant, aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SandboxClock:
    """The machine's clock moved by an offset that all processes of a sandbox read from one small file.

    It goes on ticking. The file is looked at again only when it has changed, so reading the time stays cheap.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._read()

    def set(self, instant: datetime) -> datetime:
        """Moves the clock to ``instant`` (aware). ValueError where that is more than ten years from the machine's."""
        offset = instant - datetime.now(UTC)
        if abs(offset) > MAX_OFFSET:
            raise ValueError("The sandbox clock goes at most ten years from the machine's clock")
        self._write(offset)
        return self.now()

    def advance(self, duration: timedelta) -> datetime:
        """Moves the clock by ``duration``, which may be negative."""
        return self.set(self.now() + duration)

    def reset(self) -> datetime:
        """Back to the machine's clock."""
        self._write(timedelta())
        return self.now()

    def _read(self) -> timedelta:
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            self._seen, self._offset = None, timedelta()
            return self._offset
        seen = (status.st_mtime_ns, status.st_ino)
        if seen != self._seen:
            self._offset = timedelta(seconds=json.loads(self._file.read_text())["offset_s"])
            self._seen = seen
        return self._offset

    def _write(self, offset: timedelta) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=self._file.parent, delete=False) as fresh:
            json.dump({"offset_s": offset.total_seconds()}, fresh)
        os.replace(fresh.name, self._file)
        self._seen = None


def clock_for(sandbox_clock_file: Path | None) -> Clock:
    """The sandbox's clock where a deployment was started as one, otherwise the machine's."""
    return SystemClock() if sandbox_clock_file is None else SandboxClock(sandbox_clock_file)
