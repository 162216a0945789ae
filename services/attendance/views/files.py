"""Many students' files at once: who they are, and their sessions of some weeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.attendance.domain.attendance_file import Entry
from services.attendance.views.continuity import SESSIONS
from services.attendance.views.sessions import entry_of_row

PAGE: Final = """
WITH students AS MATERIALIZED (
    SELECT DISTINCT ON (s.student_id) s.student_id, s.name, s.funding, s.path, s.searched,
        min(s.enrolled_at) OVER (PARTITION BY s.student_id) AS enrolled_at
    FROM student_states AS s
    WHERE s.recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
    ORDER BY s.student_id, s.sequence DESC
)
SELECT student_id, name, funding, path, searched, enrolled_at FROM students
WHERE (%(funding)s::text IS NULL OR funding = %(funding)s) AND (%(path)s::text IS NULL OR path = %(path)s)
  AND (%(search)s::text IS NULL OR searched LIKE %(search)s) AND enrolled_at < %(enrolled_before)s
  AND (%(after)s::text IS NULL OR (searched, student_id) > (%(after)s, %(after_id)s::uuid))
ORDER BY searched, student_id LIMIT %(limit)s
"""

COUNT: Final = """
WITH students AS MATERIALIZED (
    SELECT DISTINCT ON (s.student_id) s.student_id, s.funding, s.path, s.searched,
        min(s.enrolled_at) OVER (PARTITION BY s.student_id) AS enrolled_at
    FROM student_states AS s
    WHERE s.recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
    ORDER BY s.student_id, s.sequence DESC
)
SELECT count(*) FILTER (
    WHERE (%(funding)s::text IS NULL OR funding = %(funding)s) AND (%(path)s::text IS NULL OR path = %(path)s)
      AND (%(search)s::text IS NULL OR searched LIKE %(search)s) AND enrolled_at < %(enrolled_before)s
) AS students, coalesce(array_agg(DISTINCT path ORDER BY path), '{}') AS paths
FROM students
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Which students; None lets everything pass. ``after``: with what a page ended, folded name and id."""

    enrolled_before: datetime
    funding: str | None = None
    path: str | None = None
    search: str | None = None
    as_of: datetime | None = None
    after: tuple[str, UUID] | None = None

    def parameters(self) -> dict[str, Any]:
        after, after_id = self.after or (None, None)
        return {
            "enrolled_before": self.enrolled_before,
            "funding": self.funding,
            "path": self.path,
            "search": self.search,
            "as_of": self.as_of,
            "after": after,
            "after_id": after_id,
        }


def page(connection: Connection[DictRow], question: Question, *, limit: int) -> list[DictRow]:
    """The students by name."""
    return connection.execute(PAGE, question.parameters() | {"limit": limit}, prepare=False).fetchall()


def count(connection: Connection[DictRow], question: Question) -> DictRow:
    """How many ``students`` pass the filters, and which ``paths`` there are."""
    row = connection.execute(COUNT, question.parameters(), prepare=False).fetchone()
    assert row is not None, "an aggregate always gives a row"
    return row


def entries_between(
    connection: Connection[DictRow],
    student_ids: Sequence[UUID],
    starts_at: datetime,
    ends_at: datetime,
    *,
    as_of: datetime | None = None,
) -> dict[UUID, list[Entry]]:
    """Student → the sessions that start in this time, each as its last event left it."""
    asked = {"student_ids": list(student_ids), "starts_at": starts_at, "ends_at": ends_at, "as_of": as_of}
    rows = connection.execute(SESSIONS, asked, prepare=False).fetchall()
    return {
        student_id: [entry_of_row(row) for row in of_student]
        for student_id, of_student in groupby(rows, key=lambda row: row["student_id"])
    }
