"""What a mentor does with one session: cancel it, move it, hold it (S2–S10)."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, path
from services.portal.edges.language import from_local, to_local_field
from services.portal.edges.shapes import Reason, Session
from services.portal.edges.visit import MentorOrSupport, Visit
from services.portal.pages import people
from services.portal.pages.conflicts import Conflict, Wish, conflicts, in_words

router = APIRouter()


@router.get("/sessions/{session_id}/annuler")
async def cancel_page(visit: MentorOrSupport, session_id: str, prevenu: str = "", motif: str = "") -> Response:
    return await _cancel_page(visit, session_id, {"prevenu": prevenu, "reason": motif})


@router.post("/sessions/{session_id}/annuler")
async def cancel(visit: MentorOrSupport, session_id: str) -> Response:
    form = await visit.form()
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    body: dict[str, Any] = {"reason": form.get("reason", "")}
    if form.get("prevenu"):
        body["notice_at"] = instant(form["prevenu"], session.timezone)
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
async def move_page(visit: MentorOrSupport, session_id: str, absence: str = "") -> Response:
    return await _move_page(visit, session_id, {"absence": absence})


@router.post("/sessions/{session_id}/deplacer")
async def move(visit: MentorOrSupport, session_id: str) -> Response:
    """Without cancelling (S9). What the date runs into is said first; the same date sent again is meant."""
    form = await visit.form()
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    asked = instant(form.get("starts_at") or f"{form.get('day', '')}T{form.get('hour', '')}", session.timezone)
    in_the_way = await _in_the_way(visit, session, asked, form)
    if in_the_way:
        return await _move_page(visit, session_id, form, in_the_way=in_the_way, asked=asked)
    body = {"starts_at": asked, "requested_by": form.get("requested_by", "")}
    try:
        done = await visit.apis.post(
            path("sessions", session_id, "reschedule"), body, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _move_page(visit, session_id, form, problem)
    if form.get("absence"):
        return visit.redirect(
            f"/absences/{quote(form['absence'], safe='')}?fait=deplacee#etudiant-{session.student_id}"
        )
    return visit.redirect(f"/sessions/{session_id}?version={done.get('version', 1)}&fait=deplacee")


@router.get("/sessions/{session_id}/tenue")
async def hold_page(visit: MentorOrSupport, session_id: str, depuis: str = "") -> Response:
    """« depuis »: accueil, where one session after another is documented; it leads back there."""
    return await _hold_page(visit, session_id, {"depuis": depuis})


@router.post("/sessions/{session_id}/tenue")
async def hold(visit: MentorOrSupport, session_id: str) -> Response:
    form = await visit.form()
    try:
        done = await visit.apis.post(
            path("sessions", session_id, "completion"), {}, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _hold_page(visit, session_id, form, problem)
    if form.get("depuis") == "accueil":
        return visit.redirect("/?fait=tenue")
    return visit.redirect(f"/sessions/{session_id}?version={done.get('version', 1)}&fait=tenue")


async def _cancel_page(
    visit: Visit, session_id: str, form: Mapping[str, str], problem: Problem | None = None
) -> Response:
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    told = form.get("prevenu", "")
    notice_at = instant(told, session.timezone) if told else None
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


async def _in_the_way(visit: Visit, session: Session, asked: str, form: Mapping[str, str]) -> list[Conflict]:
    """Nothing where the service will refuse the date anyway, or where it was confirmed."""
    if form.get("confirme") == asked or session.status != "scheduled":
        return []
    try:
        starts_at = datetime.fromisoformat(asked)
    except ValueError:
        return []
    if starts_at <= visit.now or starts_at == session.starts_at:
        return []
    duration = session.ends_at - session.starts_at
    student = await people.student(visit.apis, session.student_id)
    found = await conflicts(
        visit, Wish(student, session.mentor_id, starts_at, duration, session.timezone, moved=session)
    )
    # Who takes a move back, or keeps a student through an absence, empties a week on purpose.
    on_purpose = form.get("starts_at") or form.get("absence")
    return [one for one in found if one.kind != "week_empty"] if on_purpose else found


async def _move_page(
    visit: Visit,
    session_id: str,
    form: Mapping[str, str],
    problem: Problem | None = None,
    in_the_way: Sequence[Conflict] = (),
    asked: str = "",
) -> Response:
    session, known = await _session_and_student(visit, session_id)
    wished = to_local_field(datetime.fromisoformat(asked), session.timezone) if in_the_way else ""
    return visit.page(
        "session_move.html",
        status=409 if in_the_way else _status(problem),
        session=session,
        people=known,
        form={**form, "day": wished[:10], "hour": wished[11:]} if wished else form,
        problem=problem,
        late=visit.now > session.starts_at - timedelta(hours=24),
        **await in_words(visit, in_the_way, asked),
    )


async def _hold_page(
    visit: Visit, session_id: str, form: Mapping[str, str], problem: Problem | None = None
) -> Response:
    session, known = await _session_and_student(visit, session_id)
    return visit.page(
        "session_hold.html",
        status=_status(problem),
        session=session,
        people=known,
        form=form,
        problem=problem,
        started=session.starts_at <= visit.now,
    )


async def _session_and_student(visit: Visit, session_id: str) -> tuple[Session, people.People]:
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    return session, await people.people(visit.apis, students=[session.student_id])


def instant(text: str, zone: str) -> str:
    """What a date and time field holds, as an instant; where it holds none, as it is, for the service to refuse."""
    try:
        return from_local(text, zone).isoformat()
    except ValueError:
        return text


def number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _status(problem: Problem | None) -> int:
    return problem.status if problem else 200
