"""StudentEnrolled, StudentUpdated: the name that stands on the lines of the student's sessions."""

from uuid import UUID

from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentEnrolled, StudentUpdated


def on_student_enrolled(event: CloudEvent) -> tuple[UUID, str]:
    """The student's id and name, as both have them."""
    student = event.data
    assert isinstance(student, StudentEnrolled | StudentUpdated)
    return student.student_id, student.name
