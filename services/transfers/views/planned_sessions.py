"""The sessions that students have planned, from relais.sessions: what an absence makes them miss."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import sessions as contract
from services.chassis.effects import Reaction
from services.transfers.domain.absence import Period
from services.transfers.domain.absence_plan import SessionsWithin

PLAN = """
INSERT INTO planned_sessions (session_id, student_id, starts_at, duration_minutes, status)
VALUES (%s, %s, %s, %s, 'scheduled') ON CONFLICT (session_id) DO NOTHING
"""
MOVE = "UPDATE planned_sessions SET starts_at = %s, duration_minutes = %s WHERE session_id = %s"
SET_STATUS = "UPDATE planned_sessions SET status = %s WHERE session_id = %s"
# A session that touches the absence is missed; one that ends when it begins, or begins when it ends, is not.
WITHIN = """
SELECT student_id, count(*) AS planned, count(*) FILTER (WHERE status = 'scheduled') AS remaining
FROM planned_sessions
WHERE student_id = ANY(%(student_ids)s) AND status <> 'cancelled' AND starts_at < %(to_at)s
    AND starts_at + duration_minutes * interval '1 minute' > %(from_at)s
GROUP BY student_id
"""


def on_scheduled(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.SessionScheduled)
    connection.execute(PLAN, (data.session_id, data.student_id, data.starts_at, data.duration_minutes))


def on_rescheduled(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.SessionRescheduled)
    connection.execute(MOVE, (data.starts_at, data.duration_minutes, data.session_id))


def on_cancelled(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.SessionCancelled)
    connection.execute(SET_STATUS, ("cancelled", event.data.session_id))


def on_held(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.SessionHeld)
    connection.execute(SET_STATUS, ("held", event.data.session_id))


def on_corrected(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.SessionCorrected)
    connection.execute(SET_STATUS, (event.data.status, event.data.session_id))


REACTIONS: Final[Mapping[str, tuple[Reaction, ...]]] = {
    contract.SessionScheduled.ce_type: (on_scheduled,),
    contract.SessionRescheduled.ce_type: (on_rescheduled,),
    contract.SessionCancelled.ce_type: (on_cancelled,),
    contract.SessionHeld.ce_type: (on_held,),
    contract.SessionCorrected.ce_type: (on_corrected,),
}


def sessions_within(
    connection: Connection[DictRow], student_ids: Iterable[UUID], period: Period
) -> dict[UUID, SessionsWithin]:
    """What each student has planned within the period, whoever is to hold it; students without are left out."""
    rows = connection.execute(
        WITHIN, {"student_ids": list(student_ids), "from_at": period.from_at, "to_at": period.to_at}
    ).fetchall()
    return {row["student_id"]: SessionsWithin(row["planned"], row["remaining"]) for row in rows}
