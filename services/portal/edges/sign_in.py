"""Signing in and out, and the language. Under the local issuer a person of the school is chosen by hand."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Apis, Problem, or_problem, path
from services.portal.edges.language import CODES, sort_key
from services.portal.edges.session_cookie import LIFETIME_S, Person, Role, Session
from services.portal.edges.shapes import Mentor, Student
from services.portal.edges.visit import LANGUAGE_COOKIE, AnyVisit, NotForYou, Visit

router = APIRouter()

YEAR_S: Final = 365 * 24 * 3600
STUDENTS_SHOWN: Final = 12
SEARCH_CHARS: Final = 100
TEAMS: Final[dict[str, Role]] = {"support": "support", "billing": "billing", "training": "training"}


@router.get("/connexion")
async def sign_in_page(visit: AnyVisit, q: str = "", suite: str = "") -> Response:
    if visit.portal.issuer is None:
        return visit.page("sign_in.html", mentors=[], students=[], more=False, q="", next=_inside(suite), away=None)
    apis = _directory(visit)
    mentors, students = await asyncio.gather(
        or_problem(apis.all_items(path("mentors"))),
        or_problem(apis.get(path("students"), search=q.strip()[:SEARCH_CHARS], limit=STUDENTS_SHOWN)),
    )
    known_mentors = [] if isinstance(mentors, Problem) else [Mentor.model_validate(item) for item in mentors]
    page = {"items": [], "next_cursor": None} if isinstance(students, Problem) else students
    return visit.page(
        "sign_in.html",
        mentors=sorted(known_mentors, key=lambda mentor: sort_key(mentor.name)),
        students=[Student.model_validate(item) for item in page["items"]],
        more=page["next_cursor"] is not None,
        q=q,
        next=_inside(suite),
        away=next((part for part in (mentors, students) if isinstance(part, Problem)), None),
    )


@router.post("/connexion")
async def sign_in(visit: AnyVisit) -> Response:
    form = await visit.form()
    issuer = visit.portal.issuer
    if issuer is None:
        raise NotForYou
    kind, _, person_id = form.get("person", "").partition(":")
    role, email, name = await _chosen(visit, kind, person_id)
    token = issuer.mint(role, email, name, ttl_s=LIFETIME_S)
    person = Person(role=role, email=email, name=name, person_id=person_id or None, token=token)
    response = visit.redirect(_inside(form.get("suite", "")))
    visit.portal.cookies.write(visit.request, response, Session.fresh(person))
    return response


@router.post("/deconnexion")
async def sign_out(visit: AnyVisit) -> Response:
    await visit.form()
    response = visit.redirect("/connexion")
    visit.portal.cookies.forget(visit.request, response)
    return response


@router.post("/langue")
async def choose_language(visit: AnyVisit) -> Response:
    form = await visit.form()
    response = visit.redirect(_inside(form.get("suite", "")))
    if form.get("langue") in CODES:
        response.set_cookie(LANGUAGE_COOKIE, form["langue"], max_age=YEAR_S, path="/", httponly=True, samesite="lax")
    return response


async def _chosen(visit: Visit, kind: str, person_id: str) -> tuple[Role, str, str]:
    if kind == "mentor":
        mentor = Mentor.model_validate(await _directory(visit).get(path("mentors", person_id)))
        return "mentor", mentor.email, mentor.name
    if kind == "student":
        student = Student.model_validate(await _directory(visit).get(path("students", person_id)))
        return "student", student.email, student.name
    if kind in TEAMS and not person_id:
        names = {
            "support": visit.say("Équipe support"),
            "billing": visit.say("Équipe facturation"),
            "training": visit.say("Administration de la formation"),
        }
        return TEAMS[kind], f"{kind}@ecole.example.org", names[kind]
    raise NotForYou


def _directory(visit: Visit) -> Apis:
    """The people of the school, read as its account system: nobody is signed in yet."""
    issuer = visit.portal.issuer
    assert issuer is not None
    return visit.apis_with(issuer.mint("directory", "portal@ecole.example.org", "Portal", ttl_s=60))


def _inside(address: str) -> str:
    """Only a path of ours: a link from elsewhere must not send people away after they signed in."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith(("//", "/\\")):
        return "/"
    return address
