"""What an inbox set aside: looked at, tried again in order, or skipped with a reason (effects.py put it there)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.database import Database
from services.chassis.effects import Effects, Retried

MAX_LISTED = 200

# By key, and in order within it: the order in which a retry takes them.
LIST_OPEN = """
SELECT parked_id, consumer, topic, partition, record_offset, record_key, header_names, header_values, record_value,
    error, attempts, state, parked_at, settled_at, settled_by, reason
FROM parked
WHERE state IN ('waiting', 'parked')
    AND (%(key)s::bytea IS NULL OR record_key = %(key)s)
    AND (
        %(after)s::bigint IS NULL OR (consumer, topic, record_key, parked_id) > (
            SELECT consumer, topic, record_key, parked_id FROM parked WHERE parked_id = %(after)s
        )
    )
ORDER BY consumer, topic, record_key, parked_id LIMIT %(limit)s
"""

SHOW = """
SELECT parked_id, consumer, topic, partition, record_offset, record_key, header_names, header_values, record_value,
    error, attempts, state, parked_at, settled_at, settled_by, reason
FROM parked WHERE parked_id = %s
"""

# As a retry of the same key does, so that of the two one comes first.
LOCK_POSITION = """
SELECT FROM inbox_positions AS p JOIN parked USING (consumer, topic, partition) WHERE parked_id = %s FOR UPDATE OF p
"""

SKIP = """
UPDATE parked SET state = 'skipped', settled_at = now(), settled_by = %s, reason = %s
WHERE parked_id = %s AND state IN ('waiting', 'parked')
"""

COUNT_OPEN = """
SELECT consumer, topic, count(*) AS open_count, min(parked_at) AS oldest_at FROM parked
WHERE state IN ('waiting', 'parked') GROUP BY consumer, topic ORDER BY consumer, topic
"""


@dataclass(frozen=True, slots=True)
class Parked:
    """One record that was set aside. ``type`` and ``event_id`` are as its headers have them, if they have them."""

    parked_id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    key: str
    type: str | None
    event_id: str | None
    headers: Sequence[tuple[str, str]]
    value: str | None
    error: str
    attempts: int
    state: str
    parked_at: datetime
    settled_at: datetime | None
    settled_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class OpenCount:
    consumer: str
    topic: str
    open_count: int
    oldest_at: datetime


def list_open(
    database: Database, *, key: str | None = None, after: int | None = None, limit: int = MAX_LISTED
) -> list[Parked]:
    """What is set aside and not settled, by key and in order; the next page begins after the last ``parked_id``."""
    asked = {"key": None if key is None else _raw(key), "after": after, "limit": min(limit, MAX_LISTED + 1)}
    with database.connection() as connection:
        return [_parked(row) for row in connection.execute(LIST_OPEN, asked, prepare=False).fetchall()]


def show(database: Database, parked_id: int) -> Parked | None:
    """One record with all that is known of it, settled or not."""
    with database.connection() as connection:
        row = connection.execute(SHOW, (parked_id,)).fetchone()
    return _parked(row) if row is not None else None


def count_open(database: Database) -> list[OpenCount]:
    """How much is set aside, by consumer and topic."""
    with database.connection() as connection:
        return [OpenCount(**row) for row in connection.execute(COUNT_OPEN).fetchall()]


def retry(effects: Effects, parked: Parked, *, by: str) -> Retried:
    """Tries the record's key again, from its first open record on, up to the first that fails."""
    return effects.retry(parked.topic, _raw(parked.key), by=by)


def skip(connection: Connection[DictRow], parked_id: int, *, by: str, reason: str) -> bool:
    """Settles one record without its effect; what stands behind it stays for a retry. False where it is not open.

    In the caller's transaction, with what tells others of it. Raises ValueError without a reason.
    """
    if not reason.strip():
        raise ValueError("Skipping an event needs a reason")
    connection.execute(LOCK_POSITION, (parked_id,))
    return connection.execute(SKIP, (by, reason.strip(), parked_id)).rowcount == 1


def _parked(row: dict[str, Any]) -> Parked:
    headers = [(name, _readable(value)) for name, value in zip(row["header_names"], row["header_values"], strict=True)]
    by_name = dict(headers)
    return Parked(
        parked_id=row["parked_id"],
        consumer=row["consumer"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        key=_readable(row["record_key"]),
        type=by_name.get("ce_type"),
        event_id=by_name.get("ce_id"),
        headers=headers,
        value=None if row["record_value"] is None else _readable(row["record_value"]),
        error=row["error"],
        attempts=row["attempts"],
        state=row["state"],
        parked_at=row["parked_at"],
        settled_at=row["settled_at"],
        settled_by=row["settled_by"],
        reason=row["reason"],
    )


def _readable(raw: bytes) -> str:
    return bytes(raw).decode("utf-8", "surrogateescape")


def _raw(readable: str) -> bytes:
    return readable.encode("utf-8", "surrogateescape")
