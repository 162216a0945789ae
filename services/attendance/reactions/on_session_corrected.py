"""Support corrected what was documented: the file says what holds now."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCorrected
from services.attendance.domain.attendance_file import SessionState
from services.attendance.domain.standing import Cause, Outcome


def on_session_corrected(event: CloudEvent) -> SessionState:
    """What SessionCorrected says."""
    corrected = event.data
    assert isinstance(corrected, SessionCorrected)
    return SessionState(
        session_id=corrected.session_id,
        event_id=event.id,
        mentor_id=corrected.mentor_id,
        starts_at=corrected.starts_at,
        duration_minutes=corrected.duration_minutes,
        outcome=outcome_of(corrected),
        cause=Cause(corrected.cause) if corrected.cause is not None else None,
        recoverable=corrected.recoverable,
        makes_up_for=corrected.makes_up_for,
    )


def outcome_of(corrected: SessionCorrected) -> Outcome:
    """What holds after the correction. Raises ValueError for a cancelled session without its reason."""
    match corrected.status:
        case "held":
            return Outcome.HELD
        case "scheduled":
            return Outcome.PLANNED
        case "cancelled":
            if corrected.reason is None:
                raise ValueError("a correction to cancelled names no reason")
            return Outcome(corrected.reason)
