"""StudentTransferred → the student learns who accompanies them now (T10), both mentors that it is done (T11)."""

from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentTransferred
from services.notifier.domain.letter import Fact, Letter, Template


def letters(event: CloudEvent) -> list[Letter]:
    transferred = event.data
    assert isinstance(transferred, StudentTransferred)
    names = {
        "student": transferred.student_id,
        "from_mentor": transferred.from_mentor_id,
        "to_mentor": transferred.to_mentor_id,
    }
    return_on = transferred.expected_return_on
    facts: dict[str, Fact] = {
        "path": transferred.path,
        "project": transferred.project,
        "funding": transferred.funding,
        "kind": transferred.kind,
        "expected_return_on": return_on.isoformat() if return_on else None,
    }
    return [
        Letter(Template.MENTOR_CHANGED, transferred.student_id, names, facts),
        Letter(Template.STUDENT_ARRIVED, transferred.to_mentor_id, names, facts),
        Letter(Template.STUDENT_LEFT, transferred.from_mentor_id, names, facts),
    ]
