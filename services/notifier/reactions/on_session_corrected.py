"""SessionCorrected → the student learns what holds now. Why support corrected it stays inside the school."""

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCorrected
from services.notifier.domain.letter import Letter, Template


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
            },
        )
    ]
