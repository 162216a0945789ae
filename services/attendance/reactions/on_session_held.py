"""A session was held: the student attended."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionHeld
from services.attendance.domain.attendance_file import SessionState
from services.attendance.domain.standing import Outcome
from services.attendance.views import sessions


def on_session_held(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to SessionHeld."""
    held = event.data
    assert isinstance(held, SessionHeld)
    state = SessionState(
        session_id=held.session_id,
        event_id=event.id,
        mentor_id=held.mentor_id,
        starts_at=held.starts_at,
        duration_minutes=held.duration_minutes,
        outcome=Outcome.HELD,
        makes_up_for=held.makes_up_for,
    )
    sessions.add_state(connection, held.student_id, state, sequence=event.sequence, recorded_at=event.time)
