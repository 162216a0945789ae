"""One student of an absence: the hand-over comment with its parts prefilled (T14), then the transfer (T11, T15)."""

import asyncio
from collections import Counter
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, path
from services.portal.edges.shapes import Absence, Comment, Session
from services.portal.edges.visit import MentorVisit, Visit
from services.portal.pages import absence_plan, people, transfer
from services.portal.pages.students import HANDOVER_FIELDS

router = APIRouter()


@router.get("/absences/{absence_id}/etudiants/{student_id}")
async def handover_page(visit: MentorVisit, absence_id: str, student_id: str, fait: str = "") -> Response:
    return await _page(visit, absence_id, student_id, done=fait)


@router.post("/absences/{absence_id}/etudiants/{student_id}/note")
async def leave_note(visit: MentorVisit, absence_id: str, student_id: str) -> Response:
    form = await visit.form()
    body = {name: form[name] for name in HANDOVER_FIELDS if form.get(name)}
    try:
        await visit.apis.post(path("students", student_id, "comments"), body, idempotency_key=form.get("once", ""))
    except Problem as problem:
        return await _page(visit, absence_id, student_id, note=form, problem=problem)
    return visit.redirect(f"/absences/{absence_id}/etudiants/{student_id}?fait=note#transfert")


@router.post("/absences/{absence_id}/etudiants/{student_id}/verification")
async def check(visit: MentorVisit, absence_id: str, student_id: str) -> Response:
    form = await visit.form()
    return await _page(visit, absence_id, student_id, entered=await transfer.checked(visit, student_id, form))


@router.post("/absences/{absence_id}/etudiants/{student_id}/transfert")
async def hand_over(visit: MentorVisit, absence_id: str, student_id: str) -> Response:
    form = await visit.form()
    result = await transfer.transferred(visit, student_id, form, absence_id)
    if isinstance(result, transfer.TransferForm):
        return await _page(visit, absence_id, student_id, entered=result)
    return visit.redirect(f"/absences/{absence_id}?fait=transfere#etudiant-{student_id}")


async def _who_stands_in(visit: Visit, absence: Absence) -> str:
    """The e-mail of the mentor to whom most of the absence's students went: the next one often goes there too."""
    elsewhere = Counter(one.mentor_id for one in absence.students if one.mentor_id != absence.mentor_id)
    if not elsewhere:
        return ""
    [(mentor_id, _)] = elsewhere.most_common(1)
    known = await people.people(visit.apis, mentors=[mentor_id])
    return known.mentors[mentor_id].email if mentor_id in known.mentors else ""


async def _page(
    visit: Visit,
    absence_id: str,
    student_id: str,
    *,
    note: Mapping[str, str] | None = None,
    problem: Problem | None = None,
    entered: transfer.TransferForm | None = None,
    done: str = "",
) -> Response:
    found, student, sessions, comments = await asyncio.gather(
        visit.apis.get(path("absences", absence_id)),
        people.student(visit.apis, student_id),
        visit.apis.all_items(path("sessions"), student_id=student_id),
        visit.apis.all_items(path("students", student_id, "comments")),
    )
    absence = Absence.model_validate(found)
    left = [Comment.model_validate(comment) for comment in comments]
    noted = [comment for comment in left if comment.kind == "handover" and comment.return_on == absence.return_on]
    prefilled = absence_plan.handover(
        visit, absence, student, [Session.model_validate(session) for session in sessions]
    )
    entered = entered or transfer.TransferForm(await _who_stands_in(visit, absence))
    return visit.page(
        "absence_student.html",
        status=problem.status if problem else entered.status,
        absence=absence,
        student=student,
        plan=next((one for one in absence.students if one.student_id == student_id), None),
        words_of_period=absence_plan.period_words(visit, absence, visit.portal.school_zone),
        noted=noted[0] if noted else None,
        note=note or prefilled,
        problem=problem,
        entered=entered,
        done=done,
    )
