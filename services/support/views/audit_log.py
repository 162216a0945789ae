"""The audit log: every published event with who did it, when, as part of what, and because of what."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from relais_contracts import CloudEvent
from services.chassis.at_once import CopyInto
from services.support.domain.proof import BEGINNING, Chain, Head, digest_of

DEPTH_MAX: Final = 20
CAUSED_MAX: Final = 500
ENTRIES_A_FETCH: Final = 2_000

ADD: Final = CopyInto(
    "audit_events", event_id="uuid", event_type="text", topic="text", source="text", subject="uuid", sequence="int8",
    student_id="uuid", mentor_id="uuid", actor="text", occurred_at="timestamptz", correlation_id="uuid",
    causation_id="uuid", traceparent="text", data="jsonb", partition="int4", record_offset="int8", number="int8",
    digest="bytea",
)  # fmt: skip

KNOWN: Final = "SELECT event_id FROM audit_events WHERE event_id = ANY(%s)"

HEADS: Final = "SELECT topic, partition, number, digest FROM audit_heads ORDER BY topic, partition"

HEADS_OF: Final = """
SELECT topic, partition, number, digest FROM audit_heads
JOIN unnest(%s::text[], %s::integer[]) AS asked (topic, partition) USING (topic, partition)
"""

MOVE_HEADS: Final = """
INSERT INTO audit_heads (topic, partition, number, digest)
SELECT * FROM unnest(%s::text[], %s::integer[], %s::bigint[], %s::bytea[])
ON CONFLICT (topic, partition) DO UPDATE SET number = excluded.number, digest = excluded.digest
"""

ALL: Final = """
SELECT topic, partition, number, record_offset, event_id, event_type, source, subject, sequence, student_id, mentor_id,
       actor, occurred_at, correlation_id, causation_id, traceparent, data, encode(digest, 'hex') AS digest
FROM audit_events
ORDER BY topic, partition, number
"""

# Never prepared by name: with the parameters in sight, the planner drops the filters that are not given.
SEARCH: Final = """
SELECT * FROM audit_events
WHERE (%(actor)s::text IS NULL OR actor = %(actor)s OR split_part(actor, ':', 2) = %(actor)s)
  AND (%(subject)s::uuid IS NULL OR subject = %(subject)s)
  AND (%(student_id)s::uuid IS NULL OR student_id = %(student_id)s)
  AND (%(event_type)s::text IS NULL OR event_type = %(event_type)s)
  AND (%(correlation_id)s::uuid IS NULL OR correlation_id = %(correlation_id)s)
  AND (%(since)s::timestamptz IS NULL OR occurred_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR occurred_at < %(until)s)
  AND (%(as_of)s::timestamptz IS NULL OR occurred_at <= %(as_of)s)
  AND (%(before_at)s::timestamptz IS NULL OR (occurred_at, event_id) < (%(before_at)s, %(before_id)s::uuid))
ORDER BY occurred_at DESC, event_id DESC
LIMIT %(limit)s
"""

# A mentor is spoken of in four places, each with an index of its own in the order of the list: so each is asked for one
# page, and the newest of those are the page. Under OR the planner would read the mentor's whole history.
OF_MENTOR: Final = """
WITH wanted AS (
    SELECT coalesce(%(before_at)s::timestamptz, 'infinity') AS before_at,
        coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AS before_id,
        coalesce(%(until)s::timestamptz, 'infinity') AS until, coalesce(%(as_of)s::timestamptz, 'infinity') AS as_of,
        coalesce(%(since)s::timestamptz, '-infinity') AS since
), found AS (
    (
        SELECT event_id FROM audit_events, wanted
        WHERE subject = %(mentor_id)s AND (occurred_at, event_id) < (before_at, before_id)
          AND occurred_at BETWEEN since AND as_of AND occurred_at < until
          AND (%(event_type)s::text IS NULL OR event_type = %(event_type)s)
        ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s
    ) UNION (
        SELECT event_id FROM audit_events, wanted
        WHERE mentor_id = %(mentor_id)s AND (occurred_at, event_id) < (before_at, before_id)
          AND occurred_at BETWEEN since AND as_of AND occurred_at < until
          AND (%(event_type)s::text IS NULL OR event_type = %(event_type)s)
        ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s
    ) UNION (
        SELECT event_id FROM audit_events, wanted
        WHERE from_mentor_id = %(mentor_id)s AND (occurred_at, event_id) < (before_at, before_id)
          AND occurred_at BETWEEN since AND as_of AND occurred_at < until
          AND (%(event_type)s::text IS NULL OR event_type = %(event_type)s)
        ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s
    ) UNION (
        SELECT event_id FROM audit_events, wanted
        WHERE to_mentor_id = %(mentor_id)s AND (occurred_at, event_id) < (before_at, before_id)
          AND occurred_at BETWEEN since AND as_of AND occurred_at < until
          AND (%(event_type)s::text IS NULL OR event_type = %(event_type)s)
        ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s
    )
)
SELECT audit_events.* FROM found JOIN audit_events USING (event_id)
ORDER BY occurred_at DESC, event_id DESC LIMIT %(limit)s
"""

BUCKETS: Final = 60

SPAN: Final = """
WITH theirs AS MATERIALIZED (
    SELECT occurred_at FROM audit_events WHERE subject = coalesce(%(subject)s::uuid, %(mentor_id)s::uuid)
    UNION ALL
    SELECT occurred_at FROM audit_events WHERE student_id = %(student_id)s::uuid
    UNION ALL
    SELECT occurred_at FROM audit_events WHERE mentor_id = %(mentor_id)s::uuid AND subject <> %(mentor_id)s::uuid
    UNION ALL
    SELECT occurred_at FROM audit_events WHERE from_mentor_id = %(mentor_id)s::uuid
    UNION ALL
    SELECT occurred_at FROM audit_events WHERE to_mentor_id = %(mentor_id)s::uuid
), ends AS (
    SELECT count(*) AS events, min(occurred_at) AS first_at, max(occurred_at) AS last_at FROM theirs
), spread AS (
    SELECT least(%(buckets)s, 1 + floor(
        %(buckets)s * extract(epoch FROM occurred_at - first_at)
        / greatest(extract(epoch FROM last_at - first_at), 1)
    ))::int AS bucket, count(*)::int AS events
    FROM theirs, ends GROUP BY bucket
)
SELECT ends.*, ARRAY(
    SELECT coalesce(spread.events, 0) FROM generate_series(1, %(buckets)s) AS bucket
    LEFT JOIN spread USING (bucket) ORDER BY bucket
) AS buckets
FROM ends
"""

ONE: Final = "SELECT * FROM audit_events WHERE event_id = %s"

CAUSED: Final = """
WITH RECURSIVE caused AS (
    SELECT event_id, 0 AS depth FROM audit_events WHERE event_id = %(event_id)s
    UNION
    SELECT effect.event_id, caused.depth + 1
    FROM caused JOIN audit_events AS effect ON effect.causation_id = caused.event_id
    WHERE caused.depth < %(depth_max)s
)
SELECT audit_events.*, nearest.depth
FROM (SELECT event_id, min(depth) AS depth FROM caused GROUP BY event_id) AS nearest JOIN audit_events USING (event_id)
WHERE nearest.depth > 0
ORDER BY nearest.depth, occurred_at, event_id
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; None leaves a thing open.

    ``actor`` is the whole actor (``mentor:alice@example.org``) or the address alone. ``since`` is included, ``until``
    is not; ``mentor_id`` finds what concerns a mentor, also a student's going to or from them, and is
    narrowed by type and time alone; ``before`` is the place in the list (newest first) after which to go on.
    """

    actor: str | None = None
    subject: UUID | None = None
    student_id: UUID | None = None
    mentor_id: UUID | None = None
    event_type: str | None = None
    correlation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    before: tuple[datetime, UUID] | None = None


def record(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
    """Adds the events as they were published, each at the end of its chain; one that is there already is passed over.

    The inbox, which holds the row of the partition's position, keeps two of us off one chain.
    """
    known = {row["event_id"] for row in connection.execute(KNOWN, ([event.id for event in events],)).fetchall()}
    fresh = {event.id: event for event in events if event.id not in known}
    if not fresh:
        return
    heads = _heads_of(connection, {_chain(event) for event in fresh.values()})
    rows = []
    for event in fresh.values():
        entry = _entry(event, heads)
        heads[_chain(event)] = Head(_chain(event), entry["number"], entry["digest"])
        entry["data"] = Jsonb(entry["data"], orjson.dumps)
        rows.append(tuple(entry.values()))
    ADD.add(connection, rows)
    moved = list(heads.values())
    connection.execute(
        MOVE_HEADS,
        (
            [head.chain.topic for head in moved],
            [head.chain.partition for head in moved],
            [head.number for head in moved],
            [head.digest for head in moved],
        ),
    )


def heads(connection: Connection[DictRow]) -> list[Head]:
    """The last entry of each chain."""
    return [_head(row) for row in connection.execute(HEADS).fetchall()]


def in_order(connection: Connection[DictRow]) -> Iterator[DictRow]:
    """Every entry with its digest, chain by chain; of any size, so inside a transaction."""
    with connection.cursor("audit_in_order") as cursor:
        cursor.itersize = ENTRIES_A_FETCH
        yield from cursor.execute(ALL)


def _heads_of(connection: Connection[DictRow], chains: Collection[Chain]) -> dict[Chain, Head]:
    asked = sorted(chains)
    rows = connection.execute(HEADS_OF, ([one.topic for one in asked], [one.partition for one in asked])).fetchall()
    return {chain: Head(chain, 0, BEGINNING) for chain in asked} | {(head := _head(row)).chain: head for row in rows}


def _head(row: DictRow) -> Head:
    return Head(Chain(row["topic"], row["partition"]), row["number"], row["digest"])


def _chain(event: CloudEvent) -> Chain:
    return Chain(event.topic or event.data.topic, event.partition or 0)


def _entry(event: CloudEvent, heads: Mapping[Chain, Head]) -> dict[str, Any]:
    """In the order of ADD."""
    before = heads[_chain(event)]
    entry: dict[str, Any] = {
        "event_id": event.id,
        "event_type": event.type,
        "topic": before.chain.topic,
        "source": event.source,
        "subject": event.subject,
        "sequence": event.sequence,
        "student_id": getattr(event.data, "student_id", None),
        "mentor_id": getattr(event.data, "mentor_id", None),
        "actor": event.actor,
        "occurred_at": event.time,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "traceparent": event.traceparent,
        "data": event.data.model_dump(mode="json"),
        "partition": before.chain.partition,
        "record_offset": event.offset,
        "number": before.number + 1,
    }
    entry["digest"] = digest_of(before.digest, entry)
    return entry


def search(connection: Connection[DictRow], wanted: Search, *, limit: int) -> Sequence[DictRow]:
    """The events that match, newest first."""
    before_at, before_id = wanted.before or (None, None)
    parameters: dict[str, Any] = {
        "actor": wanted.actor.lower() if wanted.actor else None,
        "subject": wanted.subject,
        "student_id": wanted.student_id,
        "mentor_id": wanted.mentor_id,
        "event_type": wanted.event_type,
        "correlation_id": wanted.correlation_id,
        "since": wanted.since,
        "until": wanted.until,
        "as_of": wanted.as_of,
        "before_at": before_at,
        "before_id": before_id,
        "limit": limit,
    }
    statement = SEARCH if wanted.mentor_id is None else OF_MENTOR
    return connection.execute(statement, parameters, prepare=False).fetchall()


def span(
    connection: Connection[DictRow], subject: UUID | None, student_id: UUID | None, mentor_id: UUID | None
) -> DictRow:
    """How the events of one thing lie in time."""
    asked = {"subject": subject, "student_id": student_id, "mentor_id": mentor_id, "buckets": BUCKETS}
    row = connection.execute(SPAN, asked, prepare=False).fetchone()
    assert row is not None, "an aggregate always gives a row"
    return row


def one(connection: Connection[DictRow], event_id: UUID) -> DictRow | None:
    return connection.execute(ONE, (event_id,)).fetchone()


def caused_by(connection: Connection[DictRow], event_id: UUID) -> Sequence[DictRow]:
    """What the event caused, and what that caused in turn, nearest first; each with its ``depth``, from 1."""
    return connection.execute(CAUSED, {"event_id": event_id, "depth_max": DEPTH_MAX, "limit": CAUSED_MAX}).fetchall()
