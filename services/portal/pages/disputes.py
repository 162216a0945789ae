"""« Lignes contestées »: what mentors do not agree with, the oldest first, and the billing team's answers."""

from datetime import datetime
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Line
from services.portal.edges.visit import BillingVisit, Visit
from services.portal.pages import people

router = APIRouter()

ROWS_SHOWN: Final = 30


class Disputed(Line):
    """A line with what was said of it."""

    state: str
    reason: str
    disputed_at: datetime
    answer: str | None = None
    settled_at: datetime | None = None


@router.get("/contestations")
async def disputes(visit: BillingVisit, etat: str = "open", suite: str = "", fait: str = "") -> Response:
    return await _page(visit, state=etat, cursor=suite, done=fait)


@router.post("/contestations/{line_id}")
async def settle(visit: BillingVisit, line_id: str) -> Response:
    """Answers the mentor. It changes no line: what was documented wrongly, support corrects."""
    form = await visit.form()
    try:
        await visit.apis.post(
            path("disputes", line_id, "settlement"),
            {"answer": form.get("reponse", "")},
            idempotency_key=form.get("once", ""),
        )
    except Problem as problem:
        return await _page(visit, problem=problem)
    return visit.redirect("/contestations?fait=repondu")


async def _page(
    visit: Visit, *, state: str = "open", cursor: str = "", done: str = "", problem: Problem | None = None
) -> Response:
    shown = state if state in ("open", "settled") else "open"
    found = await or_problem(visit.apis.get(path("disputes"), state=shown, limit=ROWS_SHOWN, cursor=cursor))
    away = found if isinstance(found, Problem) else None
    rows = [] if isinstance(found, Problem) else [Disputed.model_validate(item) for item in found["items"]]
    return visit.page(
        "disputes.html",
        status=problem.status if problem else 200,
        rows=rows,
        people=await people.people(
            visit.apis, students={row.student_id for row in rows}, mentors={row.mentor_id for row in rows}
        ),
        state=shown,
        next_cursor=None if isinstance(found, Problem) else found["next_cursor"],
        done=done,
        problem=problem,
        away=away,
    )
