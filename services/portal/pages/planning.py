"""A session is planned, or a missed one made up for (« rattraper »)."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, path
from services.portal.edges.language import from_local
from services.portal.edges.shapes import Mentor, Session, Student
from services.portal.edges.visit import MentorVisit, Visit
from services.portal.pages import people
from services.portal.pages.conflicts import Conflict, Wish, conflicts, in_words
from services.portal.pages.session_commands import instant, number

router = APIRouter()


@router.get("/sessions/nouvelle")
async def new_session(visit: MentorVisit, etudiant: str = "") -> Response:
    return await _new_session_page(visit, {"student_id": etudiant})


@router.post("/sessions/nouvelle")
async def schedule(visit: MentorVisit) -> Response:
    form = await visit.form()
    me, students = await asyncio.gather(
        people.mentor(visit.apis, visit.own_id), people.students_of(visit.apis, visit.own_id)
    )
    student = next((one for one in students if one.student_id == form.get("student_id")), None)
    in_the_way = await _in_the_way(visit, form, student, me) if student else []
    if in_the_way:
        return await _new_session_page(visit, form, in_the_way=in_the_way)
    try:
        created = await _planned(visit, form, form.get("student_id", ""), me)
    except Problem as problem:
        return await _new_session_page(visit, form, problem=problem)
    return visit.redirect(f"/sessions/{created['session_id']}?version={created.get('version', 1)}&fait=planifiee")


@router.get("/sessions/{session_id}/rattraper")
async def make_up_page(visit: MentorVisit, session_id: str) -> Response:
    """In whose place a new session will be: cancelled, recoverable, and of the same student (T6, T8)."""
    return await _make_up_page(visit, session_id, {})


@router.post("/sessions/{session_id}/rattraper")
async def make_up(visit: MentorVisit, session_id: str) -> Response:
    form = await visit.form()
    missed = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    me, student = await asyncio.gather(
        people.mentor(visit.apis, visit.own_id), people.student(visit.apis, missed.student_id)
    )
    in_the_way = await _in_the_way(visit, form, student, me)
    if in_the_way:
        return await _make_up_page(visit, session_id, form, in_the_way=in_the_way)
    try:
        created = await _planned(visit, form, missed.student_id, me, makes_up_for=session_id)
    except Problem as problem:
        return await _make_up_page(visit, session_id, form, problem=problem)
    return visit.redirect(f"/sessions/{created['session_id']}?version={created.get('version', 1)}&fait=rattrapage")


async def _planned(
    visit: Visit, form: Mapping[str, str], student_id: str, me: Mentor, makes_up_for: str | None = None
) -> Mapping[str, object]:
    body: dict[str, object] = {
        "student_id": student_id,
        "starts_at": instant(form.get("starts_at", ""), me.timezone),
        "duration_minutes": number(form.get("duration_minutes", "")),
    }
    if makes_up_for:
        body["makes_up_for"] = makes_up_for
    created: Mapping[str, object] = await visit.apis.post(path("sessions"), body, idempotency_key=form.get("once", ""))
    return created


async def _in_the_way(visit: Visit, form: Mapping[str, str], student: Student, me: Mentor) -> list[Conflict]:
    """Nothing where the date can't be read (the service says so), is past, or was confirmed already."""
    try:
        starts_at = from_local(form.get("starts_at", ""), me.timezone)
        duration = timedelta(minutes=int(form.get("duration_minutes", "")))
    except ValueError:
        return []
    if starts_at <= visit.now or form.get("confirme") == starts_at.isoformat():
        return []
    return await conflicts(visit, Wish(student, me.mentor_id, starts_at, duration, me.timezone))


async def _new_session_page(
    visit: Visit, form: Mapping[str, str], *, problem: Problem | None = None, in_the_way: list[Conflict] | None = None
) -> Response:
    me, students = await asyncio.gather(
        people.mentor(visit.apis, visit.own_id), people.students_of(visit.apis, visit.own_id)
    )
    return visit.page(
        "session_new.html",
        status=_status(problem, in_the_way),
        me=me,
        students=students,
        form=form,
        problem=problem,
        **await in_words(visit, in_the_way or (), instant(form.get("starts_at", ""), me.timezone)),
    )


async def _make_up_page(
    visit: Visit,
    session_id: str,
    form: Mapping[str, str],
    *,
    problem: Problem | None = None,
    in_the_way: list[Conflict] | None = None,
) -> Response:
    missed, me = await asyncio.gather(
        visit.apis.get(path("sessions", session_id)), people.mentor(visit.apis, visit.own_id)
    )
    session = Session.model_validate(missed)
    return visit.page(
        "session_make_up.html",
        status=_status(problem, in_the_way),
        session=session,
        me=me,
        people=await people.people(visit.apis, students=[session.student_id]),
        form=form,
        problem=problem,
        **await in_words(visit, in_the_way or (), instant(form.get("starts_at", ""), me.timezone)),
    )


def _status(problem: Problem | None, in_the_way: list[Conflict] | None) -> int:
    return problem.status if problem else 409 if in_the_way else 200
