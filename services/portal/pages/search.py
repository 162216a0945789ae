"""« Rechercher »: one box that finds people, sessions, events and e-mails, by name, e-mail or identifier."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Apis, Problem, or_problem, path
from services.portal.edges.shapes import Email, Line, Mentor, Student
from services.portal.edges.visit import SupportVisit, Visit
from services.portal.pages import calendar, people

router = APIRouter()

PEOPLE_SHOWN: Final = 40
EMAILS_SHOWN: Final = 10
SEARCH_CHARS: Final = 100
AN_ID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)

# What an identifier may belong to, where it is asked for, and the page that shows it; fields are those of the answer.
PLACES: Final[Mapping[str, tuple[Callable[[str], str], str]]] = {
    "student": (lambda one: path("students", one), "/etudiants/{student_id}"),
    "mentor": (lambda one: path("mentors", one), "/chronologie/mentor/{mentor_id}"),
    "session": (lambda one: path("sessions", one), "/sessions/{session_id}"),
    "email": (lambda one: path("emails", one), "/e-mails/{email_id}"),
    "event": (lambda one: path("audit", "events", one), "/journal/{event_id}"),
    "absence": (lambda one: path("absences", one), "/chronologie/absence/{absence_id}"),
    "line": (lambda one: path("statement-lines", one), "/facturation/{mentor_id}/{month}?ligne={key}#l-{key}"),
}


@router.get("/recherche")
async def search(visit: SupportVisit, q: str = "") -> Response:
    """An identifier leads at once to what bears it; anything else to the people and letters that it speaks of."""
    wanted = q.strip()[:SEARCH_CHARS]
    identifier = AN_ID.search(wanted)  # Also inside a Message-ID or an address that was pasted whole.
    if identifier:
        return await _by_identifier(visit, wanted, identifier[0].lower())
    mentors, students, emails = await asyncio.gather(
        or_problem(visit.apis.get(path("mentors"), search=wanted, limit=PEOPLE_SHOWN)),
        or_problem(visit.apis.get(path("students"), search=wanted, limit=PEOPLE_SHOWN)),
        or_problem(_letters_to(visit.apis, wanted)),
    )
    found = [Student.model_validate(item) for item in _items(students)]
    return visit.page(
        "search.html",
        q=q,
        identifier="",
        mentors=[Mentor.model_validate(item) for item in _items(mentors)],
        students=found,
        emails=[Email.model_validate(item) for item in _items(emails)],
        more=any(not isinstance(part, Problem) and part["next_cursor"] for part in (mentors, students)),
        people=await people.people(visit.apis, mentors={student.mentor_id for student in found}),
        this_month=calendar.this_month(visit.now, visit.portal.school_zone),
        away=next((part for part in (mentors, students, emails) if isinstance(part, Problem)), None),
    )


async def _by_identifier(visit: Visit, wanted: str, identifier: str) -> Response:
    found = await asyncio.gather(*(or_problem(visit.apis.get_or_none(ask(identifier))) for ask, _ in PLACES.values()))
    for there, (kind, (_, page)) in zip(found, PLACES.items(), strict=True):
        if isinstance(there, Mapping):
            key = Line.model_validate(there).key if kind == "line" else ""
            return visit.redirect(page.format(**there, key=key))
    return visit.page(
        "search.html",
        status=404,
        q=wanted,
        identifier=identifier,
        mentors=[],
        students=[],
        emails=[],
        more=False,
        people=people.People({}, {}),
        this_month="",
        away=next((part for part in found if isinstance(part, Problem) and part.status >= 500), None),
    )


def _letters_to(apis: Apis, wanted: str) -> Awaitable[Any]:
    if "@" in wanted:
        return apis.get(path("emails"), to=wanted, limit=EMAILS_SHOWN)
    return _none()


async def _none() -> dict[str, Any]:
    return {"items": [], "next_cursor": None}


def _items(found: Any) -> list[Any]:
    return [] if isinstance(found, Problem) else list(found["items"])
