"""people.csv and sessions.csv of the demonstration school, line by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.cli.demonstration.cast import NOTES, SPOKEN_DAYS
from services.cli.demonstration.school import (
    DAY,
    HOUR,
    MINUTE,
    WEEKS_AHEAD,
    WEEKS_BACK,
    ZONE,
    Mentor,
    School,
    Student,
    start_of,
)

UNDOCUMENTED_FOR = timedelta(hours=20)
"""Sessions that ended within this time are still to be documented, so that there is something to do by hand."""


def people(school: School) -> Iterator[Sequence[object]]:
    yield (
        *("type", "e-mail", "nom", "parcours", "projet", "capacité", "financement", "jour de formation"),
        *("e-mail du mentor", "langue", "inscrit le", "transféré le", "nature du transfert", "retour prévu le"),
    )
    for mentor in school.mentors:
        projects = " | ".join(mentor.projects)
        yield "mentor", mentor.email, mentor.name, mentor.path, projects, mentor.capacity, *[""] * 8
    for student in school.students:
        training_day = SPOKEN_DAYS[student.slot[0]] if student.funding == "En alternance" else ""
        yield (
            *("étudiant", student.email, student.name, student.path, student.project, "", student.funding),
            *(training_day, student.mentors[0][1].email, student.language, f"{student.enrolled_on:%d/%m/%Y}"),
            *("", "", ""),
        )
    for each in sorted(school.transfers, key=lambda each: each.at):
        yield (
            *("transfert", each.student.email, "", "", "", "", "", "", each.to.email, "", ""),
            *(_local(each.at), each.kind, f"{each.expected_return_on:%d/%m/%Y}" if each.expected_return_on else ""),
        )


def sessions(school: School, with_calendar: Sequence[Mentor]) -> Iterator[Sequence[object]]:
    yield (
        *("student", "mentor", "starts_at", "duration_minutes", "status", "reason", "notice_at", "cause", "note"),
        *("moved_from", "moved_at", "moved_by"),
    )
    for week in range(-WEEKS_BACK, WEEKS_AHEAD + 1):
        for student in school.students:
            starts_at = start_of(school, student, week)
            if starts_at is None or (week > 0 and student.mentor_at(starts_at) in with_calendar):
                continue
            yield from _session(school, student, starts_at, week)


def _session(school: School, student: Student, starts_at: datetime, week: int) -> Iterator[Sequence[object]]:
    random, chance = school.random, school.random.random()
    later = starts_at + (2 * HOUR if student.slot[0] == 4 else DAY) + HOUR / 2
    notice = starts_at - random.randint(26, 70) * HOUR
    row = _Row(student, starts_at)
    if not _documented(school, student, starts_at):
        # To come, or still to be documented. Some were already moved or cancelled ahead.
        if chance < 0.05 and notice < school.now:
            yield row.cells(status="cancelled", reason="student_early", notice_at=_local(notice))
        elif chance > 0.95 and week > 0:
            yield row.cells(moved_to=later, moved_at=_local(school.now - 3 * HOUR), moved_by="mentor")
        else:
            yield row.cells()
    elif chance < 0.05:
        yield row.cells(status="cancelled", reason="student_early", notice_at=_local(notice))
        if chance < 0.035:  # Made up for in the same week.
            made_up = _documented(school, student, later + HOUR)
            yield _Row(student, later + HOUR).cells(status="held" if made_up else "")
    elif chance < 0.09:
        notice = starts_at - random.randint(30, 23 * 60) * MINUTE
        yield row.cells(status="cancelled", reason="student_late", notice_at=_local(notice))
    elif chance < 0.13:
        yield row.cells(status="no_show")
    elif chance < 0.16:
        cause, note = random.choice(NOTES)
        yield row.cells(status="cancelled", reason="other", cause=cause, note=note)
    elif chance < 0.21 and _documented(school, student, later):
        moved_by = random.choice(("student", "mentor"))
        asked = starts_at - random.choice((3, 30, 50, 80)) * HOUR
        yield row.cells(status="held", moved_to=later, moved_at=_local(asked), moved_by=moved_by)
    else:
        yield row.cells(status="held")


def _documented(school: School, student: Student, starts_at: datetime) -> bool:
    return starts_at + student.duration + UNDOCUMENTED_FOR <= school.now


@dataclass(frozen=True)
class _Row:
    """A line of sessions.csv in the making."""

    student: Student
    starts_at: datetime

    def cells(
        self,
        *,
        status: str = "",
        reason: str = "",
        notice_at: str = "",
        cause: str = "",
        note: str = "",
        moved_to: datetime | None = None,
        moved_at: str = "",
        moved_by: str = "",
    ) -> Sequence[object]:
        starts_at = moved_to or self.starts_at
        return (
            self.student.email,
            self.student.mentor_at(starts_at).email,
            _local(starts_at),
            int(self.student.duration / MINUTE),
            *(status, reason, notice_at, cause, note),
            *(_local(self.starts_at) if moved_to else "", moved_at, moved_by),
        )


def _local(moment: datetime) -> str:
    """With its offset: of the hour that comes twice when summer time ends, there is no doubt."""
    return moment.astimezone(ZONE).isoformat(timespec="minutes")
