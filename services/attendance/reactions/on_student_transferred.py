"""A student went to another mentor: from now on that one's weeks show the student."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentTransferred
from services.attendance.views import mentors


def on_student_transferred(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to StudentTransferred."""
    transferred = event.data
    assert isinstance(transferred, StudentTransferred)
    mentors.pair(
        connection,
        transferred.student_id,
        transferred.to_mentor_id,
        sequence=event.sequence,
        recorded_at=event.time,
    )
