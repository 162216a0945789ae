"""A session was planned: its week has one."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionScheduled
from services.attendance.domain.attendance_file import SessionState
from services.attendance.domain.standing import Outcome


def on_session_scheduled(event: CloudEvent) -> SessionState:
    """What SessionScheduled says."""
    scheduled = event.data
    assert isinstance(scheduled, SessionScheduled)
    return SessionState(
        session_id=scheduled.session_id,
        event_id=event.id,
        mentor_id=scheduled.mentor_id,
        starts_at=scheduled.starts_at,
        duration_minutes=scheduled.duration_minutes,
        outcome=Outcome.PLANNED,
        makes_up_for=scheduled.makes_up_for,
    )
