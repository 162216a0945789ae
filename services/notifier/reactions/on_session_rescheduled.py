"""SessionRescheduled → the student receives the new date and time (S10), with an update of their calendar."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionRescheduled
from services.notifier.domain.letter import Calendar, Letter, Template


def letters(event: CloudEvent) -> list[Letter]:
    moved = event.data
    assert isinstance(moved, SessionRescheduled)
    return [
        Letter(
            Template.SESSION_RESCHEDULED,
            recipient_id=moved.student_id,
            names={"student": moved.student_id, "mentor": moved.mentor_id},
            facts={
                "session_id": str(moved.session_id),
                "previous_starts_at": moved.previous_starts_at.isoformat(),
                "starts_at": moved.starts_at.isoformat(),
                "duration_minutes": moved.duration_minutes,
                "requested_by": moved.requested_by,
            },
            calendar=Calendar.REQUEST,
        )
    ]
