"""« Tableau de bord » of a mentor: what needs them, today, the rest of the week."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Absence, AbsenceItem, Session, Statement, Student
from services.portal.edges.visit import Visit
from services.portal.pages import absence_plan, calendar, people
from services.portal.pages.continuity import Board, StudentWeek

LOOKED_BACK_DAYS: Final = 60
ABSENCES_SHOWN: Final = 5
STATES: Final = ("green", "to_plan", "at_risk", "missed")


@dataclass(frozen=True, slots=True)
class Bar:
    """One state's part of this week's students. ``x`` and ``width`` are in thousandths of the whole."""

    state: str
    count: int
    x: int
    width: int


async def mentor_home(visit: Visit, done: str = "") -> Response:
    zone, apis, mentor_id = visit.portal.school_zone, visit.apis, visit.own_id
    day = calendar.today(visit.now, zone)
    week = calendar.week_span(calendar.this_week(visit.now, zone), zone)
    month = calendar.this_month(visit.now, zone)
    since = {"from": (visit.now - timedelta(days=LOOKED_BACK_DAYS)).isoformat()}
    (me, students, absences, board), (of_week, undocumented, cancelled, statement) = await asyncio.gather(
        asyncio.gather(
            people.mentor(apis, mentor_id),
            people.students_of(apis, mentor_id),
            _absences(visit),
            or_problem(apis.get(path("continuity"), mentor_id=mentor_id, limit=200)),
        ),
        asyncio.gather(
            _sessions(visit, **{"from": week.start.isoformat(), "to": week.end.isoformat()}),
            _sessions(visit, status="scheduled", to=visit.now.isoformat(), **since),
            _sessions(visit, status="cancelled", **since),
            or_problem(apis.get_or_none(path("mentors", mentor_id, "statements", month))),
        ),
    )
    to_give_back = await _to_give_back(visit, students)
    parts = (of_week, undocumented, cancelled, absences, board, statement)
    sessions = sorted(_found(of_week), key=lambda session: session.starts_at)
    to_document = [session for session in _found(undocumented) if session.ends_at <= visit.now]
    weeks = Board(week="") if isinstance(board, Problem) else Board.model_validate(board)
    own = {student.student_id: student for student in students}
    # Whoever has another mentor by now makes it up with them.
    to_make_up = [session for session in _found(cancelled) if session.to_make_up and session.student_id in own]
    without_session = _without_session(weeks.items)
    # Who has no session this week and one to make up: one task, and it is the making up.
    waiting = {one.student_id for one in without_session}
    made_up_this_week = {session.student_id: session for session in to_make_up if session.student_id in waiting}
    known = await people.people(
        apis, students={session.student_id for session in (*sessions, *to_document, *to_make_up)} - own.keys()
    )
    return visit.page(
        "home_mentor.html",
        me=me,
        students=students,
        people=people.People({**known.students, **own}, {}),
        today=[session for session in sessions if calendar.today(session.starts_at, zone) == day],
        rest_of_week=[session for session in sessions if calendar.today(session.starts_at, zone) > day],
        to_document=to_document,
        to_make_up=[session for session in to_make_up if session not in made_up_this_week.values()],
        absences=[
            (absence, absence_plan.period_words(visit, absence, me.timezone))
            for absence in (absences if isinstance(absences, list) else [])
        ],
        to_give_back=to_give_back,
        at_risk=[(one, made_up_this_week.get(one.student_id)) for one in without_session],
        hours_left=weeks.hours_left,
        bars=_bars(weeks.counts),
        statement=Statement.model_validate(statement) if statement and not isinstance(statement, Problem) else None,
        month=month,
        done=done,
        away=next((part for part in parts if isinstance(part, Problem)), None),
    )


async def _sessions(visit: Visit, **asked: str) -> list[Session] | Problem:
    found = await or_problem(visit.apis.all_items(path("sessions"), mentor_id=visit.own_id, **asked))
    return found if isinstance(found, Problem) else [Session.model_validate(item) for item in found]


def _found(sessions: list[Session] | Problem) -> list[Session]:
    return [] if isinstance(sessions, Problem) else sessions


async def _absences(visit: Visit) -> list[Absence] | Problem:
    """Those in which something is left to do: students without a solution, or to be taken back."""
    listed = await or_problem(visit.apis.get(path("absences"), mentor_id=visit.own_id, open="true"))
    if isinstance(listed, Problem):
        return listed
    items = [AbsenceItem.model_validate(item) for item in listed["items"]][:ABSENCES_SHOWN]
    found = await or_problem(asyncio.gather(*(visit.apis.get(path("absences", item.absence_id)) for item in items)))
    if isinstance(found, Problem):
        return found
    absences = [Absence.model_validate(item) for item in found]
    return [absence for absence in absences if absence.waiting or absence.status == "returning"]


async def _to_give_back(visit: Visit, students: Sequence[Student]) -> list[list[Student]]:
    """Whose own mentor is back, by the date on their dashboard (T16); those of one absence go back together.

    An account of version 1 was never transferred.
    """
    transferred = [student.student_id for student in students if student.version > 1]
    known = await people.people(visit.apis, students=transferred)
    day = calendar.today(visit.now, visit.portal.school_zone)
    together: dict[str, list[Student]] = {}
    for student in known.students.values():
        if student.returns_to_mentor_id and student.expected_return_on and student.expected_return_on <= day:
            together.setdefault(student.absence_id or student.student_id, []).append(student)
    return list(together.values())


def _without_session(weeks: Sequence[StudentWeek]) -> list[StudentWeek]:
    return sorted(
        (week for week in weeks if week.state in ("at_risk", "to_plan")), key=lambda week: week.state != "at_risk"
    )


def _bars(counts: Mapping[str, int]) -> list[Bar]:
    total = sum(counts.get(state, 0) for state in STATES)
    bars: list[Bar] = []
    x = 0
    for state in STATES:
        count = counts.get(state, 0)
        if count:
            width = round(1000 * count / total)
            bars.append(Bar(state, count, x, width))
            x += width
    return bars
