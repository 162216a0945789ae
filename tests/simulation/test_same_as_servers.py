"""The simulated rows, source and lead do what PostgreSQL does: one suite over both."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis.database import Database
from services.chassis.effects import Rows, StoredRecord
from services.chassis.effects_rows import EffectsRows
from services.chassis.event_store import Position
from services.chassis.leadership import Fenced, Leadership
from services.chassis.migrate import migrate_database
from tests.simulation.rows import SimulatedRows
from tests.simulation.store import RelayRow
from tests.simulation.world import World

TOPIC = "relais.sessions"
T = TypeVar("T")
KEY, OTHER_KEY = b"key", b"other"


class Lead(Protocol):
    position: Position

    def move_to(self, position: Position) -> None: ...
    def confirm(self) -> None: ...
    def close(self) -> None: ...


class Leads(Protocol):
    def take(self) -> Lead | None: ...
    def begin_another_epoch(self) -> None: ...


class PostgresLeads:
    def __init__(self, url: str) -> None:
        self._url = url

    def take(self) -> Lead | None:
        return Leadership.take(self._url, "sessions")

    def begin_another_epoch(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("UPDATE relay_position SET epoch = epoch + 1")


class SimulatedLeads:
    def __init__(self) -> None:
        self._row = RelayRow(World(0))

    def take(self) -> Lead | None:
        return self._row.take("relay")

    def begin_another_epoch(self) -> None:
        self._row.epoch += 1


@pytest.fixture(scope="module")
def database_url(stack: Stack) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    yield make_conninfo(url, user="relais_sessions")
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["postgres", "simulated"])
def rows(request: pytest.FixtureRequest) -> Iterator[Rows]:
    if request.param == "simulated":
        yield SimulatedRows(World(0))
        return
    database = Database(request.getfixturevalue("database_url"), application_name="test")
    yield EffectsRows(database, uuid4().hex)
    database.close()


@pytest.fixture(params=["postgres", "simulated"])
def leads(request: pytest.FixtureRequest) -> Leads:
    if request.param == "simulated":
        return SimulatedLeads()
    return PostgresLeads(request.getfixturevalue("database_url"))


def record(offset: int, key: bytes = KEY) -> StoredRecord:
    return StoredRecord(TOPIC, 0, offset, key, b"{}", (("ce_type", b"x"),))


def park(rows: Rows, *records: StoredRecord, state: str = "parked") -> None:
    with rows.transaction() as transaction:
        for one in records:
            transaction.park(one, "waiting" if state == "waiting" else "parked", "LookupError: no tariff", 3)


def open_of(rows: Rows, key: bytes = KEY) -> list[tuple[int, int]]:
    with rows.transaction() as transaction:
        return [(one.parked_id, one.record.offset) for one in transaction.open_of_key(TOPIC, key, 10)]


@contextmanager
def undone(work: AbstractContextManager[T]) -> Iterator[T]:
    """Inside ``work``, and then an exception ends it."""
    with suppress(InterruptedError), work as begun:
        yield begun
        raise InterruptedError


def test_a_position_moves_from_where_it_is_and_from_nowhere_else(rows: Rows) -> None:
    assert rows.positions(TOPIC, [0, 1]) == {0: 0, 1: 0}
    with rows.transaction() as transaction:
        assert transaction.move_positions(TOPIC, {0: (0, 5), 1: (0, 7)}) == (2, False)
    with undone(rows.transaction()) as transaction:
        assert transaction.move_positions(TOPIC, {0: (5, 6), 1: (0, 9)}) == (1, False)
    assert rows.positions(TOPIC, [0, 1]) == {0: 5, 1: 7}


def test_the_version_known_before_is_given_and_the_newest_is_kept(rows: Rows) -> None:
    one, other = UUID(int=1), UUID(int=2)
    with rows.transaction() as transaction:
        assert transaction.note_versions({one: 3, other: 1}) == {}
    with rows.transaction() as transaction:
        assert transaction.note_versions({one: 2}) == {one: 3}
    with rows.transaction() as transaction:
        assert transaction.note_versions({one: 4}) == {one: 3}


def test_a_transaction_that_fails_and_a_savepoint_that_fails_leave_nothing(rows: Rows) -> None:
    with undone(rows.transaction()) as transaction:
        transaction.park(record(0), "parked", "x", 3)
    with rows.transaction() as transaction:
        with undone(transaction.savepoint()):
            transaction.park(record(1), "parked", "x", 3)
        transaction.park(record(2), "parked", "x", 3)
    assert [offset for _, offset in open_of(rows)] == [2]


def test_what_is_set_aside_is_kept_by_key_in_order_and_once(rows: Rows) -> None:
    park(rows, record(0), record(1, OTHER_KEY), record(2), state="waiting")
    park(rows, record(2), record(3))
    assert [offset for _, offset in open_of(rows)] == [0, 2, 3]
    with rows.transaction() as transaction:
        assert transaction.held_keys(TOPIC, [KEY, b"free"]) == {KEY: "waiting"}
        assert transaction.count_open(TOPIC, KEY) == 3
    assert rows.waiting_keys() == [(TOPIC, KEY), (TOPIC, OTHER_KEY)]


def test_what_is_settled_is_open_no_more(rows: Rows) -> None:
    rows.positions(TOPIC, [0])
    park(rows, record(0), record(1), state="waiting")
    first = open_of(rows)[0][0]
    with rows.transaction() as transaction:
        transaction.lock_key(TOPIC, KEY)
        transaction.settle(first, "person")
        transaction.stop_waiting(TOPIC, KEY)
    assert [offset for _, offset in open_of(rows)] == [1]
    assert rows.waiting_keys() == []
    with rows.transaction() as transaction:
        assert transaction.held_keys(TOPIC, [KEY]) == {KEY: "parked"}
        assert transaction.move_positions(TOPIC, {0: (0, 1)}) == (1, True)


def test_one_relay_leads_and_only_its_epoch_moves_the_position(leads: Leads) -> None:
    lead = leads.take()
    assert lead is not None
    assert leads.take() is None
    lead.move_to(Position(5, 5))
    lead.confirm()
    leads.begin_another_epoch()
    with pytest.raises(Fenced):
        lead.move_to(Position(6, 6))
    with pytest.raises(Fenced):
        lead.confirm()
    lead.close()
    successor = leads.take()
    assert successor is not None
    assert successor.position == Position(5, 5)
    successor.close()
