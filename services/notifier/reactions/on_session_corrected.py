"""SessionCorrected → the student learns what holds now, and the note of « Autre » (S6); the calendar follows.

Why support corrected it stays inside the school, unless it is the only reason that « Autre » has to share.
"""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCorrected
from services.notifier.domain.letter import Calendar, Letter, Template


def letters(event: CloudEvent) -> list[Letter]:
    corrected = event.data
    assert isinstance(corrected, SessionCorrected)
    return [
        Letter(
            Template.SESSION_CORRECTED,
            recipient_id=corrected.student_id,
            names={"student": corrected.student_id, "mentor": corrected.mentor_id},
            facts={
                "session_id": str(corrected.session_id),
                "starts_at": corrected.starts_at.isoformat(),
                "duration_minutes": corrected.duration_minutes,
                "previous_status": corrected.previous_status,
                "previous_reason": corrected.previous_reason,
                "status": corrected.status,
                "reason": corrected.reason,
                "recoverable": corrected.recoverable,
                "note": corrected.note,
                "past": _is_past(corrected),
            },
            calendar=_calendar(corrected),
        )
    ]


def _calendar(corrected: SessionCorrected) -> Calendar | None:
    """A session that is planned again comes back; one that turns out cancelled goes; what is over stays as it was."""
    match corrected.previous_status, corrected.status:
        case _, "scheduled":
            return None if _is_past(corrected) else Calendar.REQUEST
        case "scheduled", "cancelled":
            return Calendar.CANCEL
        case _:
            return None


def _is_past(corrected: SessionCorrected) -> bool:
    """Whether the session's time has come: planned again, it is one that waits to be documented."""
    return corrected.starts_at <= corrected.corrected_at
