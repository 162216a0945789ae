"""The event store on a real PostgreSQL: atomic, versioned, in commit order, with nothing missed."""

import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from services.chassis.context import Context
from services.chassis.database import Database
from services.chassis.event_store import (
    START,
    Change,
    CommandRecord,
    DuplicateCommand,
    EventStore,
    NewerEvent,
    Recorded,
    VersionConflict,
)


@dataclass(frozen=True, slots=True)
class Noted:
    writer: int
    count: int


EVENT_TYPES = {"test.Noted.v1": Noted}


def context() -> Context:
    return Context("support:test@example.org", uuid4(), None, None, datetime.now(UTC))


@pytest.fixture
def store(database: Database) -> EventStore:
    return EventStore(database, "sessions", EVENT_TYPES)


def everything(store: EventStore, page_size: int = 500) -> list[Recorded]:
    """All that a reader finds from the start, page by page."""
    found: list[Recorded] = []
    position = START
    while True:
        page, position = store.read_committed_since(position, page_size)
        if not page:
            return found
        found += page


def test_what_was_appended_is_loaded_as_it_was(store: EventStore) -> None:
    aggregate_id, ctx = uuid4(), context()
    appended = store.append([Change(aggregate_id, 0, [Noted(1, 1), Noted(1, 2)])], ctx)
    assert store.load(aggregate_id) == appended
    assert [event.version for event in appended] == [1, 2]
    assert [event.data for event in appended] == [Noted(1, 1), Noted(1, 2)]
    assert appended[0].name == "test.Noted.v1"
    assert (appended[0].actor, appended[0].recorded_at) == (ctx.actor, ctx.now)


def test_what_only_a_newer_version_knows_is_neither_skipped_nor_taken_for_a_fault(
    store: EventStore, database: Database
) -> None:
    aggregate_id = uuid4()
    store.append([Change(aggregate_id, 0, [Noted(1, 1)])], context())
    older = EventStore(database, "sessions", {})
    with pytest.raises(NewerEvent, match=r"test\.Noted\.v1, version 1 of"):
        older.load(aggregate_id)
    with pytest.raises(NewerEvent):
        everything(older)


def test_the_second_of_two_writers_at_one_version_is_told(store: EventStore) -> None:
    aggregate_id = uuid4()
    first = store.append([Change(aggregate_id, 0, [Noted(1, 1)])], context())
    with pytest.raises(VersionConflict):
        store.append([Change(aggregate_id, 0, [Noted(2, 1)])], context())
    assert store.load(aggregate_id) == first


def test_several_aggregates_are_appended_all_or_none(store: EventStore) -> None:
    taken, fresh = uuid4(), uuid4()
    store.append([Change(taken, 0, [Noted(1, 1)])], context())
    with pytest.raises(VersionConflict):
        store.append([Change(fresh, 0, [Noted(2, 1)]), Change(taken, 0, [Noted(2, 2)])], context())
    assert store.load(fresh) == []


def test_a_command_known_already_leaves_nothing(store: EventStore) -> None:
    record = CommandRecord(uuid4(), "fingerprint", 200, b"{}")
    store.append([Change(uuid4(), 0, [Noted(1, 1)])], context(), command=record)
    again = uuid4()
    with pytest.raises(DuplicateCommand):
        store.append([Change(again, 0, [Noted(1, 1)])], context(), command=record)
    assert store.load(again) == []


def test_what_is_written_also_goes_with_the_events_or_not_at_all(store: EventStore) -> None:
    aggregate_id = uuid4()

    def also(connection: psycopg.Connection[dict[str, object]]) -> None:
        connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        store.append([Change(aggregate_id, 0, [Noted(1, 1)])], context(), also=also)
    assert store.load(aggregate_id) == []


def test_a_service_cannot_rewrite_its_history(store: EventStore, database: Database) -> None:
    store.append([Change(uuid4(), 0, [Noted(1, 1)])], context())
    for statement in ("UPDATE stored_events SET topic = 'x'", "DELETE FROM stored_events"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.connection() as connection:
            connection.execute(statement)


def test_a_long_transaction_elsewhere_does_not_stall_the_reader(store: EventStore, database_url: str) -> None:
    with psycopg.connect(database_url) as elsewhere:
        elsewhere.execute("CREATE TEMP TABLE busy (n int)")  # Has a transaction id from here on, and keeps it.
        event = store.append([Change(uuid4(), 0, [Noted(9, 9)])], context())[0]
        assert event.event_id in {found.event_id for found in everything(store)}


def test_a_writer_that_has_not_committed_holds_the_reader_back(store: EventStore, database: Database) -> None:
    slow, quick = uuid4(), uuid4()
    with database.transaction() as connection:
        store.lock_for_append(connection)
        connection.execute("INSERT INTO commands VALUES (gen_random_uuid(), 'x', 200, '')")  # Takes its id early.
        store.append([Change(quick, 0, [Noted(2, 1)])], context())
        assert quick not in {event.aggregate_id for event in everything(store)}
        store.append([Change(slow, 0, [Noted(1, 1)])], context(), connection=connection)
    order = [event.aggregate_id for event in everything(store, page_size=1)]
    assert order.index(slow) < order.index(quick)


@pytest.mark.mutation("the order of commit")
def test_a_reader_that_follows_many_writers_misses_nothing(store: EventStore, database_url: str) -> None:
    """8 writers with random delays and rollbacks, one reader that follows: all rows, once, each aggregate in order."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    per_writer, writers = 400, 8
    committed: list[tuple[UUID, int]] = []
    guard = threading.Lock()
    database = Database(make_conninfo(database_url, user="relais_sessions"), application_name="w", max_connections=10)
    writing = EventStore(database, "sessions", EVENT_TYPES)

    def write(writer: int) -> None:
        rng = random.Random(seed + writer)
        aggregate_id, version = uuid4(), 0
        for count in range(per_writer):
            roll_back = rng.random() < 0.1
            try:
                with database.transaction() as connection:
                    writing.append(
                        [Change(aggregate_id, version, [Noted(writer, count)])], context(), connection=connection
                    )
                    if rng.random() < 0.2:
                        time.sleep(rng.random() * 0.01)
                    if roll_back:
                        raise InterruptedError
            except InterruptedError:
                continue
            version += 1
            with guard:
                committed.append((aggregate_id, version))

    position = START
    while page := store.read_committed_since(position, 500):
        if page[1] == position:
            break
        position = page[1]
    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    found: list[tuple[UUID, int]] = []
    deadline = time.monotonic() + 60
    while (any(thread.is_alive() for thread in threads) or len(found) < len(committed)) and time.monotonic() < deadline:
        events, position = store.read_committed_since(position, 200)
        found += [(event.aggregate_id, event.version) for event in events]
    for thread in threads:
        thread.join()
    database.close()
    assert sorted(found) == sorted(committed)
    versions: dict[UUID, list[int]] = defaultdict(list)
    for aggregate_id, version in found:
        versions[aggregate_id].append(version)
    assert all(order == sorted(order) for order in versions.values())
