"""A session was planned: its week has one."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionScheduled
from services.attendance.domain.attendance_file import SessionState
from services.attendance.domain.standing import Outcome
from services.attendance.views import sessions


def on_session_scheduled(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to SessionScheduled."""
    scheduled = event.data
    assert isinstance(scheduled, SessionScheduled)
    state = SessionState(
        session_id=scheduled.session_id,
        event_id=event.id,
        mentor_id=scheduled.mentor_id,
        starts_at=scheduled.starts_at,
        duration_minutes=scheduled.duration_minutes,
        outcome=Outcome.PLANNED,
        makes_up_for=scheduled.makes_up_for,
    )
    sessions.add_state(connection, scheduled.student_id, state, sequence=event.sequence, recorded_at=event.time)
