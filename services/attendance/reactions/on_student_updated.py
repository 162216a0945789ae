"""A student's account changed: the file names the funding that holds."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentUpdated
from services.attendance.views import students


def on_student_updated(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to StudentUpdated."""
    updated = event.data
    assert isinstance(updated, StudentUpdated)
    state = students.Student(
        student_id=updated.student_id,
        email=updated.email,
        name=updated.name,
        funding=updated.funding,
        enrolled_at=None,
        path=updated.path,
    )
    students.add_state(connection, state, sequence=event.sequence, event_id=event.id, recorded_at=event.time)
