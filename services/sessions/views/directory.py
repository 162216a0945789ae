"""The students and mentors that sessions are planned with: who accompanies whom, on which path, in which time zone.

Fed from ``relais.transfers``. It is behind the service transfers by as long as an event travels; whoever plans a
session therefore locks the student's row (see ``keep_with_mentor``), so that a transfer never leaves one behind.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import transfers as contract
from services.chassis.database import Database
from services.chassis.effects import Reaction
from services.chassis.event_store import VersionConflict

PUT_MENTOR = """
INSERT INTO mentors (mentor_id, timezone) VALUES (%(mentor_id)s, %(timezone)s)
ON CONFLICT (mentor_id) DO UPDATE SET timezone = excluded.timezone
"""

PUT_STUDENT = """
INSERT INTO students (student_id, mentor_id, path) VALUES (%(student_id)s, %(mentor_id)s, %(path)s)
ON CONFLICT (student_id) DO UPDATE SET mentor_id = excluded.mentor_id, path = excluded.path
"""

CHANGE_PATH = "UPDATE students SET path = %(path)s WHERE student_id = %(student_id)s"

CHANGE_MENTOR = "UPDATE students SET mentor_id = %(mentor_id)s WHERE student_id = %(student_id)s"

FIND_STUDENTS = """
SELECT student_id, mentor_id, path, timezone FROM students LEFT JOIN mentors USING (mentor_id)
WHERE student_id = ANY(%s)
"""

FIND_MENTORS = "SELECT mentor_id, timezone FROM mentors WHERE mentor_id = ANY(%s)"

BOUND_WAIT = "SET LOCAL lock_timeout = '3s'"

# In the order of their ids, so that two transactions never wait for each other in a circle.
LOCK_STUDENTS = """
SELECT student_id, mentor_id FROM students WHERE student_id = ANY(%s) ORDER BY student_id FOR SHARE
"""

ADD_SESSIONS = """
INSERT INTO sessions_of_student (student_id, session_id) SELECT * FROM unnest(%s::uuid[], %s::uuid[])
"""

SESSIONS_OF_STUDENT = "SELECT session_id FROM sessions_of_student WHERE student_id = %s ORDER BY session_id"


@dataclass(frozen=True, slots=True)
class KnownStudent:
    """A student with the present mentor. ``timezone`` is that mentor's; None until the mentor's account has arrived."""

    student_id: UUID
    mentor_id: UUID
    path: str
    timezone: str | None


class Directory:
    """Answers from the service's own tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def student(self, student_id: UUID) -> KnownStudent | None:
        return self.students([student_id]).get(student_id)

    def students(self, student_ids: Collection[UUID]) -> Mapping[UUID, KnownStudent]:
        with self._database.connection() as connection:
            rows = connection.execute(FIND_STUDENTS, (list(student_ids),), prepare=True).fetchall()
        return {row["student_id"]: KnownStudent(**row) for row in rows}

    def timezones(self, mentor_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """The time zones of those of the mentors that are known."""
        with self._database.connection() as connection:
            rows = connection.execute(FIND_MENTORS, (list(mentor_ids),), prepare=True).fetchall()
        return {row["mentor_id"]: row["timezone"] for row in rows}


def keep_with_mentor(connection: Connection[DictRow], mentor_of: Mapping[UUID, UUID]) -> None:
    """Holds the students' mentors still until the transaction ends. Raises VersionConflict where one has changed.

    This closes the race between planning a session and a transfer. The reaction to the transfer first updates the
    student's row, then looks for the student's sessions: either it waits for our lock and then finds our session, or
    it was faster, we see the new mentor here, and the command is decided again with that one. The wait is
    bounded, because PostgreSQL cannot see a circle that leads through the reaction's own append.
    """
    connection.execute(BOUND_WAIT)
    rows = connection.execute(LOCK_STUDENTS, (list(mentor_of),)).fetchall()
    if {row["student_id"]: row["mentor_id"] for row in rows} != mentor_of:
        raise VersionConflict


def add_sessions(connection: Connection[DictRow], sessions: Sequence[tuple[UUID, UUID]]) -> None:
    """Notes new sessions, as pairs of student and session, in the transaction that appends their first events."""
    connection.execute(
        ADD_SESSIONS, ([student_id for student_id, _ in sessions], [session_id for _, session_id in sessions])
    )


def sessions_of(connection: Connection[DictRow], student_id: UUID) -> list[UUID]:
    """All sessions that were ever planned for the student."""
    return [row["session_id"] for row in connection.execute(SESSIONS_OF_STUDENT, (student_id,))]


def put_mentor(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.MentorProfile)
    connection.execute(PUT_MENTOR, {"mentor_id": data.mentor_id, "timezone": data.timezone})


def put_student(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.StudentEnrolled)
    connection.execute(PUT_STUDENT, {"student_id": data.student_id, "mentor_id": data.mentor_id, "path": data.path})


def change_path(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.StudentUpdated)
    connection.execute(CHANGE_PATH, {"student_id": data.student_id, "path": data.path})


def change_mentor(connection: Connection[DictRow], event: CloudEvent) -> None:
    """Locks the student's row; raises LookupError for a student who never enrolled (the event is parked)."""
    data = event.data
    assert isinstance(data, contract.StudentTransferred)
    moved = connection.execute(CHANGE_MENTOR, {"student_id": data.student_id, "mentor_id": data.to_mentor_id})
    if moved.rowcount == 0:
        raise LookupError(f"student {data.student_id} was transferred, but never enrolled here")


REACTIONS: Mapping[str, Sequence[Reaction]] = {
    contract.MentorRegistered.ce_type: (put_mentor,),
    contract.MentorUpdated.ce_type: (put_mentor,),
    contract.StudentEnrolled.ce_type: (put_student,),
    contract.StudentUpdated.ce_type: (change_path,),
    contract.StudentTransferred.ce_type: (change_mentor,),
}
