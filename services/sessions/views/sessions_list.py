"""The list of sessions, filtered by mentor, student, time and status, as it is or as of an earlier instant.

Fed from ``relais.sessions``: each event closes a session's present row and opens the next, so that the list can be read
as it stood at any instant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import sessions as contract
from services.chassis.access import Own
from services.chassis.at_once import AtOnce
from services.chassis.database import Database
from services.chassis.effects import Reaction

OPEN_FIRST = """
INSERT INTO sessions_list (session_id, version, student_id, mentor_id, starts_at, duration_minutes, timezone, path,
    makes_up_for, status, valid_from)
VALUES (%(session_id)s, %(version)s, %(student_id)s, %(mentor_id)s, %(starts_at)s, %(duration_minutes)s, %(timezone)s,
    %(path)s, %(makes_up_for)s, 'scheduled', %(at)s)
"""

# What an event does not say goes on as it was; status, reason, cause, note and what it makes up for are always said.
OPEN_NEXT = """
WITH closed AS (
    UPDATE sessions_list SET valid_to = greatest(valid_from, %(at)s)
    WHERE session_id = %(session_id)s AND valid_to IS NULL
    RETURNING *
)
INSERT INTO sessions_list (session_id, version, student_id, mentor_id, starts_at, duration_minutes, timezone, path,
    makes_up_for, status, reason, recoverable, cause, note, valid_from)
SELECT session_id, %(version)s::bigint, student_id, coalesce(%(mentor_id)s, mentor_id),
    coalesce(%(starts_at)s, starts_at), duration_minutes, timezone, path, %(makes_up_for)s::uuid, %(status)s,
    %(reason)s::text,
    %(recoverable)s::boolean, %(cause)s::text,
    CASE WHEN %(keeps_note)s AND reason = 'other' THEN coalesce(note, %(note)s::text) ELSE %(note)s::text END, valid_to
FROM closed
"""

# One filter each: null lets everything pass. A session has one make-up at most that is not cancelled.
LIST = """
SELECT session_id, student_id, mentor_id, starts_at, duration_minutes, timezone, path, status, reason, recoverable,
    cause, note, makes_up_for, (
        SELECT other.session_id FROM sessions_list AS other
        WHERE other.makes_up_for = sessions_list.session_id AND other.status <> 'cancelled'
          AND CASE
              WHEN %(as_of)s::timestamptz IS NULL THEN other.valid_to IS NULL
              ELSE other.valid_from <= %(as_of)s AND (other.valid_to IS NULL OR other.valid_to > %(as_of)s)
          END
        LIMIT 1
    ) AS made_up_by, version
FROM sessions_list
WHERE (%(mentor_id)s::uuid IS NULL OR mentor_id = %(mentor_id)s)
  AND (%(student_id)s::uuid IS NULL OR student_id = %(student_id)s)
  AND (
      %(own_mentor_ids)s::uuid[] IS NULL
      OR mentor_id = ANY(%(own_mentor_ids)s) OR student_id = ANY(%(own_student_ids)s::uuid[])
  )
  AND (%(from)s::timestamptz IS NULL OR starts_at >= %(from)s)
  AND (%(to)s::timestamptz IS NULL OR starts_at < %(to)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(after_starts_at)s::timestamptz IS NULL OR (starts_at, session_id) > (%(after_starts_at)s, %(after_id)s::uuid))
  AND CASE
      WHEN %(as_of)s::timestamptz IS NULL THEN valid_to IS NULL
      ELSE valid_from <= %(as_of)s AND (valid_to IS NULL OR valid_to > %(as_of)s)
  END
ORDER BY starts_at, session_id LIMIT %(limit)s
"""


TO_DOCUMENT = """
SELECT mentor_id, count(*) AS sessions, min(starts_at) AS oldest_starts_at FROM sessions_list
WHERE valid_to IS NULL AND status = 'scheduled' AND starts_at >= %s AND starts_at < %s
GROUP BY mentor_id ORDER BY min(starts_at), mentor_id LIMIT %s
"""

MENTORS_AT_MOST = 5_000


@dataclass(frozen=True, slots=True)
class Filter:
    """``from_`` is included, ``to`` is not; None lets everything pass. ``after`` is where the page before ended.

    ``own`` is what the person who asks may see.
    """

    own: Own | None = None
    mentor_id: UUID | None = None
    student_id: UUID | None = None
    from_: datetime | None = None
    to: datetime | None = None
    status: str | None = None
    as_of: datetime | None = None
    after: tuple[datetime, UUID] | None = None


class SessionsList:
    """Answers from the view."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: Filter, limit: int) -> list[DictRow]:
        """Up to ``limit`` sessions by their start."""
        after_starts_at, after_id = wanted.after or (None, None)
        with self._database.connection() as connection:
            return connection.execute(
                LIST,
                {
                    "own_mentor_ids": wanted.own.mentor_ids if wanted.own else None,
                    "own_student_ids": wanted.own.student_ids if wanted.own else None,
                    "mentor_id": wanted.mentor_id,
                    "student_id": wanted.student_id,
                    "from": wanted.from_,
                    "to": wanted.to,
                    "status": wanted.status,
                    "as_of": wanted.as_of,
                    "after_starts_at": after_starts_at,
                    "after_id": after_id,
                    "limit": limit,
                },
                prepare=False,  # So that it is planned for the filters that are given.
            ).fetchall()

    def to_document(self, from_: datetime, to: datetime) -> list[DictRow]:
        """By mentor, the sessions that began in this time and are documented in no way, the longest wait first."""
        with self._database.connection() as connection:
            return connection.execute(TO_DOCUMENT, (from_, to, MENTORS_AT_MOST), prepare=False).fetchall()


def show_all(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
    """Brings the sessions' rows to the events, in their order. Raises LookupError for a session that is not there."""
    with connection.pipeline():
        shown = [(event, _show(connection, event)) for event in events]
    for event, opened in shown:
        if opened.rowcount != 1:
            raise LookupError(f"session {event.subject} is not in the list, so {event.type} can't be shown")


def _show(connection: Connection[DictRow], event: CloudEvent) -> Cursor[DictRow]:
    data = event.data
    match data:
        case contract.SessionScheduled():
            return connection.execute(
                OPEN_FIRST,
                {
                    "session_id": data.session_id,
                    "version": event.sequence,
                    "student_id": data.student_id,
                    "mentor_id": data.mentor_id,
                    "starts_at": data.starts_at,
                    "duration_minutes": data.duration_minutes,
                    "timezone": data.timezone,
                    "path": data.path,
                    "makes_up_for": data.makes_up_for,
                    "at": event.time,
                },
            )
        case contract.SessionRescheduled():
            return _open_next(
                connection, event, status="scheduled", makes_up_for=data.makes_up_for, starts_at=data.starts_at
            )
        case contract.SessionReassigned():
            return _open_next(
                connection, event, status="scheduled", makes_up_for=data.makes_up_for, mentor_id=data.to_mentor_id
            )
        case contract.SessionHeld():
            return _open_next(connection, event, status="held", makes_up_for=data.makes_up_for)
        case contract.SessionCancelled():
            return _open_next(
                connection,
                event,
                status="cancelled",
                makes_up_for=data.makes_up_for,
                reason=data.reason,
                recoverable=data.recoverable,
                cause=data.cause,
                note=data.note,
            )
        case contract.SessionCorrected():
            with_note = data.reason == "other"
            return _open_next(
                connection,
                event,
                status=data.status,
                makes_up_for=data.makes_up_for,
                reason=data.reason,
                recoverable=data.recoverable,
                cause=data.cause,
                keeps_note=with_note,
                note=data.why if with_note else None,
            )
        case _:
            raise TypeError(f"{event.type} is no event of a session")


def _open_next(
    connection: Connection[DictRow], event: CloudEvent, *, status: str, makes_up_for: UUID | None, **said: Any
) -> Cursor[DictRow]:
    unsaid = {
        "mentor_id": None,
        "starts_at": None,
        "reason": None,
        "recoverable": None,
        "cause": None,
        "note": None,
        "keeps_note": False,
    }
    of_event = {
        "session_id": event.subject,
        "version": event.sequence,
        "at": event.time,
        "status": status,
        "makes_up_for": makes_up_for,
    }
    return connection.execute(OPEN_NEXT, unsaid | of_event | said)


SHOW = AtOnce(show_all)
REACTIONS: Mapping[str, Sequence[Reaction]] = {published.ce_type: (SHOW,) for published in contract.EVENTS}
