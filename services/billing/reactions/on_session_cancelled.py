"""A session was cancelled: its reason goes into the mentor's statement (S8)."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCancelled
from services.billing.domain.statement import Documented
from services.billing.domain.tariff import Outcome


def on_session_cancelled(event: CloudEvent) -> Documented:
    """What SessionCancelled documents."""
    cancelled = event.data
    assert isinstance(cancelled, SessionCancelled)
    return Documented(
        event_id=event.id,
        session_id=cancelled.session_id,
        student_id=cancelled.student_id,
        mentor_id=cancelled.mentor_id,
        starts_at=cancelled.starts_at,
        duration_minutes=cancelled.duration_minutes,
        path=cancelled.path,
        outcome=Outcome(cancelled.reason),
    )
