"""The rows that an inbox keeps in its service's database: positions, versions, what is set aside (see effects.py)."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.database import Database
from services.chassis.effects import Held, OpenRecord, Outdated, Record, StoredRecord

WAITING_PATIENCE_S = 600
WAITING_KEYS_LIMIT = 100

BEGIN_POSITIONS = """
INSERT INTO inbox_positions (consumer, topic, partition, begun_with)
SELECT %(consumer)s, %(topic)s, partition, %(begun_with)s FROM unnest(%(partitions)s::integer[]) AS asked (partition)
ON CONFLICT DO NOTHING
"""

# A migration that has topics read again takes the positions away, in one transaction with its line in the ledger.
NEWEST_MIGRATION = "SELECT name FROM schema_migrations ORDER BY applied_at DESC, name DESC LIMIT 1"

POSITIONS = """
SELECT partition, next_offset, begun_with FROM inbox_positions
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

# Most aggregates of a batch are new in a rebuild: those are not told.
NOTE_VERSIONS = """
WITH noted AS (
    INSERT INTO inbox_versions AS known (consumer, aggregate_id, version)
    SELECT %(consumer)s, aggregate_id, version
    FROM unnest(%(aggregate_ids)b::uuid[], %(versions)b::bigint[]) AS seen (aggregate_id, version)
    ON CONFLICT (consumer, aggregate_id) DO UPDATE SET version = greatest(known.version, excluded.version)
    RETURNING aggregate_id, old.version
)
SELECT aggregate_id, version FROM noted WHERE version IS NOT NULL
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


class EffectsRows:
    """The rows of one consumer. ``before_writes`` is run first in each transaction.

    ``known_migrations`` are those that the reactions were written for; none where the rows are nobody else's.
    """

    def __init__(
        self,
        database: Database,
        consumer: str,
        before_writes: Callable[[Connection[DictRow]], None] | None = None,
        *,
        known_migrations: Collection[str] = (),
    ) -> None:
        self._database = database
        self._consumer = consumer
        self._before_writes = before_writes
        self._known = frozenset(known_migrations)

    def positions(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """Where to read on, or to begin. Raises Outdated where that is for a newer version to do."""
        asked = {"consumer": self._consumer, "topic": topic, "partitions": sorted(partitions)}
        with self._database.connection() as connection:
            rows = connection.execute(POSITIONS, asked).fetchall()
            if len(rows) < len(asked["partitions"]):
                newest = connection.execute(NEWEST_MIGRATION).fetchone() if self._known else None
                connection.execute(BEGIN_POSITIONS, asked | {"begun_with": newest["name"] if newest else None})
                rows = connection.execute(POSITIONS, asked).fetchall()
        newer = {row["begun_with"] for row in rows if row["begun_with"] is not None} - self._known
        if newer and self._known:
            raise Outdated(", ".join(sorted(newer)))
        return {row["partition"]: row["next_offset"] for row in rows}

    def waiting_keys(self) -> list[tuple[str, bytes]]:
        with self._database.connection() as connection:
            rows = connection.execute(WAITING_KEYS, (self._consumer, WAITING_KEYS_LIMIT)).fetchall()
        return [(row["topic"], row["record_key"]) for row in rows]

    @contextmanager
    def transaction(self) -> Iterator["EffectsTransaction"]:
        with self._database.transaction() as connection:
            if self._before_writes is not None:
                self._before_writes(connection)
            yield EffectsTransaction(connection, self._consumer)


class EffectsTransaction:
    """The same rows inside one transaction, together with what the reactions write on ``connection``."""

    def __init__(self, connection: Connection[DictRow], consumer: str) -> None:
        self.connection = connection
        self._consumer = consumer

    def savepoint(self) -> AbstractContextManager[object]:
        return self.connection.transaction()

    def move_positions(self, topic: str, moves: Mapping[int, tuple[int, int]]) -> tuple[int, bool]:
        partitions = sorted(moves)
        rows = self.connection.execute(
            MOVE_POSITIONS,
            {
                "consumer": self._consumer,
                "topic": topic,
                "partitions": partitions,
                "expected": [moves[partition][0] for partition in partitions],
                "next": [moves[partition][1] for partition in partitions],
            },
        ).fetchall()
        return len(rows), any(row["has_parked"] for row in rows)

    def note_versions(self, newest: Mapping[UUID, int]) -> dict[UUID, int]:
        rows = self.connection.execute(
            NOTE_VERSIONS,
            {"consumer": self._consumer, "aggregate_ids": list(newest), "versions": list(newest.values())},
        ).fetchall()
        return {row["aggregate_id"]: row["version"] for row in rows}

    def held_keys(self, topic: str, keys: Sequence[bytes]) -> dict[bytes, Held]:
        rows = self.connection.execute(
            HELD_KEYS, {"consumer": self._consumer, "topic": topic, "keys": list(keys)}
        ).fetchall()
        return {row["record_key"]: row["state"] for row in rows}

    def park(self, record: Record, state: Held, error: str, attempts: int) -> None:
        self.connection.execute(
            PARK,
            {
                "consumer": self._consumer,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "key": record.key or b"",
                "header_names": [storable(name) for name, _ in record.headers],
                "header_values": [value for _, value in record.headers],
                "value": record.value,
                "error": storable(error),
                "attempts": attempts,
                "state": state,
            },
        )

    def lock_key(self, topic: str, key: bytes) -> None:
        self.connection.execute(LOCK_POSITIONS, self._of_key(topic, key))

    def open_of_key(self, topic: str, key: bytes, limit: int) -> list[OpenRecord]:
        rows = self.connection.execute(
            OPEN_OF_KEY, self._of_key(topic, key) | {"patience_s": WAITING_PATIENCE_S, "limit": limit}
        ).fetchall()
        return [OpenRecord(row["parked_id"], _stored(row), row["is_overdue"]) for row in rows]

    def count_open(self, topic: str, key: bytes) -> int:
        row = self.connection.execute(COUNT_OPEN_OF_KEY, self._of_key(topic, key)).fetchone()
        return row["open_count"] if row else 0

    def settle(self, parked_id: int, by: str) -> None:
        self.connection.execute(SETTLE_RETRIED, (by, parked_id))

    def note_failure(self, parked_id: int, error: str) -> None:
        self.connection.execute(NOTE_FAILURE, (storable(error), parked_id))

    def stop_waiting(self, topic: str, key: bytes) -> None:
        self.connection.execute(STOP_WAITING, self._of_key(topic, key))

    def _of_key(self, topic: str, key: bytes) -> dict[str, Any]:
        return {"consumer": self._consumer, "topic": topic, "key": key}


def storable(text: str) -> str:
    """PostgreSQL's text has no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _stored(row: Mapping[str, Any]) -> StoredRecord:
    headers = zip(row["header_names"], row["header_values"], strict=True)
    return StoredRecord(
        row["topic"], row["partition"], row["record_offset"], row["record_key"], row["record_value"], tuple(headers)
    )
