"""Sessions as calendars show them, and the links under which people subscribe to their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import sessions as contract

PAST: Final = timedelta(days=92)
ENTRIES_MAX: Final = 1_000

KEEP = """
INSERT INTO calendar_sessions
    (session_id, student_id, mentor_id, starts_at, duration_minutes, timezone, cancelled, sequence, changed_at)
SELECT * FROM unnest(%(session_id)b::uuid[], %(student_id)b::uuid[], %(mentor_id)b::uuid[],
    %(starts_at)b::timestamptz[], %(duration_minutes)b::integer[], %(timezone)s::text[], %(cancelled)b::boolean[],
    %(sequence)b::bigint[], %(changed_at)b::timestamptz[])
ON CONFLICT (session_id) DO UPDATE
SET mentor_id = excluded.mentor_id, starts_at = excluded.starts_at, duration_minutes = excluded.duration_minutes,
    timezone = coalesce(excluded.timezone, calendar_sessions.timezone), cancelled = excluded.cancelled,
    sequence = excluded.sequence, changed_at = excluded.changed_at
WHERE calendar_sessions.sequence < excluded.sequence
"""

# The latest are kept where there are too many: what is to come counts most.
OF_MENTOR = """
SELECT s.session_id, s.starts_at, s.duration_minutes, s.timezone, s.cancelled, s.sequence, s.changed_at,
    p.name AS with_name
FROM calendar_sessions AS s LEFT JOIN people AS p ON p.person_id = s.student_id
WHERE s.mentor_id = ANY(%(person_ids)s) AND s.starts_at >= %(since)s
ORDER BY s.starts_at DESC, s.session_id LIMIT %(limit)s
"""

OF_STUDENT = """
SELECT s.session_id, s.starts_at, s.duration_minutes, s.timezone, s.cancelled, s.sequence, s.changed_at,
    p.name AS with_name
FROM calendar_sessions AS s LEFT JOIN people AS p ON p.person_id = s.mentor_id
WHERE s.student_id = ANY(%(person_ids)s) AND s.starts_at >= %(since)s
ORDER BY s.starts_at DESC, s.session_id LIMIT %(limit)s
"""

LINK_OF = """
SELECT token, created_at FROM calendar_links WHERE role = %s AND person_ids && %s ORDER BY created_at DESC LIMIT 1
"""

FIND_LINK = "SELECT role, person_ids, language FROM calendar_links WHERE token = %s"

REVOKE = "DELETE FROM calendar_links WHERE role = %s AND person_ids && %s"

ADD_LINK = """
INSERT INTO calendar_links (token, role, person_ids, language, created_at) VALUES (%s, %s, %s, %s, %s)
"""


def keep_sessions(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
    """Each session as the last of its events leaves it; an older event changes nothing."""
    sessions: dict[UUID, dict[str, Any]] = {}
    for event in events:
        after = _session(event)
        before = sessions.get(after["session_id"])
        if before is None or before["sequence"] < after["sequence"]:
            sessions[after["session_id"]] = after | {
                "timezone": after["timezone"] or (before["timezone"] if before else None)
            }
    rows = list(sessions.values())
    connection.execute(KEEP, {name: [row[name] for row in rows] for name in rows[0]})


def _session(event: CloudEvent) -> dict[str, Any]:
    data = event.data
    match data:
        case contract.SessionReassigned():
            mentor_id, cancelled = data.to_mentor_id, False
        case contract.SessionCorrected():
            mentor_id, cancelled = data.mentor_id, data.status == "cancelled"
        case contract.SessionCancelled():
            mentor_id, cancelled = data.mentor_id, True
        case contract.SessionScheduled() | contract.SessionRescheduled() | contract.SessionHeld():
            mentor_id, cancelled = data.mentor_id, False
        case _:
            raise TypeError(f"{event.type} says nothing of a session")
    return {
        "session_id": data.session_id,
        "student_id": data.student_id,
        "mentor_id": mentor_id,
        "starts_at": data.starts_at,
        "duration_minutes": data.duration_minutes,
        "timezone": data.timezone if isinstance(data, contract.SessionScheduled) else None,
        "cancelled": cancelled,
        "sequence": event.sequence,
        "changed_at": event.time,
    }


def entries(
    connection: Connection[DictRow], role: str, person_ids: Sequence[UUID], *, now: datetime
) -> list[dict[str, Any]]:
    """The person's sessions of the last three months and all to come, with whom they meet."""
    query = OF_MENTOR if role == "mentor" else OF_STUDENT
    asked = {"person_ids": list(person_ids), "since": now - PAST, "limit": ENTRIES_MAX}
    return connection.execute(query, asked).fetchall()


def link_of(connection: Connection[DictRow], role: str, person_ids: Sequence[UUID]) -> dict[str, Any] | None:
    return connection.execute(LINK_OF, (role, list(person_ids))).fetchone()


def find_link(connection: Connection[DictRow], token: str) -> dict[str, Any] | None:
    return connection.execute(FIND_LINK, (token,)).fetchone()


def revoke(connection: Connection[DictRow], role: str, person_ids: Sequence[UUID]) -> None:
    """From now on no link of the person opens anything."""
    connection.execute(REVOKE, (role, list(person_ids)))


def add_link(
    connection: Connection[DictRow], token: str, role: str, person_ids: Sequence[UUID], language: str, now: datetime
) -> None:
    """The one link of the person: those before it are revoked."""
    revoke(connection, role, person_ids)
    connection.execute(ADD_LINK, (token, role, list(person_ids), language, now))
