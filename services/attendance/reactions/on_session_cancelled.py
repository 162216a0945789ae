"""A session was cancelled: its reason goes into the student's file (S7)."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCancelled
from services.attendance.domain.attendance_file import SessionState
from services.attendance.domain.standing import Cause, Outcome


def on_session_cancelled(event: CloudEvent) -> SessionState:
    """What SessionCancelled says."""
    cancelled = event.data
    assert isinstance(cancelled, SessionCancelled)
    return SessionState(
        session_id=cancelled.session_id,
        event_id=event.id,
        mentor_id=cancelled.mentor_id,
        starts_at=cancelled.starts_at,
        duration_minutes=cancelled.duration_minutes,
        outcome=Outcome(cancelled.reason),
        cause=Cause(cancelled.cause) if cancelled.cause is not None else None,
        recoverable=cancelled.recoverable,
        makes_up_for=cancelled.makes_up_for,
    )
