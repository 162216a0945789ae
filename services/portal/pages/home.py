"""« Tableau de bord »: what the day holds and what needs the person, by role."""

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import PAGE_LIMIT, Problem, or_problem, path
from services.portal.edges.shapes import Attendance, Email, Event, Session
from services.portal.edges.visit import SignedIn, Visit
from services.portal.pages import attendance_file, calendar, people
from services.portal.pages.home_mentor import mentor_home

router = APIRouter()

EMAILS_SHOWN: Final = 5


@router.get("/")
async def home(visit: SignedIn, fait: str = "") -> Response:
    match visit.person.role:
        case "mentor":
            return await mentor_home(visit, fait)
        case "student":
            return await _student_home(visit)
        case "support":
            return await _support_home(visit)
        case "billing":
            return visit.redirect("/facturation")
        case "training":
            return visit.redirect("/dossiers")


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
    failed, audit, absences = await asyncio.gather(
        or_problem(visit.apis.get(path("emails"), state="failed", limit=EMAILS_SHOWN)),
        or_problem(visit.apis.get(path("audit"), limit=12)),
        or_problem(visit.apis.get(path("absences"), open="true", limit=PAGE_LIMIT)),
    )
    entries = [] if isinstance(audit, Problem) else [Event.model_validate(item) for item in audit["items"]]
    return visit.page(
        "home_support.html",
        people=await people.people(visit.apis, students={entry.student_id for entry in entries}),
        failed=[] if isinstance(failed, Problem) else [Email.model_validate(item) for item in failed["items"]],
        failed_more=not isinstance(failed, Problem) and failed["next_cursor"] is not None,
        absences=0 if isinstance(absences, Problem) else len(absences["items"]),
        entries=entries,
        away=next((part for part in (failed, audit, absences) if isinstance(part, Problem)), None),
    )


def _sessions(found: list[object] | Problem) -> list[Session]:
    return [] if isinstance(found, Problem) else [Session.model_validate(item) for item in found]
