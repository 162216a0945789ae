"""Support corrected an outcome: its line is replaced while the statement is open, adjusted on the next one after."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCorrected
from services.billing.domain.statement import Documented
from services.billing.domain.tariff import Outcome


def on_session_corrected(event: CloudEvent) -> Documented:
    """What SessionCorrected documents."""
    corrected = event.data
    assert isinstance(corrected, SessionCorrected)
    return Documented(
        event_id=event.id,
        session_id=corrected.session_id,
        student_id=corrected.student_id,
        mentor_id=corrected.mentor_id,
        starts_at=corrected.starts_at,
        duration_minutes=corrected.duration_minutes,
        path=corrected.path,
        outcome=outcome_of(corrected),
    )


def outcome_of(corrected: SessionCorrected) -> Outcome | None:
    """What holds after the correction; None where the session is scheduled again.

    Raises ValueError for a cancelled session without its reason.
    """
    match corrected.status:
        case "held":
            return Outcome.HELD
        case "scheduled":
            return None
        case "cancelled":
            if corrected.reason is None:
                raise ValueError("a correction to cancelled names no reason")
            return Outcome(corrected.reason)
