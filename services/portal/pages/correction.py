"""« Corriger une session »: support repairs a status, sees what that does before it is done, and says why."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import ReasonEffects, Session, Shape, Statement
from services.portal.edges.visit import SupportVisit, Visit
from services.portal.pages import calendar, people

router = APIRouter()

RECOVERABLE: Final[Mapping[str, bool]] = {"oui": True, "non": False}


class Choice(Shape):
    """One direction, as the service offers it."""

    status: str
    reason: str | None = None
    cause: str | None = None
    label: str
    stands: bool = False
    available: bool
    why_unavailable: str | None = None
    recoverable: bool | None = None
    asks_recoverable: bool = False
    effects: ReasonEffects = ReasonEffects()

    @property
    def code(self) -> str:
        """How the form names it: « held », « cancelled:other:mentor »."""
        return ":".join(part for part in (self.status, self.reason, self.cause) if part)


@router.get("/sessions/{session_id}/corriger")
async def correction_page(visit: SupportVisit, session_id: str) -> Response:
    return await _form_page(visit, session_id, {})


@router.post("/sessions/{session_id}/corriger/effets")
async def effects_page(visit: SupportVisit, session_id: str) -> Response:
    """What the choice would do. Nothing is written."""
    form = await visit.form()
    choices = await _choices(visit, session_id)
    chosen = next((one for one in choices if one.code == form.get("choix")), None)
    problem = _incomplete(visit, chosen, form)
    if problem is not None or chosen is None:
        return await _form_page(visit, session_id, form, problem, choices)
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    month = calendar.this_month(session.starts_at, visit.portal.school_zone)
    known, statement = await asyncio.gather(
        people.people(visit.apis, students=[session.student_id], mentors=[session.mentor_id]),
        or_problem(visit.apis.get_or_none(path("mentors", session.mentor_id, "statements", month))),
    )
    return visit.page(
        "session_correct_check.html",
        session=session,
        people=known,
        chosen=chosen,
        form=form,
        recoverable=RECOVERABLE.get(form.get("rattrapable", "")) if chosen.asks_recoverable else chosen.recoverable,
        month=month,
        statement=Statement.model_validate(statement) if statement and not isinstance(statement, Problem) else None,
        away=statement if isinstance(statement, Problem) else None,
    )


@router.post("/sessions/{session_id}/corriger")
async def correct(visit: SupportVisit, session_id: str) -> Response:
    form = await visit.form()
    status, reason, cause, *_ = (*form.get("choix", "").split(":"), "", "")
    body: dict[str, Any] = {"status": status, "why": form.get("pourquoi", "")}
    body |= {name: said for name, said in (("reason", reason), ("cause", cause)) if said}
    if form.get("rattrapable") in RECOVERABLE:
        body["recoverable"] = RECOVERABLE[form["rattrapable"]]
    try:
        done = await visit.apis.post(
            path("sessions", session_id, "correction"),
            body,
            idempotency_key=form.get("once", ""),
            seen_version=form.get("version") or None,
        )
    except Problem as problem:
        if problem.status == 412:
            problem = Problem(
                409,
                problem.code,
                visit.say("Cette session a changé pendant que vous la corrigiez. Relisez-la, puis recommencez."),
            )
        return await _form_page(visit, session_id, form, problem)
    return visit.redirect(f"/sessions/{session_id}?version={done.get('version', 1)}&fait=corrigee")


async def _form_page(
    visit: Visit,
    session_id: str,
    form: Mapping[str, str],
    problem: Problem | None = None,
    choices: Sequence[Choice] | None = None,
) -> Response:
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    known = await people.people(visit.apis, students=[session.student_id], mentors=[session.mentor_id])
    offered = choices or await _choices(visit, session_id)
    return visit.page(
        "session_correct.html",
        status=problem.status if problem else 200,
        session=session,
        people=known,
        choices=[one for one in offered if one.reason != "other"],
        causes=[one for one in offered if one.reason == "other"],
        form=form,
        problem=problem,
    )


async def _choices(visit: Visit, session_id: str) -> list[Choice]:
    found = await visit.apis.get(path("sessions", session_id, "correction-choices"))
    return [Choice.model_validate(item) for item in found["items"]]


def _incomplete(visit: Visit, chosen: Choice | None, form: Mapping[str, str]) -> Problem | None:
    if chosen is None:
        return Problem(422, "invalid_body", visit.say("Choisissez ce que la session doit devenir."))
    if not form.get("pourquoi"):
        return Problem(422, "why_required", visit.say("Écrivez pourquoi vous corrigez cette session."))
    if chosen.asks_recoverable and form.get("rattrapable", "") not in ("", *RECOVERABLE, "plus-tard"):
        return Problem(422, "invalid_body", visit.say("Dites si la session est rattrapable."))
    return None
