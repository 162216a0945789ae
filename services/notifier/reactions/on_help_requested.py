"""HelpRequested → support, who acts, with what the mentor wrote; and the mentor, that it has arrived (T17)."""

from relais_contracts import CloudEvent
from relais_contracts.transfers import HelpRequested
from services.notifier.domain.letter import SUPPORT_ID, Fact, Letter, Template, students_of


def letters(event: CloudEvent) -> list[Letter]:
    asked = event.data
    assert isinstance(asked, HelpRequested)
    names = {"mentor": asked.mentor_id} | students_of(asked.student_ids)
    facts: dict[str, Fact] = {
        "from_at": asked.from_at.isoformat(),
        "to_at": asked.to_at.isoformat(),
        "message": asked.message,
        "late": asked.late,
    }
    return [
        Letter(Template.HELP_REQUESTED, SUPPORT_ID, names, facts),
        Letter(Template.HELP_ON_ITS_WAY, asked.mentor_id, names, facts),
    ]
