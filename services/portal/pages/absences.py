"""« Mes absences »: the assistant that leads a mentor from the dates of a leave to the students' return (T1–T18)."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, path
from services.portal.edges.shapes import Absence, AbsenceItem, Mentor, Session
from services.portal.edges.visit import MentorVisit, Visit
from services.portal.pages import absence_plan, people

router = APIRouter()


@router.get("/absences")
async def absences(visit: MentorVisit) -> Response:
    return await _list_page(visit, {})


@router.post("/absences")
async def declare(visit: MentorVisit) -> Response:
    form = await visit.form()
    me = await people.mentor(visit.apis, visit.own_id)
    body = absence_plan.period_body(form, me.timezone)
    try:
        created = await visit.apis.post(
            path("mentors", visit.own_id, "absences"), body, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _list_page(visit, form, problem)
    return visit.redirect(f"/absences/{created['absence_id']}?fait=declaree")


@router.get("/absences/{absence_id}")
async def assistant(visit: MentorVisit, absence_id: str, fait: str = "") -> Response:
    return await _assistant_page(visit, absence_id, done=fait)


@router.post("/absences/{absence_id}/dates")
async def change_dates(visit: MentorVisit, absence_id: str) -> Response:
    form = await visit.form()
    me = await people.mentor(visit.apis, visit.own_id)
    body = absence_plan.period_body(form, me.timezone)
    try:
        await visit.apis.put(path("absences", absence_id), body)
    except Problem as problem:
        return await _assistant_page(visit, absence_id, form=form, problem=problem)
    return visit.redirect(f"/absences/{absence_id}?fait=changee")


@router.post("/absences/{absence_id}/accords")
async def record_consent(visit: MentorVisit, absence_id: str) -> Response:
    """Whether the student was asked to be kept, and what they said (T6, T8)."""
    form = await visit.form()
    student_id = form.get("student_id", "")
    body = {"student_id": student_id, "consent": form.get("consent", "")}
    return await _command(visit, absence_id, "consents", body, form, back=f"#etudiant-{student_id}")


@router.post("/absences/{absence_id}/preparation")
async def tick(visit: MentorVisit, absence_id: str) -> Response:
    """The steps that only the mentor can know of (T13)."""
    form = await visit.form()
    body = {"item": form.get("item", ""), "done": form.get("done") == "oui"}
    return await _command(visit, absence_id, "preparation", body, form, back="#etapes")


@router.post("/absences/{absence_id}/aide")
async def ask_for_help(visit: MentorVisit, absence_id: str) -> Response:
    """Support is asked to find somebody (T17)."""
    form = await visit.form()
    body = {"message": form["message"]} if form.get("message") else {}
    return await _command(visit, absence_id, "help-requests", body, form, back="?fait=aide#aide")


@router.post("/absences/{absence_id}/fin")
async def end(visit: MentorVisit, absence_id: str) -> Response:
    form = await visit.form()
    return await _command(visit, absence_id, "end", {}, form, back="?fait=terminee")


@router.post("/absences/{absence_id}/retour")
async def give_back(visit: MentorVisit, absence_id: str) -> Response:
    """The students come back (T16): those that are ticked, or the one who was named."""
    form = await visit.form()
    chosen = [name.removeprefix("etudiant-") for name in form if name.startswith("etudiant-")]
    if not chosen:
        problem = Problem(422, "invalid_body", visit.say("Choisissez au moins un étudiant."))
        return await _assistant_page(visit, absence_id, problem=problem)
    return await _command(visit, absence_id, "return", {"student_ids": chosen}, form, back="?fait=revenus#retour")


@router.post("/absences/{absence_id}/capacite")
async def change_capacity(visit: MentorVisit, absence_id: str) -> Response:
    """To 0 before the leave (T12), up again before the students come back."""
    form = await visit.form()
    capacity = form.get("capacity", "")
    body = {"capacity": int(capacity) if capacity.isdecimal() else capacity}
    try:
        await visit.apis.put(path("mentors", visit.own_id, "capacity"), body)
    except Problem as problem:
        return await _assistant_page(visit, absence_id, problem=problem)
    return visit.redirect(f"/absences/{absence_id}?fait=capacite#{'etapes' if capacity == '0' else 'retour'}")


async def _command(
    visit: Visit, absence_id: str, command: str, body: Mapping[str, Any], form: Mapping[str, str], *, back: str
) -> Response:
    """Sends one command of the absence; the page that follows stands where the person was."""
    try:
        await visit.apis.post(path("absences", absence_id, command), body, idempotency_key=form.get("once", ""))
    except Problem as problem:
        return await _assistant_page(visit, absence_id, form=form, problem=problem)
    return visit.redirect(f"/absences/{absence_id}{back}")


async def _list_page(visit: Visit, form: Mapping[str, str], problem: Problem | None = None) -> Response:
    items, me = await asyncio.gather(visit.apis.all_items(path("absences")), people.mentor(visit.apis, visit.own_id))
    found = sorted((AbsenceItem.model_validate(item) for item in items), key=lambda one: str(one.starts), reverse=True)
    return visit.page(
        "absences.html",
        status=problem.status if problem else 200,
        absences=[(absence, absence_plan.period_words(visit, absence, me.timezone)) for absence in found],
        form=form,
        problem=problem,
    )


async def _assistant_page(
    visit: Visit,
    absence_id: str,
    *,
    form: Mapping[str, str] | None = None,
    problem: Problem | None = None,
    done: str = "",
) -> Response:
    absence = Absence.model_validate(await visit.apis.get(path("absences", absence_id)))
    if absence.mentor_id != visit.own_id:
        return await _replacement_page(visit, absence, problem=problem, done=done)
    me, students = await asyncio.gather(
        people.mentor(visit.apis, visit.own_id), people.students_of(visit.apis, visit.own_id)
    )
    span = absence_plan.span_of(absence, me.timezone)
    within, elsewhere = await asyncio.gather(
        _within(visit, absence, span.start.isoformat(), span.end.isoformat()),
        people.people(
            visit.apis, students=[one.student_id for one in absence.students if one.mentor_id != absence.mentor_id]
        ),
    )
    concerned = {one.student_id for one in absence.waiting}
    words = absence_plan.period_words(visit, absence, me.timezone)
    addresses = [student.email for student in students if student.student_id in concerned]
    return visit.page(
        "absence.html",
        status=problem.status if problem else 200,
        absence=absence,
        words_of_period=words,
        cases=absence_plan.cases(absence, within, elsewhere.students),
        me=me,
        capacity_needed=_capacity_needed(me, absence),
        warning=absence_plan.warning_mail(visit, absence, words, addresses) if addresses else None,
        form=form or {},
        problem=problem,
        done=done,
    )


async def _replacement_page(visit: Visit, absence: Absence, *, problem: Problem | None, done: str) -> Response:
    """What somebody who stands in sees: their own students of it, and the way back."""
    mine = [student for student in absence.away if student.mentor_id == visit.own_id]
    known = await people.people(visit.apis, students=[one.student_id for one in mine])
    return visit.page(
        "absence_replacement.html",
        status=problem.status if problem else 200,
        absence=absence,
        words_of_period=absence_plan.period_words(visit, absence, visit.portal.school_zone),
        mine=mine,
        returns_to=next((one.returns_to_mentor_name for one in known.students.values()), None),
        problem=problem,
        done=done,
    )


async def _within(visit: Visit, absence: Absence, start: str, end: str) -> list[Session]:
    """The concerned students' sessions within the absence: the mentor's own, and those of who was handed over."""
    away = [one.student_id for one in absence.students if one.mentor_id != absence.mentor_id]
    lists = await asyncio.gather(
        visit.apis.all_items(path("sessions"), mentor_id=absence.mentor_id, **{"from": start, "to": end}),
        *(
            visit.apis.all_items(path("sessions"), student_id=student_id, **{"from": start, "to": end})
            for student_id in away
        ),
    )
    return [Session.model_validate(item) for found in lists for item in found]


def _capacity_needed(me: Mentor, absence: Absence) -> int:
    return (me.students or 0) + len(absence.away)
