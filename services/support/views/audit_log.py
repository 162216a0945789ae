"""The audit log: every published event with who did it, when, as part of what, and because of what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from relais_contracts import CloudEvent

DEPTH_MAX: Final = 20
CAUSED_MAX: Final = 500

INSERT: Final = """
INSERT INTO audit_events (
    event_id, event_type, topic, source, subject, sequence, student_id, mentor_id,
    actor, occurred_at, correlation_id, causation_id, traceparent, data
)
VALUES (
    %(event_id)s, %(event_type)s, %(topic)s, %(source)s, %(subject)s, %(sequence)s, %(student_id)s, %(mentor_id)s,
    %(actor)s, %(occurred_at)s, %(correlation_id)s, %(causation_id)s, %(traceparent)s, %(data)s
)
ON CONFLICT (event_id) DO NOTHING
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
    is not; ``before`` is the place in the list (newest first) after which to go on.
    """

    actor: str | None = None
    subject: UUID | None = None
    student_id: UUID | None = None
    event_type: str | None = None
    correlation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    before: tuple[datetime, UUID] | None = None


def record(connection: Connection[DictRow], event: CloudEvent) -> None:
    """Adds the event as it was published."""
    connection.execute(
        INSERT,
        {
            "event_id": event.id,
            "event_type": event.type,
            "topic": event.topic or event.data.topic,
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
            "data": Jsonb(event.data.model_dump(mode="json")),
        },
    )


def search(connection: Connection[DictRow], wanted: Search, *, limit: int) -> Sequence[DictRow]:
    """The events that match, newest first."""
    before_at, before_id = wanted.before or (None, None)
    parameters: dict[str, Any] = {
        "actor": wanted.actor.lower() if wanted.actor else None,
        "subject": wanted.subject,
        "student_id": wanted.student_id,
        "event_type": wanted.event_type,
        "correlation_id": wanted.correlation_id,
        "since": wanted.since,
        "until": wanted.until,
        "as_of": wanted.as_of,
        "before_at": before_at,
        "before_id": before_id,
        "limit": limit,
    }
    return connection.execute(SEARCH, parameters, prepare=False).fetchall()


def one(connection: Connection[DictRow], event_id: UUID) -> DictRow | None:
    return connection.execute(ONE, (event_id,)).fetchone()


def caused_by(connection: Connection[DictRow], event_id: UUID) -> Sequence[DictRow]:
    """What the event caused, and what that caused in turn, nearest first; each with its ``depth``, from 1."""
    return connection.execute(CAUSED, {"event_id": event_id, "depth_max": DEPTH_MAX, "limit": CAUSED_MAX}).fetchall()
