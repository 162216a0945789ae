"""A simulated event store, and the row of the relay's position, as PostgreSQL keeps them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from psycopg import OperationalError

from relais_contracts import CloudEvent, sessions
from services.chassis.event_store import Position
from services.chassis.leadership import LEASE_S, Fenced
from tests.simulation.log import Message
from tests.simulation.plan import KEYS
from tests.simulation.world import Violation, World

PAGE = 3
"""A source may give fewer events than asked for; small pages make many chunks."""
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def aggregate_id(number: int) -> UUID:
    return UUID(int=0xA0000000000070008000000000000000 + number)


def key_id(number: int) -> UUID:
    return UUID(int=0xB0000000000070008000000000000000 + number)


def key_of(aggregate: int) -> int:
    return aggregate % KEYS


@dataclass(slots=True)
class Row:
    transaction_id: int
    notification_id: int
    aggregate: int
    version: int
    is_private: bool

    @property
    def event(self) -> tuple[int, int]:
        return self.aggregate, self.version


class Conflict(Exception):
    """The version is taken, or about to be."""


@dataclass(slots=True)
class EventSource:
    """Rows with transaction ids, visible from their commit on. As the SQL of event_store.py reads and writes them."""

    world: World
    committed: list[Row] = field(default_factory=list)
    _running: dict[int, list[Row]] = field(default_factory=dict)
    _taken: set[tuple[int, int]] = field(default_factory=set)
    _transactions: int = 0
    _notifications: int = 0

    def version_of(self, aggregate: int) -> int:
        return max((row.version for row in self.committed if row.aggregate == aggregate), default=0)

    def begin(self, changes: Iterable[tuple[int, int]], *, is_private: bool) -> int:
        """The one statement of an append. Raises Conflict."""
        rows = [
            (aggregate, self.version_of(aggregate) + number)
            for aggregate, count in changes
            for number in range(1, count + 1)
        ]
        if self._taken & set(rows):
            raise Conflict
        self._taken |= set(rows)
        self._transactions += 1
        self._running[self._transactions] = []
        for aggregate, version in rows:
            self._notifications += 1
            row = Row(self._transactions, self._notifications, aggregate, version, is_private)
            self._running[self._transactions].append(row)
        return self._transactions

    def commit(self, transaction_id: int) -> list[Row]:
        rows = self._running.pop(transaction_id)
        self.committed += rows
        self.committed.sort(key=lambda row: (row.transaction_id, row.notification_id))
        return rows

    def roll_back(self, transaction_id: int) -> None:
        self._taken -= {row.event for row in self._running.pop(transaction_id)}

    def read_committed_since(self, position: Position, limit: int) -> tuple[list[Row], Position]:
        bound = min(self._running, default=self._transactions + 1)
        rows = [
            row
            for row in self.committed
            if position < (row.transaction_id, row.notification_id) and row.transaction_id < bound
        ][: min(limit, PAGE)]
        return rows, Position(rows[-1].transaction_id, rows[-1].notification_id) if rows else position

    def end(self) -> Position:
        last = self.committed[-1] if self.committed else None
        return Position(last.transaction_id, last.notification_id) if last else Position(0, 0)


@lru_cache(maxsize=1_000)
def message_of(aggregate: int, version: int) -> Message:
    """The record of an event, as the relay makes it."""
    student_id = key_id(key_of(aggregate))
    data = sessions.SessionHeld(
        session_id=aggregate_id(aggregate),
        student_id=student_id,
        mentor_id=student_id,
        starts_at=NOON,
        duration_minutes=45,
        held_at=NOON,
    )
    return CloudEvent(
        id=UUID(int=0xE0000000000070008000000000000000 + 1_000 * aggregate + version),
        type=data.ce_type,
        source="/relais/sessions",
        subject=aggregate_id(aggregate),
        sequence=version,
        time=NOON,
        correlation_id=student_id,
        causation_id=None,
        actor="support:simulation",
        traceparent=None,
        key=data.key,
        data=data,
    ).to_record()


class RelayRow:
    """The relay's position with its epoch, and the advisory lock. As the SQL of leadership.py has them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.position = Position(0, 0)
        self.epoch = 0
        self.holder: Session | None = None
        self.is_away = False
        self.unheard_moves: set[int] = set()
        self._moves = 0

    def take(self, who: str) -> "Session | None":
        self.reach()
        if self.holder is not None and self.holder.is_alive():
            return None
        self.epoch += 1
        self.holder = Session(self, who, self.epoch)
        return self.holder

    def reach(self) -> None:
        if self.is_away:
            raise OperationalError("the database is away")

    def move(self, session: "Session", position: Position) -> None:
        self._moves += 1
        if session.epoch != self.epoch:
            raise Fenced(session.who)
        if position < self.position:
            raise Violation(f"the relay's position goes back from {tuple(self.position)} to {tuple(position)}")
        self.position = position
        if self._moves in self.unheard_moves:
            self.world.note(session.who, "moves the position, and does not hear of it")
            raise OperationalError("the reply was lost")


class Session:
    """One session of a relay; the server ends it where it says nothing for longer than the lease."""

    def __init__(self, row: RelayRow, who: str, epoch: int) -> None:
        self.row, self.who, self.epoch = row, who, epoch
        self.position = row.position
        self._heard_at = row.world.now
        self._is_closed = False

    def is_alive(self) -> bool:
        return not self._is_closed and self.row.world.now - self._heard_at <= LEASE_S

    def move_to(self, position: Position) -> None:
        self._speak()
        self.row.move(self, position)

    def confirm(self) -> None:
        self._speak()
        if self.epoch != self.row.epoch:
            raise Fenced(self.who)

    def close(self) -> None:
        self._is_closed = True
        if self.row.holder is self:
            self.row.holder = None

    def _speak(self) -> None:
        self.row.reach()
        if not self.is_alive():
            raise OperationalError("the session was ended")
        self._heard_at = self.row.world.now
