"""An upcoming session went to another mentor: the file names the one who holds it."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionReassigned
from services.attendance.domain.attendance_file import SessionState
from services.attendance.domain.standing import Outcome


def on_session_reassigned(event: CloudEvent) -> SessionState:
    """What SessionReassigned says."""
    reassigned = event.data
    assert isinstance(reassigned, SessionReassigned)
    return SessionState(
        session_id=reassigned.session_id,
        event_id=event.id,
        mentor_id=reassigned.to_mentor_id,
        starts_at=reassigned.starts_at,
        duration_minutes=reassigned.duration_minutes,
        outcome=Outcome.PLANNED,
        makes_up_for=reassigned.makes_up_for,
    )
