"""A session was moved: it counts in its new week, and the file shows who asked for it, and whether late (S9)."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionRescheduled
from services.attendance.domain.attendance_file import Move, SessionState
from services.attendance.domain.standing import Outcome


def on_session_rescheduled(event: CloudEvent) -> SessionState:
    """What SessionRescheduled says."""
    moved = event.data
    assert isinstance(moved, SessionRescheduled)
    return SessionState(
        session_id=moved.session_id,
        event_id=event.id,
        mentor_id=moved.mentor_id,
        starts_at=moved.starts_at,
        duration_minutes=moved.duration_minutes,
        outcome=Outcome.PLANNED,
        move=Move(event.id, moved.previous_starts_at, moved.requested_by, moved.late),
        makes_up_for=moved.makes_up_for,
    )
