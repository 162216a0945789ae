"""« Tableau de bord »: what the day holds and what needs the person, by role."""

import asyncio
from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Attendance, Email, Event, Session, Statement
from services.portal.edges.visit import SignedIn, Visit
from services.portal.pages import attendance_file, calendar, people

router = APIRouter()

TO_DOCUMENT_DAYS: Final = 60
COMING_DAYS: Final = 7
EMAILS_SHOWN: Final = 5


@router.get("/")
async def home(visit: SignedIn) -> Response:
    match visit.person.role:
        case "mentor":
            return await _mentor_home(visit)
        case "student":
            return await _student_home(visit)
        case "support":
            return await _support_home(visit)
        case "billing":
            return visit.redirect("/facturation")
        case "training":
            return visit.redirect("/dossiers")


async def _mentor_home(visit: Visit) -> Response:
    zone = visit.portal.school_zone
    span = calendar.days_span(calendar.today(visit.now, zone), zone, days=1 + COMING_DAYS)
    month = calendar.this_month(visit.now, zone)
    apis, mentor_id = visit.apis, visit.own_id
    me, students, of_days, open_ones, statement = await asyncio.gather(
        people.mentor(apis, mentor_id),
        people.students_of(apis, mentor_id),
        or_problem(
            apis.all_items(
                path("sessions"), mentor_id=mentor_id, **{"from": span.start.isoformat(), "to": span.end.isoformat()}
            )
        ),
        or_problem(
            apis.all_items(
                path("sessions"),
                mentor_id=mentor_id,
                status="scheduled",
                **{
                    "from": (visit.now - timedelta(days=TO_DOCUMENT_DAYS)).isoformat(),
                    "to": visit.now.isoformat(),
                },
            )
        ),
        or_problem(apis.get_or_none(path("mentors", mentor_id, "statements", month))),
    )
    sessions = sorted(_sessions(of_days), key=lambda session: session.starts_at)
    to_document = sorted(
        (session for session in _sessions(open_ones) if session.starts_at + _length(session) <= visit.now),
        key=lambda session: session.starts_at,
    )
    known = await people.people(
        apis,
        students={session.student_id for session in (*sessions, *to_document)} - {one.student_id for one in students},
    )
    known = people.People({**known.students, **{one.student_id: one for one in students}}, {})
    day = calendar.today(visit.now, zone)
    planned = {session.student_id for session in sessions if session.status != "cancelled"}
    return visit.page(
        "home_mentor.html",
        me=me,
        students=students,
        people=known,
        today=[session for session in sessions if calendar.today(session.starts_at, zone) == day],
        coming=[session for session in sessions if calendar.today(session.starts_at, zone) > day],
        to_document=to_document,
        without_session=[student for student in students if student.student_id not in planned],
        statement=Statement.model_validate(statement) if statement and not isinstance(statement, Problem) else None,
        month=month,
        away=next((part for part in (of_days, open_ones, statement) if isinstance(part, Problem)), None),
    )


async def _student_home(visit: Visit) -> Response:
    zone = visit.portal.school_zone
    apis, student_id = visit.apis, visit.own_id
    me, found, file = await asyncio.gather(
        people.student(apis, student_id),
        or_problem(apis.all_items(path("sessions"), student_id=student_id)),
        or_problem(apis.get_or_none(path("students", student_id, "attendance"))),
    )
    sessions = sorted(_sessions(found), key=lambda session: session.starts_at)
    coming = [session for session in sessions if session.status == "scheduled" and session.starts_at > visit.now]
    recent = [
        session for session in reversed(sessions) if session.starts_at <= visit.now or session.status != "scheduled"
    ]
    known = await people.people(apis, mentors=[me.mentor_id, *(session.mentor_id for session in sessions)])
    attendance = Attendance.model_validate(file) if file and not isinstance(file, Problem) else None
    current = calendar.this_week(visit.now, zone)
    return visit.page(
        "home_student.html",
        me=me,
        people=known,
        coming=coming[:4],
        recent=recent[:4],
        summary=attendance_file.summary(attendance, current) if attendance else None,
        away=next((part for part in (found, file) if isinstance(part, Problem)), None),
    )


async def _support_home(visit: Visit) -> Response:
    failed, audit = await asyncio.gather(
        or_problem(visit.apis.get(path("emails"), state="failed", limit=EMAILS_SHOWN)),
        or_problem(visit.apis.get(path("audit"), limit=12)),
    )
    entries = [] if isinstance(audit, Problem) else [Event.model_validate(item) for item in audit["items"]]
    return visit.page(
        "home_support.html",
        people=await people.people(visit.apis, students={entry.student_id for entry in entries}),
        failed=[] if isinstance(failed, Problem) else [Email.model_validate(item) for item in failed["items"]],
        entries=entries,
        away=next((part for part in (failed, audit) if isinstance(part, Problem)), None),
    )


def _sessions(found: list[object] | Problem) -> list[Session]:
    return [] if isinstance(found, Problem) else [Session.model_validate(item) for item in found]


def _length(session: Session) -> timedelta:
    return timedelta(minutes=session.duration_minutes)
