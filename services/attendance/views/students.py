"""The read model of students: table ``student_states``, one row an event, from relais.transfers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

ADD: Final = """
INSERT INTO student_states (student_id, sequence, event_id, email, name, funding, path, enrolled_at, recorded_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

FIND: Final = """
SELECT student_id, email, name, funding, path,
       (SELECT min(enrolled_at) FROM student_states WHERE student_id = %(student_id)s) AS enrolled_at
FROM student_states
WHERE student_id = %(student_id)s AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
ORDER BY sequence DESC
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Student:
    """A student as read; ``funding`` is third_party, apprenticeship or self_funded."""

    student_id: UUID
    email: str
    name: str
    funding: str
    enrolled_at: datetime | None
    path: str = ""


def add_state(
    connection: Connection[DictRow],
    student: Student,
    *,
    sequence: int,
    event_id: UUID,
    recorded_at: datetime,
) -> None:
    """Adds what one event says; ``enrolled_at`` is None where it says nothing of it."""
    connection.execute(
        ADD,
        (
            student.student_id,
            sequence,
            event_id,
            student.email,
            student.name,
            student.funding,
            student.path,
            student.enrolled_at,
            recorded_at,
        ),
    )


def find(connection: Connection[DictRow], student_id: UUID, *, as_of: datetime | None = None) -> Student | None:
    """The student as known, or None while nothing has arrived from relais.transfers."""
    row = connection.execute(FIND, {"student_id": student_id, "as_of": as_of}).fetchone()
    return None if row is None else Student(**row)
