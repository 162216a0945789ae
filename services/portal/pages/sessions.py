"""« Mes sessions »: the list, a session's page, and what a mentor does with it: plan, cancel, move, hold."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.language import from_local
from services.portal.edges.shapes import Event, Reason, Session, Student
from services.portal.edges.visit import MentorOrSupport, MentorVisit, SignedIn, Visit
from services.portal.pages import calendar, effects, people

router = APIRouter()

PAST_WEEKS: Final = 4
COMING_WEEKS: Final = 4
LOOK_EVERY_S: Final = 0.4
LOOKS_AT_MOST: Final = 75
STATUSES: Final = ("scheduled", "held", "cancelled")
VIEWS: Final = ("semaine", "a-venir", "passees")


@router.get("/sessions")
async def sessions(
    visit: SignedIn, vue: str = "semaine", semaine: str = "", statut: str = "", etudiant: str = ""
) -> Response:
    """A mentor's or a student's sessions: of one week, to come, or past."""
    if visit.person.role not in ("mentor", "student"):
        return visit.redirect("/")  # The school's teams find sessions by student.
    zone = visit.portal.school_zone
    current = calendar.this_week(visit.now, zone)
    week = semaine if calendar.is_week(semaine) else current
    view = vue if vue in VIEWS else "semaine"
    span = {
        "semaine": calendar.week_span(week, zone),
        "a-venir": calendar.Span(visit.now, calendar.week_span(current, zone, COMING_WEEKS).end),
        "passees": calendar.Span(calendar.week_span(calendar.neighbour(current, -PAST_WEEKS), zone).start, visit.now),
    }[view]
    mentor_id = visit.own_id if visit.person.role == "mentor" else None
    found, own_students = await asyncio.gather(
        visit.apis.all_items(
            path("sessions"),
            mentor_id=mentor_id,
            student_id=visit.own_id if visit.person.role == "student" else etudiant,
            status=statut if statut in STATUSES else None,
            **{"from": span.start.isoformat(), "to": span.end.isoformat()},
        ),
        people.students_of(visit.apis, mentor_id) if mentor_id else _nobody(),
    )
    shown = [Session.model_validate(item) for item in found]
    known = await people.people(
        visit.apis,
        students={session.student_id for session in shown} - {student.student_id for student in own_students},
        mentors={session.mentor_id for session in shown} if not mentor_id else (),
    )
    known = people.People(
        {**known.students, **{student.student_id: student for student in own_students}}, known.mentors
    )
    return visit.page(
        "sessions.html",
        weeks=calendar.by_week(shown, zone, latest_first=view == "passees"),
        view=view,
        week=week,
        current=current,
        before=calendar.neighbour(week, -1),
        after=calendar.neighbour(week, 1),
        chosen_status=statut,
        chosen_student=etudiant,
        students=own_students,
        people=known,
    )


@router.get("/sessions/nouvelle")
async def new_session(visit: MentorVisit, etudiant: str = "") -> Response:
    return await _new_session_page(visit, {"student_id": etudiant})


@router.post("/sessions/nouvelle")
async def schedule(visit: MentorVisit) -> Response:
    form = await visit.form()
    me = await people.mentor(visit.apis, visit.own_id)
    body = {
        "student_id": form.get("student_id", ""),
        "starts_at": _instant(form.get("starts_at", ""), me.timezone),
        "duration_minutes": _number(form.get("duration_minutes", "")),
    }
    try:
        created = await visit.apis.post(path("sessions"), body, idempotency_key=form.get("once", ""))
    except Problem as problem:
        return await _new_session_page(visit, form, problem)
    return visit.redirect(f"/sessions/{created['session_id']}?version={created.get('version', 1)}&fait=planifiee")


@router.get("/sessions/{session_id}")
async def session_page(visit: SignedIn, session_id: str, version: int | None = None, fait: str = "") -> Response:
    """A session, its history, and what its last event caused. After a command, waits for the views to show it."""
    session = Session.model_validate(await visit.apis.at_version(path("sessions", session_id), version))
    history, known = await asyncio.gather(
        or_problem(effects.history(visit.apis, session_id)),
        people.people(visit.apis, students=[session.student_id], mentors=[session.mentor_id]),
    )
    events = [] if isinstance(history, Problem) else history
    caused = await effects.settled(visit.apis, visit.portal.school_zone, session, events, patient=version is not None)
    return visit.page(
        "session.html",
        session=session,
        people=known,
        events=events,
        history_away=history if isinstance(history, Problem) else None,
        caused=caused,
        done=fait,
        started=session.starts_at <= visit.now,
    )


@router.get("/sessions/{session_id}/effets")
async def session_effects(visit: SignedIn, session_id: str) -> Response:
    """The panel again whenever there is more to see (server-sent events), until all of it is there."""
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    events = await effects.history(visit.apis, session_id)
    return StreamingResponse(
        _panels(visit, session, events), media_type="text/event-stream", headers={"cache-control": "no-store"}
    )


async def _panels(visit: Visit, session: Session, events: Sequence[Event]) -> AsyncIterator[str]:
    shown = ""
    for _ in range(LOOKS_AT_MOST):
        caused = await effects.look(visit.apis, visit.portal.school_zone, session, events)
        panel = visit.render("_effects.html", session=session, caused=caused)
        if panel != shown:
            shown = panel
            yield _server_sent("effects", panel)
        if caused.complete:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    yield _server_sent("complete", "")


def _server_sent(event: str, data: str) -> str:
    return f"event: {event}\n" + "".join(f"data: {line}\n" for line in data.splitlines() or [""]) + "\n"


@router.get("/sessions/{session_id}/annuler")
async def cancel_page(visit: MentorOrSupport, session_id: str, prevenu: str = "") -> Response:
    return await _cancel_page(visit, session_id, {"prevenu": prevenu})


@router.post("/sessions/{session_id}/annuler")
async def cancel(visit: MentorOrSupport, session_id: str) -> Response:
    form = await visit.form()
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    body: dict[str, Any] = {"reason": form.get("reason", "")}
    if form.get("prevenu"):
        body["notice_at"] = _instant(form["prevenu"], session.timezone)
    if form.get("reason") == "other":
        body["note"] = form.get("note", "")
        if form.get("cause"):
            body["cause"] = form["cause"]
    if not form.get("reason"):
        problem = Problem(422, "invalid_body", visit.say("Choisissez un motif."))
        return await _cancel_page(visit, session_id, form, problem)
    try:
        done = await visit.apis.post(
            path("sessions", session_id, "cancellation"), body, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _cancel_page(visit, session_id, form, problem)
    return visit.redirect(f"/sessions/{session_id}?version={done.get('version', 1)}&fait=annulee")


@router.get("/sessions/{session_id}/deplacer")
async def move_page(visit: MentorOrSupport, session_id: str) -> Response:
    return await _move_page(visit, session_id, {})


@router.post("/sessions/{session_id}/deplacer")
async def move(visit: MentorOrSupport, session_id: str) -> Response:
    form = await visit.form()
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    body = {
        "starts_at": _instant(f"{form.get('day', '')}T{form.get('hour', '')}", session.timezone),
        "requested_by": form.get("requested_by", ""),
    }
    try:
        done = await visit.apis.post(
            path("sessions", session_id, "reschedule"), body, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _move_page(visit, session_id, form, problem)
    return visit.redirect(f"/sessions/{session_id}?version={done.get('version', 1)}&fait=deplacee")


@router.get("/sessions/{session_id}/tenue")
async def hold_page(visit: MentorOrSupport, session_id: str) -> Response:
    return await _hold_page(visit, session_id)


@router.post("/sessions/{session_id}/tenue")
async def hold(visit: MentorOrSupport, session_id: str) -> Response:
    form = await visit.form()
    try:
        done = await visit.apis.post(
            path("sessions", session_id, "completion"), {}, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _hold_page(visit, session_id, problem)
    return visit.redirect(f"/sessions/{session_id}?version={done.get('version', 1)}&fait=tenue")


async def _new_session_page(visit: Visit, form: Mapping[str, str], problem: Problem | None = None) -> Response:
    me, students = await asyncio.gather(
        people.mentor(visit.apis, visit.own_id), people.students_of(visit.apis, visit.own_id)
    )
    return visit.page("session_new.html", status=_status(problem), me=me, students=students, form=form, problem=problem)


async def _cancel_page(
    visit: Visit, session_id: str, form: Mapping[str, str], problem: Problem | None = None
) -> Response:
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    told = form.get("prevenu", "")
    notice_at = _instant(told, session.timezone) if told else None
    reasons, known = await asyncio.gather(
        visit.apis.get(path("sessions", session_id, "cancellation-reasons"), notice_at=notice_at),
        people.people(visit.apis, students=[session.student_id]),
    )
    listed = reasons["items"] if isinstance(reasons, dict) else reasons
    offered = [Reason.model_validate(item) for item in listed]
    return visit.page(
        "session_cancel.html",
        status=_status(problem),
        session=session,
        reasons=offered,
        people=known,
        told=told,
        form=form,
        problem=problem,
        late_from=session.starts_at - timedelta(hours=24),
    )


async def _move_page(
    visit: Visit, session_id: str, form: Mapping[str, str], problem: Problem | None = None
) -> Response:
    session, known = await _session_and_student(visit, session_id)
    late = visit.now > session.starts_at - timedelta(hours=24)
    return visit.page(
        "session_move.html",
        status=_status(problem),
        session=session,
        people=known,
        form=form,
        problem=problem,
        late=late,
    )


async def _hold_page(visit: Visit, session_id: str, problem: Problem | None = None) -> Response:
    session, known = await _session_and_student(visit, session_id)
    return visit.page(
        "session_hold.html",
        status=_status(problem),
        session=session,
        people=known,
        problem=problem,
        started=session.starts_at <= visit.now,
    )


async def _session_and_student(visit: Visit, session_id: str) -> tuple[Session, people.People]:
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    return session, await people.people(visit.apis, students=[session.student_id])


async def _nobody() -> list[Student]:
    return []


def _instant(text: str, zone: str) -> str:
    """What a date and time field holds, as an instant; where it holds none, as it is, for the service to refuse."""
    try:
        return from_local(text, zone).isoformat()
    except ValueError:
        return text


def _number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _status(problem: Problem | None) -> int:
    return problem.status if problem else 200
