"""A session was held: the mentor's statement gets its line (S8)."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionHeld
from services.billing.domain.statement import Documented
from services.billing.domain.tariff import Outcome


def on_session_held(event: CloudEvent) -> Documented:
    """What SessionHeld documents."""
    held = event.data
    assert isinstance(held, SessionHeld)
    return Documented(
        event_id=event.id,
        session_id=held.session_id,
        student_id=held.student_id,
        mentor_id=held.mentor_id,
        starts_at=held.starts_at,
        duration_minutes=held.duration_minutes,
        path=held.path,
        outcome=Outcome.HELD,
    )
