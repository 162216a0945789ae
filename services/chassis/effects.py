"""What an inbox does in the database: one batch of records, one transaction, each event's effect once.

The transaction moves the position (``inbox_positions``) from where we know it to be, so that a consumer which was
replaced without noticing fails as a whole; drops the doubles that a relay may have made (``inbox_versions``); and runs
the reactions in order. What fails for itself is parked with everything later of its key.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, Protocol
from uuid import UUID

from prometheus_client import Counter
from psycopg import Connection, InterfaceError, OperationalError
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from relais_contracts import CloudEvent, Header, Malformed, UnknownType
from services.chassis.database import Database
from services.chassis.telemetry import log_context

log = logging.getLogger(__name__)

Reaction = Callable[[Connection[DictRow], CloudEvent], None]
"""Synchronous, inside the transaction that moves the position. Raises NotYet to wait; anything else parks the event."""

Held = Literal["waiting", "parked"]

ATTEMPTS = 3
WAITING_PATIENCE_S = 600
RETRY_LIMIT = 500
WAITING_KEYS_LIMIT = 100
MAX_ERROR_CHARS = 2_000
HELD_BACK = "held back: an earlier event of the same key is set aside"

HANDLED = Counter("relais_inbox_events_total", "Events by what became of them.", ("consumer", "outcome"))

ENSURE_POSITIONS = """
INSERT INTO inbox_positions (consumer, topic, partition)
SELECT %(consumer)s, %(topic)s, partition FROM unnest(%(partitions)s::integer[]) AS asked (partition)
ON CONFLICT DO NOTHING
"""

POSITIONS = """
SELECT partition, next_offset FROM inbox_positions
WHERE consumer = %(consumer)s AND topic = %(topic)s AND partition = ANY(%(partitions)s::integer[])
"""

MOVE_POSITIONS = """
UPDATE inbox_positions AS p SET next_offset = moved.next_offset, moved_at = now()
FROM unnest(%(partitions)s::integer[], %(expected)s::bigint[], %(next)s::bigint[])
    AS moved (partition, expected_offset, next_offset)
WHERE p.consumer = %(consumer)s AND p.topic = %(topic)s
    AND p.partition = moved.partition AND p.next_offset = moved.expected_offset
RETURNING EXISTS (
    SELECT FROM parked
    WHERE parked.consumer = %(consumer)s AND parked.topic = %(topic)s AND state IN ('waiting', 'parked')
) AS has_parked
"""

NOTE_VERSIONS = """
INSERT INTO inbox_versions AS known (consumer, aggregate_id, version)
SELECT %(consumer)s, aggregate_id, version
FROM unnest(%(aggregate_ids)s::uuid[], %(versions)s::bigint[]) AS seen (aggregate_id, version)
ON CONFLICT (consumer, aggregate_id) DO UPDATE SET version = greatest(known.version, excluded.version)
RETURNING aggregate_id, coalesce(old.version, 0) AS version
"""

HELD_KEYS = """
SELECT DISTINCT ON (record_key) record_key, state FROM parked
WHERE consumer = %(consumer)s AND topic = %(topic)s AND state IN ('waiting', 'parked')
    AND record_key = ANY(%(keys)s::bytea[])
ORDER BY record_key, parked_id
"""

PARK = """
INSERT INTO parked (consumer, topic, partition, record_offset, record_key, header_names, header_values, record_value,
    error, attempts, state)
VALUES (%(consumer)s, %(topic)s, %(partition)s, %(offset)s, %(key)s, %(header_names)s, %(header_values)s::bytea[],
    %(value)s, %(error)s, %(attempts)s, %(state)s)
ON CONFLICT (consumer, topic, partition, record_offset) DO NOTHING
"""

WAITING_KEYS = """
SELECT topic, record_key FROM parked WHERE consumer = %s AND state = 'waiting'
GROUP BY topic, record_key ORDER BY min(parked_id) LIMIT %s
"""

# The position's row is what keeps the inbox and a retry of the same key apart.
LOCK_POSITIONS = """
SELECT next_offset FROM inbox_positions AS p
WHERE consumer = %(consumer)s AND topic = %(topic)s AND EXISTS (
    SELECT FROM parked WHERE parked.consumer = p.consumer AND parked.topic = p.topic AND parked.partition = p.partition
        AND record_key = %(key)s AND state IN ('waiting', 'parked')
)
ORDER BY partition FOR UPDATE
"""

OPEN_OF_KEY = """
SELECT parked_id, topic, partition, record_offset, record_key, header_names, header_values, record_value,
    parked_at < now() - make_interval(secs => %(patience_s)s) AS is_overdue
FROM parked
WHERE consumer = %(consumer)s AND topic = %(topic)s AND record_key = %(key)s AND state IN ('waiting', 'parked')
ORDER BY parked_id LIMIT %(limit)s
"""

COUNT_OPEN_OF_KEY = """
SELECT count(*) AS open_count FROM parked
WHERE consumer = %(consumer)s AND topic = %(topic)s AND record_key = %(key)s AND state IN ('waiting', 'parked')
"""

SETTLE_RETRIED = """
UPDATE parked SET state = 'retried', settled_at = now(), settled_by = %s, attempts = attempts + 1 WHERE parked_id = %s
"""

NOTE_FAILURE = "UPDATE parked SET error = %s, attempts = attempts + 1 WHERE parked_id = %s"

STOP_WAITING = """
UPDATE parked SET state = 'parked'
WHERE consumer = %(consumer)s AND topic = %(topic)s AND record_key = %(key)s AND state = 'waiting'
"""


class NotYet(Exception):
    """A reaction's way to say that what the event refers to has not arrived: wait, and try again."""


class PositionMoved(Exception):
    """Our position is not where we left it: somebody else took over, or a commit of ours went through unheard."""


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
class Read:
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
        database: Database,
        reactions: Mapping[str, Sequence[Reaction]],
        before_writes: Callable[[Connection[DictRow]], None] | None = None,
        after_commit: Callable[[], None] | None = None,
    ) -> None:
        self.consumer = consumer
        self._database = database
        self._reactions = reactions
        self._types = {ce_type.encode() for ce_type in reactions}
        self._before_writes = before_writes
        self._after_commit = after_commit

    def positions(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The next offset of each partition; 0 where nothing was read yet."""
        asked = {"consumer": self.consumer, "topic": topic, "partitions": sorted(partitions)}
        with self._database.connection() as connection:
            rows = connection.execute(POSITIONS, asked).fetchall()
            if len(rows) < len(asked["partitions"]):
                connection.execute(ENSURE_POSITIONS, asked)
                rows = connection.execute(POSITIONS, asked).fetchall()
        return {row["partition"]: row["next_offset"] for row in rows}

    def apply(self, topic: str, batch: Batch, expected: Mapping[int, int]) -> None:
        """The whole batch, or nothing of it: raises what a reaction raises, Malformed, PositionMoved."""
        reads = self._read(batch)
        for read in reads:
            if read.problem is not None:
                raise Malformed(read.problem)
        with self._database.transaction() as connection:
            has_parked = self._begin(connection, topic, batch, expected)
            fresh = self._without_doubles(connection, reads)
            held = self._held_keys(connection, topic, fresh) if has_parked else {}
            for read in fresh:
                if (state := held.get(read.key)) is not None:
                    self._park(connection, read, state, HELD_BACK, attempts=0)
                else:
                    self._react(connection, read)
        self._committed(len(fresh), len(reads) - len(fresh))

    def apply_one_by_one(self, topic: str, batch: Batch, expected: Mapping[int, int]) -> bool:
        """The batch with each event for itself; what fails is parked with everything later of its key.

        Says whether something now waits for what has not arrived. Raises only PositionMoved, and what says that the
        database is away.
        """
        reads = self._read(batch)
        parked_count = 0
        with self._database.transaction() as connection:
            self._begin(connection, topic, batch, expected)
            fresh = self._without_doubles(connection, reads)
            held = self._held_keys(connection, topic, fresh)
            for read in fresh:
                state = held.get(read.key)
                if state is not None:
                    self._park(connection, read, state, HELD_BACK, attempts=0)
                    parked_count += 1
                elif (failure := self._try(connection, read)) is not None:
                    state, error = failure
                    held[read.key] = state
                    self._park(connection, read, state, error, attempts=ATTEMPTS)
                    parked_count += 1
        self._committed(len(fresh) - parked_count, len(reads) - len(fresh))
        return "waiting" in held.values()

    def waiting_keys(self) -> list[tuple[str, bytes]]:
        """Topic and key of what waits, oldest first."""
        with self._database.connection() as connection:
            rows = connection.execute(WAITING_KEYS, (self.consumer, WAITING_KEYS_LIMIT)).fetchall()
        return [(row["topic"], row["record_key"]) for row in rows]

    def retry(self, topic: str, key: bytes, *, by: str) -> Retried:
        """Tries what is parked of one key, in order, up to the first that fails again."""
        of_key = {"consumer": self.consumer, "topic": topic, "key": key}
        settled_count, error = 0, None
        with self._database.transaction() as connection:
            if self._before_writes is not None:
                self._before_writes(connection)
            connection.execute(LOCK_POSITIONS, of_key)
            rows = connection.execute(
                OPEN_OF_KEY, of_key | {"patience_s": WAITING_PATIENCE_S, "limit": RETRY_LIMIT}
            ).fetchall()
            for row in rows:
                failure = self._try(connection, self._read_one(_stored(row)))
                if failure is None:
                    connection.execute(SETTLE_RETRIED, (by, row["parked_id"]))
                    settled_count += 1
                    continue
                state, error = failure
                connection.execute(NOTE_FAILURE, (error, row["parked_id"]))
                if state == "parked" or row["is_overdue"]:
                    connection.execute(STOP_WAITING, of_key)
                break
            counted = connection.execute(COUNT_OPEN_OF_KEY, of_key).fetchone()
        self._committed(settled_count, 0)
        return Retried(settled_count, counted["open_count"] if counted else 0, error)

    def _read(self, batch: Batch) -> list[Read]:
        return [
            self._read_one(record)
            for record in chain.from_iterable(batch[partition] for partition in sorted(batch))
            if _type_of(record) in self._types or _type_of(record) is None
        ]

    def _read_one(self, record: Record) -> Read:
        try:
            event = CloudEvent.from_record(
                record.key, record.value, record.headers, record.topic, record.partition, record.offset
            )
        except (Malformed, UnknownType) as problem:
            return Read(record, None, str(problem))
        return Read(record, event, None)

    def _begin(self, connection: Connection[DictRow], topic: str, batch: Batch, expected: Mapping[int, int]) -> bool:
        """Moves the positions, or raises PositionMoved; says whether the topic has anything parked."""
        if self._before_writes is not None:
            self._before_writes(connection)
        partitions = sorted(batch)
        moved = connection.execute(
            MOVE_POSITIONS,
            {
                "consumer": self.consumer,
                "topic": topic,
                "partitions": partitions,
                "expected": [expected[partition] for partition in partitions],
                "next": [batch[partition][-1].offset + 1 for partition in partitions],
            },
        ).fetchall()
        if len(moved) != len(partitions):
            raise PositionMoved(f"{self.consumer}: {topic} {partitions}")
        return any(row["has_parked"] for row in moved)

    def _without_doubles(self, connection: Connection[DictRow], reads: Sequence[Read]) -> list[Read]:
        newest: dict[UUID, int] = {}
        for read in reads:
            if read.event is not None:
                newest[read.event.subject] = max(newest.get(read.event.subject, 0), read.event.sequence)
        if not newest:
            return list(reads)
        rows = connection.execute(
            NOTE_VERSIONS,
            {"consumer": self.consumer, "aggregate_ids": list(newest), "versions": list(newest.values())},
        ).fetchall()
        known: dict[UUID, int] = {row["aggregate_id"]: row["version"] for row in rows}
        fresh = []
        for read in reads:
            if read.event is not None:
                if read.event.sequence <= known[read.event.subject]:
                    continue
                known[read.event.subject] = read.event.sequence
            fresh.append(read)
        return fresh

    def _held_keys(self, connection: Connection[DictRow], topic: str, reads: Sequence[Read]) -> dict[bytes, Held]:
        rows = connection.execute(
            HELD_KEYS, {"consumer": self.consumer, "topic": topic, "keys": list({read.key for read in reads})}
        ).fetchall()
        return {row["record_key"]: row["state"] for row in rows}

    def _react(self, connection: Connection[DictRow], read: Read) -> None:
        event = read.event
        assert event is not None
        with log_context(event_id=event.id, correlation_id=event.correlation_id):
            for reaction in self._reactions.get(event.type, ()):
                reaction(connection, event)

    def _try(self, connection: Connection[DictRow], read: Read) -> tuple[Held, str] | None:
        """Tries one event in savepoints; gives why it failed in the end."""
        if read.event is None:
            return "parked", read.problem or "unreadable"
        error: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                with connection.transaction():
                    self._react(connection, read)
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

    def _park(
        self,
        connection: Connection[DictRow],
        read: Read,
        state: Held,
        error: str,
        attempts: int,
    ) -> None:
        record = read.record
        connection.execute(
            PARK,
            {
                "consumer": self.consumer,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": read.key,
                "header_names": [_storable(name) for name, _ in record.headers],
                "header_values": [value for _, value in record.headers],
                "value": record.value,
                "error": error,
                "attempts": attempts,
                "state": state,
            },
        )
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


def _type_of(record: Record) -> bytes | None:
    for name, value in record.headers:
        if name == "ce_type":
            return value
    return None


def _stored(row: Mapping[str, Any]) -> StoredRecord:
    headers: Iterator[Header] = zip(row["header_names"], row["header_values"], strict=True)
    return StoredRecord(
        row["topic"], row["partition"], row["record_offset"], row["record_key"], row["record_value"], tuple(headers)
    )


def _text(error: Exception) -> str:
    return _storable(f"{type(error).__name__}: {error}")[:MAX_ERROR_CHARS]


def _storable(text: str) -> str:
    """PostgreSQL's text has no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
