"""« Mon compte »: a mentor's capacity and profile; a student's mentor now and after, and preferences."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, path
from services.portal.edges.visit import MentorVisit, NotForYou, SignedIn, Visit
from services.portal.pages import people

router = APIRouter()


@router.get("/mon-compte")
async def account(visit: SignedIn, fait: str = "") -> Response:
    match visit.person.role:
        case "mentor":
            return await _mentor_page(visit, {}, done=fait)
        case _:
            raise NotForYou


@router.post("/mon-compte/capacite")
async def change_capacity(visit: MentorVisit) -> Response:
    """« Capacité d'accueil »: all places, those that are taken too (T12)."""
    form = await visit.form()
    capacity = form.get("capacity", "")
    body = {"capacity": int(capacity) if capacity.isdecimal() else capacity}
    try:
        await visit.apis.put(path("mentors", visit.own_id, "capacity"), body)
    except Problem as problem:
        return await _mentor_page(visit, form, problem=problem)
    return visit.redirect("/mon-compte?fait=capacite")


async def _mentor_page(
    visit: Visit, form: Mapping[str, str], *, problem: Problem | None = None, done: str = ""
) -> Response:
    me = await people.mentor(visit.apis, visit.own_id)
    return visit.page(
        "account_mentor.html",
        status=problem.status if problem else 200,
        me=me,
        form=form,
        problem=problem,
        done=done,
    )
