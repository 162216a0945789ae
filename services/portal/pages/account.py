"""« Mon compte »: a mentor's capacity and profile, a student's course; for both, the calendar and the language."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import CalendarLink, Mentor, Student
from services.portal.edges.visit import MentorVisit, NotForYou, SignedIn, Visit
from services.portal.pages import people

router = APIRouter()


@router.get("/mon-compte")
async def account(visit: SignedIn, fait: str = "") -> Response:
    return await _page(visit, done=fait)


@router.post("/mon-compte/capacite")
async def change_capacity(visit: MentorVisit) -> Response:
    """« Capacité d'accueil »: all places, those that are taken too (T12)."""
    form = await visit.form()
    capacity = form.get("capacity", "")
    body = {"capacity": int(capacity) if capacity.isdecimal() else capacity}
    try:
        await visit.apis.put(path("mentors", visit.own_id, "capacity"), body)
    except Problem as problem:
        return await _page(visit, form, problem=problem)
    return visit.redirect("/mon-compte?fait=capacite")


@router.post("/mon-compte/agenda")
async def change_calendar(visit: SignedIn) -> Response:
    """A new link, or none any more: either way the one before opens nothing."""
    form = await visit.form()
    try:
        if form.get("lien") == "aucun":
            await visit.apis.delete(path("calendar-link"))
        else:
            await visit.apis.post(path("calendar-link"), {}, idempotency_key=form.get("once", ""))
    except Problem as problem:
        return await _page(visit, problem=problem)
    return visit.redirect(f"/mon-compte?fait={'revoque' if form.get('lien') == 'aucun' else 'agenda'}#agenda")


@router.post("/mon-compte/langue")
async def choose_languages(visit: SignedIn) -> Response:
    """The pages' language is the browser's; that of the e-mails a student's own choice, which the directory keeps.

    What was left as it was shown is no choice: the directory may still change it.
    """
    form = await visit.form()
    if visit.person.role not in ("mentor", "student"):
        raise NotForYou
    if visit.person.role == "student" and form.get("courrier") != form.get("courrier_montre"):
        try:
            await visit.apis.put(path("students", visit.own_id, "language"), {"language": form.get("courrier", "")})
        except Problem as problem:
            return await _page(visit, form, problem=problem)
    response = visit.redirect("/mon-compte?fait=langue#preferences")
    visit.speak(response, form.get("langue", ""))
    return response


async def _page(
    visit: Visit, form: Mapping[str, str] | None = None, *, problem: Problem | None = None, done: str = ""
) -> Response:
    me: Mentor | Student
    match visit.person.role:
        case "mentor":
            me = await people.mentor(visit.apis, visit.own_id)
        case "student":
            me = await people.student(visit.apis, visit.own_id)
        case _:
            raise NotForYou
    link = await or_problem(visit.apis.get(path("calendar-link")))
    found = CalendarLink() if isinstance(link, Problem) else CalendarLink.model_validate(link)
    return visit.page(
        f"account_{visit.person.role}.html",
        status=problem.status if problem else 200,
        me=me,
        calendar=visit.portal.portal_url.rstrip("/") + found.path if found.path else None,
        calendar_since=found.created_at,
        away=link if isinstance(link, Problem) else None,
        form=form or {},
        problem=problem,
        done=done,
    )
