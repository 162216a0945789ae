"""What may be very many is kept in temporary files: written once, read several times, so that memory stays flat."""

from collections.abc import Iterator
from pickle import HIGHEST_PROTOCOL, dump, load
from tempfile import TemporaryFile
from typing import IO

import orjson

from services.cli.importing.rows import Placed, Session


class Spool:
    """Sessions with the file that they are from.

    The temporary file is ours alone, so what is read back is what was written.
    """

    def __init__(self) -> None:
        self._file = temporary_file()
        self.count = 0

    def add(self, file: str, session: Session) -> None:
        dump((file, session), self._file, HIGHEST_PROTOCOL)
        self.count += 1

    def __iter__(self) -> Iterator[tuple[str, Session]]:
        self._file.seek(0)
        for _ in range(self.count):
            yield load(self._file)  # noqa: S301 - written by this process into a file without a name

    def close(self) -> None:
        self._file.close()


class Tried:
    """The rows of sessions as they were tried, to be sent for real: they are placed once."""

    def __init__(self) -> None:
        self._file = temporary_file()

    def add(self, placed: Placed) -> None:
        self._file.write(orjson.dumps((placed.file, placed.line, placed.row)) + b"\n")

    def __iter__(self) -> Iterator[Placed]:
        self._file.seek(0)
        for line in self._file:
            yield Placed(*orjson.loads(line))

    def close(self) -> None:
        self._file.close()


def temporary_file() -> IO[bytes]:
    return TemporaryFile(prefix="relais-import-")
