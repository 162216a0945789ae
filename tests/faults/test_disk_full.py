"""Row 10: a full disk gives clear errors, nothing acknowledged is lost, and with room again it goes on."""

import os
import random
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import DataFolder, Stack
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore
from services.chassis.migrate import migrate_database
from tests.chassis.pipeline import EVENT_TYPES, Noted, context
from tests.faults.oracle import Verdict
from tests.faults.small import eventually
from tests.faults.table import Results

DISK_MB = 192
LEFT_MB = 6
FILE_LIMIT = 17 * 1024 * 1024
"""A table may not grow past it; a segment of the write-ahead log, 16 MiB, still may be written."""
PER_APPEND = 400
MOST_APPENDS = 600
SEGMENTS = 5
AFTER = 20
MOST_RUNS = 20
EMPTY = "TRUNCATE sessions.stored_events"
STORED = "SELECT originator_id, originator_version FROM sessions.stored_events"
FULL = ("No space left on device", "File too large")

Row = tuple[UUID, int]


def may_mount(folder: Path) -> bool:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], capture_output=True
    )
    return mounted.returncode == 0


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Disk"]:
    """A small disk of its own where mounting one is allowed; elsewhere the server's files may only grow so far."""
    folder = tmp_path_factory.mktemp("disk")
    is_mounted = may_mount(folder)
    try:
        data = DataFolder(folder / "data", min_free_bytes=DISK_MB * 1024 * 1024 // 2).acquire()
        stack = Stack.launch(data, brokers=0)
        try:
            stack.wait_until_ready()
            migrate_database(stack.database_url)
            yield Disk(stack, folder, is_mounted)
        finally:
            stack.stop()
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


class Disk:
    """Room that a test takes away and gives back."""

    def __init__(self, stack: Stack, folder: Path, is_mounted: bool) -> None:
        assert stack.postgres is not None
        self.postgres = stack.postgres
        self.database_url = stack.database_url
        self.log = stack.folder.log("postgres")
        self.is_mounted = is_mounted
        self._ballast = folder / "ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        if self.is_mounted:
            room = os.statvfs(self._ballast.parent)
            self._ballast.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - LEFT_MB * 1024 * 1024)))
        else:
            self._limit(FILE_LIMIT)
        try:
            yield
        finally:
            if self.is_mounted:
                self._ballast.unlink()
            else:
                self._limit(resource.RLIM_INFINITY)

    def _limit(self, most_bytes: int) -> None:
        assert self.postgres.pid is not None
        server = psutil.Process(self.postgres.pid)
        for process in (server, *server.children(recursive=True)):
            with suppress(ProcessLookupError):
                _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most_bytes, hard))


def append_until(store: EventStore, accepted: list[Row], count: int) -> psycopg.Error | None:
    """Appends up to ``count`` times; gives the error that stopped it."""
    for _ in range(count):
        aggregate_id = uuid4()
        try:
            events = store.append([Change(aggregate_id, 0, [Noted(aggregate_id)] * PER_APPEND)], context())
        except psycopg.Error as error:
            return error
        accepted += [(event.aggregate_id, event.version) for event in events]
    return None


@pytest.mark.timeout(600)
def test_a_full_disk_refuses_clearly_and_loses_nothing(
    disk: Disk, results: Results, runs: int | None, seed: int
) -> None:
    """In the long form also where the server's own log lacks room: then it ends, and each try takes its time."""
    kind = "tmpfs" if disk.is_mounted else "a limit on the size of files"
    for what in ("its tables and its write-ahead log", "its tables") if runs else ("its tables",):
        with results.line(10, f"disk full ({kind}) for PostgreSQL: {what}", seed) as line:
            for run in range(min(runs or 1, MOST_RUNS)):
                verdict, error = fill(disk, random.Random(seed + run), also_for_its_log=what != "its tables")
                line.note = f"refused with {type(error).__name__} {error.sqlstate or ''}".strip()
                line.add(verdict)


def fill(disk: Disk, choice: random.Random, *, also_for_its_log: bool) -> tuple[Verdict, psycopg.Error]:
    """Appends until the disk is full, and with room again; gives the verdict, and how it was refused."""
    accepted: list[Row] = []
    with psycopg.connect(disk.database_url, autocommit=True) as connection:
        connection.execute(EMPTY)
    database = Database(make_conninfo(disk.database_url, user="relais_sessions"), application_name="test")
    store = EventStore(database, "sessions", EVENT_TYPES)
    if not also_for_its_log:
        reserve_log(disk.database_url)
    assert append_until(store, accepted, choice.randrange(2, 10)) is None
    with disk.full():
        error = append_until(store, accepted, MOST_APPENDS)
        assert error is not None, "the disk is full"
    if disk.is_mounted:
        assert isinstance(error, psycopg.OperationalError), "waited for by consumers, 503 to people"
    assert any(text in disk.log.read_text(errors="replace") for text in FULL)
    eventually(lambda: answers(disk, database), "PostgreSQL is back")
    assert append_until(store, accepted, AFTER) is None
    verdict = Verdict(committed_count=len(accepted))
    verdict.compare("events", accepted, stored(disk.database_url))
    database.close()
    return verdict, error


def reserve_log(database_url: str) -> None:
    """Lets the server make segments of its log in advance, so that tables are what lacks room first."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for _ in range(SEGMENTS):
            connection.execute("SELECT pg_logical_emit_message(true, 'test', 'x'), pg_switch_wal()")
        connection.execute("CHECKPOINT")


def stored(database_url: str) -> list[Row]:
    with psycopg.connect(database_url) as connection:
        return [(row[0], row[1]) for row in connection.execute(STORED)]


def answers(disk: Disk, database: Database) -> bool:
    if disk.postgres.pid is None:  # Without room for its write-ahead log it ends rather than lie.
        disk.postgres.start()
    with suppress(psycopg.OperationalError), database.connection() as connection:
        connection.execute("SELECT 1")
        return True
    return False
