"""StudentEnrolled, StudentUpdated → the student's address, name and language."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentEnrolled, StudentUpdated
from services.notifier.domain.letter import Person
from services.notifier.views import people


def on_student_enrolled(connection: Connection[DictRow], event: CloudEvent) -> None:
    """Keeps the student in the directory of people."""
    student = event.data
    assert isinstance(student, StudentEnrolled | StudentUpdated)
    people.keep(connection, Person(student.student_id, "student", student.email, student.name, student.language))
    if isinstance(student, StudentEnrolled):
        people.pair(connection, student.student_id, student.mentor_id)
