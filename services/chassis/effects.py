"""What an inbox does with one batch of records in one transaction: each event's effect once, in order.

The transaction moves the position from where we know it to be, so that a consumer which was replaced without noticing
fails as a whole; drops the doubles that a relay may have made; and runs the reactions in order. What fails for itself
is parked with everything later of its key. Here stands what is decided; the SQL is in effects_rows.py, and
the simulation (tests/simulation) brings rows of its own.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection, InterfaceError, OperationalError
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from relais_contracts import CloudEvent, Header, Malformed, UnknownType
from services.chassis.at_once import AtOnce
from services.chassis.telemetry import log_context

log = logging.getLogger(__name__)

Reaction = Callable[[Connection[DictRow], CloudEvent], None]
"""Synchronous, inside the transaction that moves the position. Raises NotYet to wait; anything else parks the event."""

Held = Literal["waiting", "parked"]

EVERY_TYPE = "*"
"""Among the types of a consumer: it passes nothing over, so a type that it does not know yet is set aside."""

ATTEMPTS = 3
RETRY_LIMIT = 500
MAX_ERROR_CHARS = 2_000
HELD_BACK = "held back: an earlier event of the same key is set aside"

HANDLED = Counter("relais_inbox_events_total", "Events by what became of them.", ("consumer", "outcome"))


class NotYet(Exception):
    """A reaction's way to say that what the event refers to has not arrived: wait, and try again."""


class PositionMoved(Exception):
    """Our position is not where we left it: somebody else took over, or a commit of ours went through unheard."""


class Outdated(Exception):
    """The database was upgraded to be read into anew, by code that is newer than this: that code goes on, not we."""


class Record(Protocol):
    """A record as Kafka gave it; aiokafka's ``ConsumerRecord`` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[Header]: ...


@dataclass(frozen=True, slots=True)
class StoredRecord:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """A record that is set aside; overdue where it has waited for longer than anything should."""

    parked_id: int
    record: StoredRecord
    is_overdue: bool


class Read(NamedTuple):
    """A record that concerns this consumer: its event, or what is wrong with it."""

    record: Record
    event: CloudEvent | None
    problem: str | None

    @property
    def key(self) -> bytes:
        return self.record.key or b""


@dataclass(frozen=True, slots=True)
class Retried:
    """What a retry of one key came to: settled now, still open, and the error that stopped it, if any."""

    settled_count: int
    open_count: int
    error: str | None


class Transaction(Protocol):
    """What one transaction reads and writes; all of it holds, or nothing."""

    @property
    def connection(self) -> Connection[DictRow]:
        """Where reactions write."""

    def savepoint(self) -> AbstractContextManager[object]:
        """Undoes what is done inside where that raises."""

    def move_positions(self, topic: str, moves: Mapping[int, tuple[int, int]]) -> tuple[int, bool]:
        """By partition, from where we know the position to be to where it is to go.

        Gives how many stood where they were said to, and whether the topic has anything set aside.
        """

    def note_versions(self, newest: Mapping[UUID, int]) -> dict[UUID, int]:
        """Notes the newest version of each aggregate, and gives the one known before, where there was one."""

    def held_keys(self, topic: str, keys: Sequence[bytes]) -> dict[bytes, Held]:
        """Which of the keys have something set aside, and in which state its first record is."""

    def park(self, record: Record, state: Held, error: str, attempts: int) -> None:
        """Sets a record aside."""

    def lock_key(self, topic: str, key: bytes) -> None:
        """Keeps the inbox, and other retries, away from the key until the end of the transaction."""

    def open_of_key(self, topic: str, key: bytes, limit: int) -> list[OpenRecord]:
        """What is set aside of a key, in order."""

    def count_open(self, topic: str, key: bytes) -> int:
        """How much that is."""

    def settle(self, parked_id: int, by: str) -> None:
        """It has taken effect."""

    def note_failure(self, parked_id: int, error: str) -> None:
        """It has failed again."""

    def stop_waiting(self, topic: str, key: bytes) -> None:
        """From now on a person decides about what waits."""


class Rows(Protocol):
    """The rows of one consumer, in the database of its service."""

    def positions(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The next offset of each partition; 0 where nothing was read yet."""

    def waiting_keys(self) -> list[tuple[str, bytes]]:
        """Topic and key of what waits, oldest first."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Committed at the end, rolled back on an exception."""


Batch = Mapping[int, Sequence[Record]]
"""Records of one topic by partition, in the order of their offsets."""


def is_away(error: BaseException) -> bool:
    """Whether the database is away or asks for another try, rather than the event being at fault."""
    return isinstance(error, OperationalError | InterfaceError) and not isinstance(error, QueryCanceled)


class Effects:
    """The effects of one consumer. Synchronous; called from worker threads."""

    def __init__(
        self,
        *,
        consumer: str,
        rows: Rows,
        reactions: Mapping[str, Sequence[Reaction]],
        after_commit: Callable[[], None] | None = None,
    ) -> None:
        self.consumer = consumer
        self.rows = rows
        self._reactions = reactions
        self._at_once = {
            ce_type: several
            for ce_type, reactions in self._reactions.items()
            if len(several := [one for one in reactions if isinstance(one, AtOnce)]) == len(reactions)
        }
        self._kinds = {_kind_of(ce_type.encode()) for ce_type in reactions}
        self._takes_all = EVERY_TYPE in reactions
        self._after_commit = after_commit

    def apply(self, topic: str, batch: Batch, expected: Mapping[int, int]) -> None:
        """The whole batch, or nothing of it: raises what a reaction raises, Malformed, PositionMoved."""
        reads = self._read(batch)
        for read in reads:
            if read.problem is not None:
                raise Malformed(read.problem)
        with self.rows.transaction() as transaction:
            has_parked = _move(transaction, topic, batch, expected)
            fresh = _without_doubles(transaction, reads)
            held = transaction.held_keys(topic, _keys(fresh)) if has_parked else {}
            for read in fresh:
                if (state := held.get(read.key)) is not None:
                    self._park(transaction, read, state, HELD_BACK, attempts=0)
            self._react_to_all(transaction, [read for read in fresh if read.key not in held])
        self._committed(len(fresh), len(reads) - len(fresh))

    def apply_one_by_one(self, topic: str, batch: Batch, expected: Mapping[int, int]) -> bool:
        """The batch with each event for itself; what fails is parked with everything later of its key.

        Says whether something now waits for what has not arrived. Raises only PositionMoved, and what says that the
        database is away.
        """
        reads = self._read(batch)
        parked_count = 0
        with self.rows.transaction() as transaction:
            _move(transaction, topic, batch, expected)
            fresh = _without_doubles(transaction, reads)
            held = transaction.held_keys(topic, _keys(fresh))
            for read in fresh:
                state = held.get(read.key)
                if state is not None:
                    self._park(transaction, read, state, HELD_BACK, attempts=0)
                    parked_count += 1
                elif (failure := self._try(transaction, read)) is not None:
                    state, error = failure
                    held[read.key] = state
                    self._park(transaction, read, state, error, attempts=ATTEMPTS)
                    parked_count += 1
        self._committed(len(fresh) - parked_count, len(reads) - len(fresh))
        return "waiting" in held.values()

    def retry(self, topic: str, key: bytes, *, by: str) -> Retried:
        """Tries what is parked of one key, in order, up to the first that fails again."""
        settled_count, error = 0, None
        with self.rows.transaction() as transaction:
            transaction.lock_key(topic, key)
            for parked in transaction.open_of_key(topic, key, RETRY_LIMIT):
                failure = self._try(transaction, self._read_one(parked.record))
                if failure is None:
                    transaction.settle(parked.parked_id, by)
                    settled_count += 1
                    continue
                state, error = failure
                transaction.note_failure(parked.parked_id, error)
                if state == "parked" or parked.is_overdue:
                    transaction.stop_waiting(topic, key)
                break
            open_count = transaction.count_open(topic, key)
        self._committed(settled_count, 0)
        return Retried(settled_count, open_count, error)

    def _read(self, batch: Batch) -> list[Read]:
        return [
            self._read_one(record)
            for record in chain.from_iterable(batch[partition] for partition in sorted(batch))
            if self._takes_all or (ce_type := _type_of(record)) is None or _kind_of(ce_type) in self._kinds
        ]

    def _read_one(self, record: Record) -> Read:
        try:
            event = CloudEvent.from_record(
                record.key, record.value, record.headers, record.topic, record.partition, record.offset
            )
        except Malformed as problem:
            return Read(record, None, str(problem))
        except UnknownType as problem:
            return Read(record, None, f"a type, or a version of it, that is not known here: {problem}")
        if event.type not in self._reactions:
            return Read(record, None, f"a version of its type that nothing here reacts to: {event.type}")
        return Read(record, event, None)

    def _react(self, transaction: Transaction, read: Read) -> None:
        event = read.event
        assert event is not None
        with log_context(event_id=event.id, correlation_id=event.correlation_id):
            for reaction in self._reactions.get(event.type, ()):
                reaction(transaction.connection, event)

    def _react_to_all(self, transaction: Transaction, reads: Sequence[Read]) -> None:
        for is_at_once, together in groupby(reads, key=self._is_at_once):
            if is_at_once:
                self._react_at_once(transaction, together)
            else:
                for read in together:
                    self._react(transaction, read)

    def _react_at_once(self, transaction: Transaction, reads: Iterable[Read]) -> None:
        concerned: dict[AtOnce, list[CloudEvent]] = {}
        for read in reads:
            assert read.event is not None
            for reaction in self._at_once[read.event.type]:
                concerned.setdefault(reaction, []).append(read.event)
        for reaction, events in concerned.items():
            reaction.many(transaction.connection, events)

    def _is_at_once(self, read: Read) -> bool:
        return read.event is not None and read.event.type in self._at_once

    def _try(self, transaction: Transaction, read: Read) -> tuple[Held, str] | None:
        """Tries one event in savepoints; gives why it failed in the end."""
        if read.event is None:
            return "parked", (read.problem or "unreadable")[:MAX_ERROR_CHARS]
        error: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                with transaction.savepoint():
                    self._react(transaction, read)
            except NotYet as not_yet:
                return "waiting", _text(not_yet)
            except Exception as failure:
                if is_away(failure):
                    raise
                error = failure
            else:
                return None
        assert error is not None
        return "parked", _text(error)

    def _park(self, transaction: Transaction, read: Read, state: Held, error: str, attempts: int) -> None:
        record = read.record
        transaction.park(record, state, error, attempts)
        HANDLED.labels(self.consumer, state).inc()
        log.warning(
            "event set aside",
            extra={
                "consumer": self.consumer, "state": state, "topic": record.topic, "partition": record.partition,
                "offset": record.offset, "error": error,
            },
        )  # fmt: skip

    def _committed(self, applied_count: int, double_count: int) -> None:
        HANDLED.labels(self.consumer, "applied").inc(applied_count)
        HANDLED.labels(self.consumer, "double").inc(double_count)
        if self._after_commit is not None:
            self._after_commit()


def _move(transaction: Transaction, topic: str, batch: Batch, expected: Mapping[int, int]) -> bool:
    """Moves the positions, or raises PositionMoved; says whether the topic has anything parked."""
    moves = {partition: (expected[partition], records[-1].offset + 1) for partition, records in batch.items()}
    moved_count, has_parked = transaction.move_positions(topic, moves)
    if moved_count != len(moves):
        raise PositionMoved(f"{topic} {sorted(moves)}")
    return has_parked


def _without_doubles(transaction: Transaction, reads: Sequence[Read]) -> list[Read]:
    newest: dict[UUID, int] = {}
    for read in reads:
        if read.event is not None:
            newest[read.event.subject] = max(newest.get(read.event.subject, 0), read.event.sequence)
    if not newest:
        return list(reads)
    known = transaction.note_versions(newest)
    fresh = []
    for read in reads:
        if read.event is not None:
            if read.event.sequence <= known.get(read.event.subject, 0):
                continue
            known[read.event.subject] = read.event.sequence
        fresh.append(read)
    return fresh


def _keys(reads: Sequence[Read]) -> list[bytes]:
    return list(dict.fromkeys(read.key for read in reads))


@lru_cache(maxsize=1_024)
def _kind_of(ce_type: bytes) -> bytes:
    """A type without its version. What we react to in one version is never passed over in a newer one: it is parked."""
    return ce_type.rpartition(b".v")[0]


def _type_of(record: Record) -> bytes | None:
    for name, value in record.headers:
        if name == "ce_type":
            return value
    return None


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARS]
