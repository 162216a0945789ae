"""A student began, with a first mentor: the file opens in that week."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentEnrolled
from services.attendance.views import mentors, students


def on_student_enrolled(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to StudentEnrolled."""
    enrolled = event.data
    assert isinstance(enrolled, StudentEnrolled)
    state = students.Student(
        student_id=enrolled.student_id,
        email=enrolled.email,
        name=enrolled.name,
        funding=enrolled.funding,
        enrolled_at=enrolled.enrolled_at,
        path=enrolled.path,
    )
    students.add_state(connection, state, sequence=event.sequence, event_id=event.id, recorded_at=event.time)
    mentors.pair(connection, enrolled.student_id, enrolled.mentor_id, sequence=event.sequence, recorded_at=event.time)
