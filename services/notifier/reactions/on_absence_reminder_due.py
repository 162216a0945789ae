"""AbsenceReminderDue → 72 h before departure the mentor, at the return everybody who has a part in it (T16, T17)."""

from collections.abc import Mapping
from uuid import UUID

from relais_contracts import CloudEvent
from relais_contracts.transfers import AbsenceReminderDue
from services.notifier.domain.letter import Fact, Letter, Template, students_of


def letters(event: CloudEvent, mentor_of: Mapping[UUID, UUID]) -> list[Letter]:
    """``mentor_of`` gives the students' present mentors, as far as they are known."""
    reminder = event.data
    assert isinstance(reminder, AbsenceReminderDue)
    facts: dict[str, Fact] = {"from_at": reminder.from_at.isoformat(), "to_at": reminder.to_at.isoformat()}
    mentor = {"mentor": reminder.mentor_id}
    if reminder.kind == "help_deadline":
        names = mentor | students_of(reminder.student_ids)
        return [Letter(Template.HELP_DEADLINE, reminder.mentor_id, names, facts)]
    to_mentor = Letter(
        Template.RETURN_OF_STUDENTS, reminder.mentor_id, mentor | students_of(reminder.student_ids), facts
    )
    return [to_mentor] + [
        Letter(Template.RETURN_STUDENTS, replacement_id, mentor | students_of(theirs), facts)
        for replacement_id in reminder.replacement_ids
        if (theirs := [s for s in reminder.student_ids if mentor_of.get(s, replacement_id) == replacement_id])
    ]
