"""A session was held: the student attended."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionHeld
from services.attendance.domain.attendance_file import SessionState
from services.attendance.domain.standing import Outcome


def on_session_held(event: CloudEvent) -> SessionState:
    """What SessionHeld says."""
    held = event.data
    assert isinstance(held, SessionHeld)
    return SessionState(
        session_id=held.session_id,
        event_id=event.id,
        mentor_id=held.mentor_id,
        starts_at=held.starts_at,
        duration_minutes=held.duration_minutes,
        outcome=Outcome.HELD,
        makes_up_for=held.makes_up_for,
    )
