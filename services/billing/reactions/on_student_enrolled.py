"""StudentEnrolled, StudentUpdated: the name that stands on the lines of the student's sessions."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentEnrolled, StudentUpdated
from services.billing.views import names


def on_student_enrolled(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to both."""
    student = event.data
    assert isinstance(student, StudentEnrolled | StudentUpdated)
    names.keep(connection, student.student_id, student.name)
