"""Simulated rows of an inbox: the port of effects.py, as effects_rows.py has it on PostgreSQL."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import UUID

from psycopg import Connection, OperationalError
from psycopg.rows import DictRow

from services.chassis.effects import Held, OpenRecord, Record, StoredRecord
from services.chassis.effects_rows import WAITING_PATIENCE_S
from tests.simulation.plan import CommitFault
from tests.simulation.world import Violation, World

Effect = tuple[bytes, UUID, int]
"""Key, aggregate, version."""


class Died(BaseException):
    """The process that runs this is no more."""


@dataclass(frozen=True, slots=True)
class Parked:
    parked_id: int
    record: StoredRecord
    state: str
    error: str
    attempts: int
    parked_at: float

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "parked")

    @property
    def key(self) -> bytes:
        return self.record.key or b""


@dataclass(slots=True)
class Tables:
    """What is committed, or what one transaction sees."""

    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    versions: dict[UUID, int] = field(default_factory=dict)
    parked: dict[int, Parked] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)

    def copy(self) -> "Tables":
        return Tables(dict(self.positions), dict(self.versions), dict(self.parked), list(self.effects))


class SimulatedRows:
    """The rows of one consumer. Transactions come one after the other, as row locks make them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tables = Tables()
        self.is_away = False
        self.next_fault: CommitFault | None = None
        """What befalls the next transaction."""

    def positions(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        self._reach()
        return {partition: self.tables.positions.setdefault((topic, partition), 0) for partition in sorted(partitions)}

    def waiting_keys(self) -> list[tuple[str, bytes]]:
        self._reach()
        waiting = (parked for parked in self.tables.parked.values() if parked.state == "waiting")
        return list(dict.fromkeys((parked.record.topic, parked.key) for parked in waiting))

    @contextmanager
    def transaction(self) -> Iterator["SimulatedTransaction"]:
        self._reach()
        fault, self.next_fault = self.next_fault, None
        transaction = SimulatedTransaction(self.tables.copy(), self.world, fails=fault == "fails")
        yield transaction
        if fault == "dies before":
            raise Died
        if fault == "fails" and not transaction.has_failed:
            raise OperationalError("could not serialize")
        self._check(transaction)
        self.tables = transaction.tables
        if fault == "dies after":
            raise Died
        if fault == "unheard":
            raise OperationalError("the reply to COMMIT was lost")

    def skip(self, parked_id: int) -> bool:
        """As a person does it (parked.py)."""
        parked = self.tables.parked.get(parked_id)
        if parked is None or not parked.is_open:
            return False
        self.tables.parked[parked_id] = replace(parked, state="skipped")
        return True

    def open(self) -> list[Parked]:
        return [parked for parked in self.tables.parked.values() if parked.is_open]

    def _check(self, transaction: "SimulatedTransaction") -> None:
        """What holds at each commit, beside what is compared in the end."""
        if transaction.is_late:
            raise Violation("a batch took effect whose position had moved")
        for at, offset in self.tables.positions.items():
            if transaction.tables.positions.get(at, 0) < offset:
                raise Violation(f"the position of partition {at[1]} goes back")

    def _reach(self) -> None:
        if self.is_away:
            raise OperationalError("the database is away")


class SimulatedTransaction:
    """One transaction, on tables of its own until it is committed."""

    def __init__(self, tables: Tables, world: World, *, fails: bool) -> None:
        self.tables = tables
        self.is_late = False
        self.has_failed = False
        self._world = world
        self._fails = fails

    @property
    def connection(self) -> Connection[DictRow]:
        """Reactions of the simulation write with ``write``."""
        return cast(Connection[DictRow], self)

    def write(self, effect: Effect) -> None:
        if self._fails:
            self.has_failed = True
            raise OperationalError("deadlock detected")
        self.tables.effects.append(effect)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = self.tables.copy()
        try:
            yield
        except BaseException:
            self.tables = before
            raise

    def move_positions(self, topic: str, moves: Mapping[int, tuple[int, int]]) -> tuple[int, bool]:
        moved = 0
        for partition, (expected, following) in moves.items():
            if self.tables.positions.get((topic, partition)) == expected:
                self.tables.positions[topic, partition] = following
                moved += 1
        self.is_late = moved < len(moves)
        return moved, any(parked.is_open and parked.record.topic == topic for parked in self.tables.parked.values())

    def note_versions(self, newest: Mapping[UUID, int]) -> dict[UUID, int]:
        versions = self.tables.versions
        known = {aggregate: versions[aggregate] for aggregate in newest if aggregate in versions}
        versions |= {aggregate: max(version, known.get(aggregate, 0)) for aggregate, version in newest.items()}
        return known

    def held_keys(self, topic: str, keys: Sequence[bytes]) -> dict[bytes, Held]:
        held: dict[bytes, Held] = {}
        for parked in self.tables.parked.values():
            if parked.is_open and parked.record.topic == topic and parked.key in keys:
                held.setdefault(parked.key, "waiting" if parked.state == "waiting" else "parked")
        return held

    def park(self, record: Record, state: Held, error: str, attempts: int) -> None:
        if error.startswith("OperationalError"):
            raise Violation("an event is set aside for what the database had")
        where = (record.topic, record.partition, record.offset)
        if any((known.record.topic, known.record.partition, known.record.offset) == where for known in self._all()):
            return
        stored = StoredRecord(*where, record.key or b"", record.value, tuple(record.headers))
        parked_id = len(self.tables.parked) + 1
        self.tables.parked[parked_id] = Parked(parked_id, stored, state, error, attempts, self._world.now)

    def lock_key(self, topic: str, key: bytes) -> None:
        """Transactions come one after the other here."""

    def open_of_key(self, topic: str, key: bytes, limit: int) -> list[OpenRecord]:
        overdue = self._world.now - WAITING_PATIENCE_S
        return [
            OpenRecord(parked.parked_id, parked.record, parked.parked_at < overdue)
            for parked in self._of_key(topic, key)[:limit]
        ]

    def count_open(self, topic: str, key: bytes) -> int:
        return len(self._of_key(topic, key))

    def settle(self, parked_id: int, by: str) -> None:
        self._change(parked_id, state="retried", attempts=self.tables.parked[parked_id].attempts + 1)

    def note_failure(self, parked_id: int, error: str) -> None:
        self._change(parked_id, error=error, attempts=self.tables.parked[parked_id].attempts + 1)

    def stop_waiting(self, topic: str, key: bytes) -> None:
        for parked in self._of_key(topic, key):
            self._change(parked.parked_id, state="parked")

    def _change(self, parked_id: int, **what: Any) -> None:
        self.tables.parked[parked_id] = replace(self.tables.parked[parked_id], **what)

    def _of_key(self, topic: str, key: bytes) -> list[Parked]:
        return [
            parked for parked in self._all() if parked.is_open and (parked.record.topic, parked.key) == (topic, key)
        ]

    def _all(self) -> list[Parked]:
        return list(self.tables.parked.values())
