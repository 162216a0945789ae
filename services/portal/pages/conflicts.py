"""What a new date for a session runs into, said before it is fixed: nothing of it forbids the date."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from services.portal.edges.api_client import or_problem, path
from services.portal.edges.language import zone_of
from services.portal.edges.shapes import AbsenceItem, Session, Student
from services.portal.edges.visit import Visit
from services.portal.pages import absence_plan, calendar, people

LONGEST_SESSION: Final = timedelta(hours=4)
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Kind = Literal["mentor_busy", "student_busy", "week_empty", "not_training_day", "absent"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """``session``: the one that is in the way, where one is."""

    kind: Kind
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A date that somebody would like: for a student's session with a mentor. ``moved``: the session as it is now."""

    student: Student
    mentor_id: str
    starts_at: datetime
    duration: timedelta
    zone: str
    moved: Session | None = None

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + self.duration


async def conflicts(visit: Visit, wish: Wish) -> list[Conflict]:
    """All that a mentor should know before they say yes. A service that is away hides its part and no more."""
    span = {"from": (wish.starts_at - LONGEST_SESSION).isoformat(), "to": wish.ends_at.isoformat()}
    of_mentor, of_student, absences, left = await asyncio.gather(
        _sessions(visit, mentor_id=wish.mentor_id, status="scheduled", **span),
        _sessions(visit, student_id=wish.student.student_id, status="scheduled", **span),
        or_problem(visit.apis.all_items(path("absences"), mentor_id=wish.mentor_id, open="true")),
        _left_behind(visit, wish),
    )
    found = [Conflict("mentor_busy", session) for session in of_mentor if _overlaps(wish, session)]
    known = {conflict.session.session_id for conflict in found if conflict.session}
    found += [
        Conflict("student_busy", session)
        for session in of_student
        if _overlaps(wish, session) and session.session_id not in known
    ]
    if left:
        found.append(Conflict("week_empty"))
    weekday = WEEKDAYS[wish.starts_at.astimezone(zone_of(wish.zone)).weekday()]
    if wish.student.training_day not in (None, weekday):
        found.append(Conflict("not_training_day"))
    if isinstance(absences, list) and any(_away(wish, AbsenceItem.model_validate(item)) for item in absences):
        found.append(Conflict("absent"))
    return found


async def in_words(visit: Visit, found: Sequence[Conflict], asked: str) -> dict[str, Any]:
    """For the template: each conflict with the student whose session is in the way, and the date to be confirmed."""
    names = await people.people(visit.apis, students=[one.session.student_id for one in found if one.session])
    return {
        "in_the_way": [(one, names.student(one.session.student_id) if one.session else "") for one in found],
        "confirmed": asked if found else "",
    }


async def _left_behind(visit: Visit, wish: Wish) -> bool:
    """Whether the week that the session leaves keeps none (T2)."""
    if wish.moved is None:
        return False
    school = visit.portal.school_zone
    week = calendar.this_week(wish.moved.starts_at, school)
    if calendar.this_week(wish.starts_at, school) == week:
        return False
    span = calendar.week_span(week, school)
    others = await _sessions(
        visit, student_id=wish.student.student_id, **{"from": span.start.isoformat(), "to": span.end.isoformat()}
    )
    return not any(one.status != "cancelled" and one.session_id != wish.moved.session_id for one in others)


async def _sessions(visit: Visit, **asked: str) -> Sequence[Session]:
    found = await or_problem(visit.apis.all_items(path("sessions"), **asked))
    return [Session.model_validate(item) for item in found] if isinstance(found, list) else []


def _overlaps(wish: Wish, session: Session) -> bool:
    itself = wish.moved is not None and wish.moved.session_id == session.session_id
    return not itself and session.starts_at < wish.ends_at and wish.starts_at < session.ends_at


def _away(wish: Wish, absence: AbsenceItem) -> bool:
    span = absence_plan.span_of(absence, wish.zone)
    return span.start < wish.ends_at and wish.starts_at < span.end
