"""SessionCancelled → the student learns why, and whether it can be made up for; « Autre » shares its note (S6, S7)."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCancelled
from services.notifier.domain.letter import Calendar, Letter, Template


def letters(event: CloudEvent) -> list[Letter]:
    cancelled = event.data
    assert isinstance(cancelled, SessionCancelled)
    return [
        Letter(
            Template.SESSION_CANCELLED,
            recipient_id=cancelled.student_id,
            names={"student": cancelled.student_id, "mentor": cancelled.mentor_id},
            facts={
                "session_id": str(cancelled.session_id),
                "starts_at": cancelled.starts_at.isoformat(),
                "duration_minutes": cancelled.duration_minutes,
                "reason": cancelled.reason,
                "recoverable": cancelled.recoverable,
                "cause": cancelled.cause,
                "note": cancelled.note,
            },
            calendar=Calendar.CANCEL,
        )
    ]
