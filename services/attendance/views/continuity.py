"""What stands for each student's week, from ``session_states``, ``student_states`` and ``pairing_states``.

One week's question reads that week's sessions by their start, and each student's last rows: it grows with the number
of students, not with their history. Which row of a session held at an instant, ``superseded_at`` says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.attendance.domain.attendance_file import Entry
from services.attendance.domain.continuity import Stands
from services.attendance.views.sessions import entry_of_row

# Everybody comes first, behind a fence: with a filter inside, the planner takes a school for a handful of students and
# joins it in nested loops. One row at least, since the counts are of all that pass, whatever the page shows of them.
PAGE: Final = """
WITH everybody AS MATERIALIZED (
    SELECT student_id, name, funding, mentor_id, stands
    FROM students_in_week(%(starts_at)s, %(ends_at)s, coalesce(%(as_of)s, 'infinity'::timestamptz))
), week AS MATERIALIZED (
    SELECT student_id, name, funding, mentor_id, stands FROM everybody
    WHERE (%(funding)s::text IS NULL OR funding = %(funding)s)
      AND (%(mentor_id)s::uuid IS NULL OR mentor_id = %(mentor_id)s)
      AND (%(of_students)s::uuid[] IS NULL OR student_id = ANY(%(of_students)s))
)
SELECT counted.held, counted.planned, counted.nothing, page.*
FROM (
    SELECT count(*) FILTER (WHERE stands = 'held') AS held, count(*) FILTER (WHERE stands = 'planned') AS planned,
        count(*) FILTER (WHERE stands = 'nothing') AS nothing
    FROM week
) AS counted
LEFT JOIN LATERAL (
    SELECT week.student_id, week.name, week.funding, week.mentor_id, mentors.name AS mentor_name, week.stands
    FROM week
    LEFT JOIN mentors ON mentors.mentor_id = week.mentor_id
    WHERE (%(stands)s::text[] IS NULL OR week.stands = ANY(%(stands)s))
      AND (%(after_name)s::text IS NULL OR (week.name, week.student_id) > (%(after_name)s, %(after_id)s::uuid))
    ORDER BY week.name, week.student_id
    LIMIT %(limit)s
) AS page ON true
ORDER BY page.name, page.student_id
"""

# Many weeks in one go: everybody once, and each session of them once, put into its week by where the weeks begin. A
# student's weeks are bits of a number (there are 53 at most): joining rows of weeks took ten times as long.
WEEKS: Final = """
WITH students AS MATERIALIZED (
    SELECT DISTINCT ON (s.student_id) s.student_id, s.funding,
        min(s.enrolled_at) OVER (PARTITION BY s.student_id) AS enrolled_at
    FROM student_states AS s
    WHERE s.recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
    ORDER BY s.student_id, s.sequence DESC
), stood AS MATERIALIZED (
    SELECT s.student_id, bit_or(1::bigint << s.number) FILTER (WHERE s.outcome = 'held') AS held,
        bit_or(1::bigint << s.number) FILTER (WHERE s.outcome = 'planned') AS planned
    FROM (
        SELECT student_id, outcome, width_bucket(starts_at, %(begins)s::timestamptz[]) AS number
        FROM session_states
        WHERE starts_at >= %(first)s AND starts_at < %(last)s
          AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
          AND (superseded_at IS NULL OR superseded_at > coalesce(%(as_of)s, 'infinity'::timestamptz))
    ) AS s
    GROUP BY s.student_id
)
SELECT weeks.number, students.funding,
    CASE WHEN (stood.held >> weeks.number) & 1 = 1 THEN 'held'
        WHEN (stood.planned >> weeks.number) & 1 = 1 THEN 'planned' ELSE 'nothing' END AS stands,
    count(*) AS students
FROM unnest(%(ends)s::timestamptz[], %(numbers)s::integer[]) AS weeks (ends_at, number)
JOIN students ON students.enrolled_at < weeks.ends_at
LEFT JOIN stood ON stood.student_id = students.student_id
GROUP BY weeks.number, students.funding, stands
"""

SESSIONS: Final = """
SELECT student_id, session_id, event_id, mentor_id, starts_at, duration_minutes, outcome, cause, recoverable,
    makes_up_for, moved_from, move_requested_by, move_late
FROM session_states
WHERE student_id = ANY(%(student_ids)s) AND starts_at >= %(starts_at)s AND starts_at < %(ends_at)s
  AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
  AND (superseded_at IS NULL OR superseded_at > coalesce(%(as_of)s, 'infinity'::timestamptz))
ORDER BY student_id, starts_at, session_id
"""

# The one that holds, where another was planned before and cancelled.
MAKE_UPS: Final = """
SELECT makes_up_for, session_id, starts_at, outcome
FROM session_states
WHERE makes_up_for = ANY(%(session_ids)s) AND outcome IN ('planned', 'held')
  AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
  AND (superseded_at IS NULL OR superseded_at > coalesce(%(as_of)s, 'infinity'::timestamptz))
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Which students' week is asked for; None lets everything pass. ``ends_at`` is no longer within the week."""

    starts_at: datetime
    ends_at: datetime
    as_of: datetime | None = None
    stands: Sequence[Stands] | None = None
    funding: str | None = None
    mentor_id: UUID | None = None
    student_ids: Sequence[UUID] | None = None
    after: tuple[str, UUID] | None = None

    def parameters(self) -> dict[str, Any]:
        after_name, after_id = self.after or (None, None)
        return {
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "as_of": self.as_of,
            "stands": [one.value for one in self.stands] if self.stands is not None else None,
            "funding": self.funding,
            "mentor_id": self.mentor_id,
            "of_students": self.student_ids,
            "after_name": after_name,
            "after_id": after_id,
        }


@dataclass(frozen=True, slots=True)
class MakeUp:
    """The session that makes up for a missed one: planned, or held."""

    session_id: UUID
    starts_at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class StudentWeek:
    """One student's week. ``make_ups``: missed session of the week -> the one in its place."""

    student_id: UUID
    name: str
    funding: str
    mentor_id: UUID | None
    mentor_name: str | None
    stands: Stands
    entries: Sequence[Entry]
    make_ups: Mapping[UUID, MakeUp]


@dataclass(frozen=True, slots=True)
class Board:
    """A page of students' weeks, and how many there are of all, by what stands for them."""

    weeks: Sequence[StudentWeek]
    counts: Mapping[Stands, int]


def board(connection: Connection[DictRow], question: Question, *, limit: int) -> Board:
    """Up to ``limit`` students' weeks, by name."""
    # Planned for the filters that are given: one general plan would have to suit them all.
    found = connection.execute(PAGE, question.parameters() | {"limit": limit}, prepare=False).fetchall()
    rows = [row for row in found if row["student_id"] is not None]
    asked = question.parameters() | {"student_ids": [row["student_id"] for row in rows]}
    sessions = {
        student_id: [entry_of_row(row) for row in of_student]
        for student_id, of_student in groupby(
            connection.execute(SESSIONS, asked, prepare=False).fetchall(), key=lambda row: row["student_id"]
        )
    }
    make_ups = _make_ups(connection, sessions.values(), question.as_of)
    return Board(
        weeks=[
            StudentWeek(
                student_id=row["student_id"],
                name=row["name"],
                funding=row["funding"],
                mentor_id=row["mentor_id"],
                mentor_name=row["mentor_name"],
                stands=Stands(row["stands"]),
                entries=(entries := sessions.get(row["student_id"], [])),
                make_ups={one.session_id: make_ups[one.session_id] for one in entries if one.session_id in make_ups},
            )
            for row in rows
        ],
        counts={stands: found[0][stands.value] for stands in Stands},
    )


def weeks_by_funding(
    connection: Connection[DictRow], weeks: Sequence[tuple[datetime, datetime]], *, as_of: datetime | None = None
) -> Sequence[DictRow]:
    """How many students there are in each week, by ``funding`` and by what ``stands`` for them; ``number`` from 1.

    ``weeks`` follow each other: when each begins and ends.
    """
    asked = {
        "begins": [begins_at for begins_at, _ in weeks],
        "ends": [ends_at for _, ends_at in weeks],
        "numbers": list(range(1, len(weeks) + 1)),
        "first": weeks[0][0],
        "last": weeks[-1][1],
        "as_of": as_of,
    }
    return connection.execute(WEEKS, asked, prepare=False).fetchall()


def _make_ups(
    connection: Connection[DictRow], sessions: Iterable[Sequence[Entry]], as_of: datetime | None
) -> dict[UUID, MakeUp]:
    missed = [entry.session_id for entries in sessions for entry in entries if entry.recoverable]
    if not missed:
        return {}
    rows = connection.execute(MAKE_UPS, {"session_ids": missed, "as_of": as_of}).fetchall()
    return {row["makes_up_for"]: MakeUp(row["session_id"], row["starts_at"], row["outcome"]) for row in rows}
