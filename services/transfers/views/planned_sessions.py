"""The sessions that students have planned, from relais.sessions: what an absence makes them miss.

One row a version: an absence also concerns what has been moved out of it, and can be read as of an earlier instant.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import sessions as contract
from services.chassis.at_once import in_one_go
from services.chassis.effects import Reaction
from services.transfers.domain.absence import Declared
from services.transfers.domain.missed_sessions import Missed, PlannedSession, Standing, count_missed

PLAN = """
INSERT INTO planned_sessions
    (session_id, version, student_id, starts_at, duration_minutes, status, makes_up_for, valid_from)
VALUES (%(session_id)s, %(version)s, %(student_id)s, %(starts_at)s, %(duration_minutes)s, 'scheduled', %(makes_up_for)s,
    %(at)s)
ON CONFLICT (session_id, version) DO NOTHING
"""
# What an event does not say goes on as it was.
NEXT = """
INSERT INTO planned_sessions (session_id, version, student_id, starts_at, duration_minutes, status, reason, cause,
    makes_up_for, moved_by, valid_from)
SELECT session_id, %(version)s, student_id, coalesce(%(starts_at)s, starts_at),
    coalesce(%(duration_minutes)s, duration_minutes), %(status)s, %(reason)s, %(cause)s, %(makes_up_for)s, %(moved_by)s,
    %(at)s
FROM planned_sessions WHERE session_id = %(session_id)s ORDER BY version DESC LIMIT 1
ON CONFLICT (session_id, version) DO NOTHING
"""
# A session that touches the absence is missed; one that ends when it begins, or begins when it ends, is not.
CONCERNED = """
WITH known AS (
    SELECT * FROM planned_sessions
    WHERE student_id = ANY(%(student_ids)s) AND (%(as_of)s::timestamptz IS NULL OR valid_from <= %(as_of)s)
), touching AS (
    SELECT session_id FROM known
    WHERE starts_at < %(to_at)s AND starts_at + duration_minutes * interval '1 minute' > %(from_at)s
)
SELECT session_id, student_id, starts_at, duration_minutes, status, reason, cause, makes_up_for, moved_by, valid_from
FROM known
WHERE session_id IN (
    SELECT session_id FROM touching
    UNION SELECT session_id FROM known WHERE makes_up_for IN (SELECT session_id FROM touching)
)
ORDER BY student_id, session_id, version
"""


def on_scheduled(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.SessionScheduled)
    connection.execute(
        PLAN,
        {
            "session_id": data.session_id,
            "version": event.sequence,
            "student_id": data.student_id,
            "starts_at": data.starts_at,
            "duration_minutes": data.duration_minutes,
            "makes_up_for": data.makes_up_for,
            "at": event.time,
        },
    )


def on_rescheduled(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.SessionRescheduled)
    _next(
        connection,
        event,
        status="scheduled",
        starts_at=data.starts_at,
        duration_minutes=data.duration_minutes,
        makes_up_for=data.makes_up_for,
        moved_by=data.requested_by,
    )


def on_cancelled(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.SessionCancelled)
    _next(
        connection,
        event,
        status="cancelled",
        reason=data.reason,
        cause=data.cause,
        makes_up_for=data.makes_up_for,
    )


def on_held(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.SessionHeld)
    _next(connection, event, status="held", makes_up_for=event.data.makes_up_for)


def on_corrected(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.SessionCorrected)
    _next(
        connection,
        event,
        status=data.status,
        reason=data.reason,
        cause=data.cause,
        makes_up_for=data.makes_up_for,
    )


BY_TYPE: Final[Mapping[str, Reaction]] = {
    contract.SessionScheduled.ce_type: on_scheduled,
    contract.SessionRescheduled.ce_type: on_rescheduled,
    contract.SessionCancelled.ce_type: on_cancelled,
    contract.SessionHeld.ce_type: on_held,
    contract.SessionCorrected.ce_type: on_corrected,
}
KEEP: Final = in_one_go(lambda connection, event: BY_TYPE[event.type](connection, event))
REACTIONS: Final[Mapping[str, tuple[Reaction, ...]]] = dict.fromkeys(BY_TYPE, (KEEP,))


def missed_sessions(
    connection: Connection[DictRow], student_ids: Iterable[UUID], absence: Declared, *, as_of: datetime | None = None
) -> dict[UUID, Missed]:
    """What the absence makes each student miss, whoever is to hold it; students who miss nothing may be left out."""
    rows = connection.execute(
        CONCERNED,
        {
            "student_ids": list(student_ids),
            "from_at": absence.period.from_at,
            "to_at": absence.period.to_at,
            "as_of": as_of,
        },
    ).fetchall()
    return {
        student_id: count_missed(_sessions(of_student), absence.period, declared_at=absence.declared_at)
        for student_id, of_student in groupby(rows, key=lambda row: row["student_id"])
    }


def _next(connection: Connection[DictRow], event: CloudEvent, **said: Any) -> None:
    unsaid = dict.fromkeys(("starts_at", "duration_minutes", "reason", "cause", "makes_up_for", "moved_by"))
    of_event = {"session_id": event.subject, "version": event.sequence, "at": event.time}
    connection.execute(NEXT, unsaid | of_event | said)


def _sessions(rows: Iterable[DictRow]) -> list[PlannedSession]:
    return [
        PlannedSession(session_id, tuple(map(_standing, versions)))
        for session_id, versions in groupby(rows, key=lambda row: row["session_id"])
    ]


def _standing(row: DictRow) -> Standing:
    return Standing(
        starts_at=row["starts_at"],
        duration=timedelta(minutes=row["duration_minutes"]),
        status=row["status"],
        since=row["valid_from"],
        reason=row["reason"],
        cause=row["cause"],
        makes_up_for=row["makes_up_for"],
        moved_by=row["moved_by"],
    )
