"""Support's pages: the audit log, one event explained, and every e-mail with its state."""

from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.live import Part
from services.portal.edges.shapes import Email, Entry, Event, Line
from services.portal.edges.visit import SupportVisit, Visit
from services.portal.pages import calendar, people
from services.portal.pages.event_types import SHOWN_TYPES

router = APIRouter()

PEOPLE_SHOWN: Final = 50
ENTRIES_SHOWN: Final = 50
EMAILS_SHOWN: Final = 50
LOOK_EVERY_S: Final = 1.0
STILL_TO_COME_S: Final = 60
EMAIL_STATES: Final = ("queued", "sent", "failed", "suppressed")


@router.get("/journal")
async def audit(
    visit: SupportVisit, acteur: str = "", objet: str = "", type: str = "", de: str = "", a: str = "", suite: str = ""
) -> Response:
    """The audit log: who did what, when, to whom."""
    zone = visit.portal.school_zone
    found = await or_problem(
        visit.apis.get(
            path("audit"),
            actor=acteur,
            subject=objet,
            type=type,
            limit=ENTRIES_SHOWN,
            cursor=suite,
            **{"from": calendar.start_of(de, zone), "to": calendar.end_of(a, zone)},
        )
    )
    filters = {"acteur": acteur, "objet": objet, "type": type, "de": de, "a": a}
    entries = [] if isinstance(found, Problem) else [Event.model_validate(item) for item in found["items"]]
    return visit.page(
        "audit.html",
        people=await people.people(visit.apis, students={entry.student_id for entry in entries}),
        status=found.status if isinstance(found, Problem) and found.status >= 500 else 200,
        filters=filters,
        types=SHOWN_TYPES,
        entries=entries,
        next_cursor=None if isinstance(found, Problem) else found.get("next_cursor"),
        problem=found if isinstance(found, Problem) else None,
    )


@router.get("/journal/evenement")
async def find_event(visit: SupportVisit, id: str = "") -> Response:
    """The field « Expliquer un événement »: leads to its page."""
    return visit.redirect(f"/journal/{id.strip()}" if id.strip().replace("-", "").isalnum() else "/journal")


@router.get("/journal/{event_id}")
async def explain(visit: SupportVisit, event_id: str) -> Response:
    """One event and everything that it caused."""
    explained = await _explained(visit, event_id)
    return visit.page("explain.html", **explained, recent=_is_recent(visit, explained["event"]))


@router.get("/journal/{event_id}/direct")
async def explain_live(visit: SupportVisit, event_id: str) -> Response:
    """What it caused, as it comes about; after a minute there is nothing new to expect."""
    event = (await _explained(visit, event_id))["event"]

    async def look() -> Part:
        explained = await _explained(visit, event_id)
        return Part(visit.render("_explained.html", **explained), complete=not _is_recent(visit, event))

    return visit.live(look, every_s=LOOK_EVERY_S)


@router.get("/e-mails")
async def emails(visit: SupportVisit, etat: str = "", q: str = "", suite: str = "") -> Response:
    found = await or_problem(
        visit.apis.get(
            path("emails"),
            state=etat if etat in EMAIL_STATES else None,
            to=q.strip() or None,
            limit=EMAILS_SHOWN,
            cursor=suite,
        )
    )
    return visit.page(
        "emails.html",
        state=etat,
        q=q,
        states=EMAIL_STATES,
        emails=[] if isinstance(found, Problem) else [Email.model_validate(item) for item in found["items"]],
        next_cursor=None if isinstance(found, Problem) else found.get("next_cursor"),
        problem=found if isinstance(found, Problem) else None,
    )


@router.get("/e-mails/{email_id}")
async def email(visit: SupportVisit, email_id: str, fait: str = "") -> Response:
    return await _email_page(visit, email_id, done=fait)


@router.post("/e-mails/{email_id}/renvoi")
async def resend(visit: SupportVisit, email_id: str) -> Response:
    form = await visit.form()
    try:
        await visit.apis.post(path("emails", email_id, "resend"), {}, idempotency_key=form.get("once", ""))
    except Problem as problem:
        return await _email_page(visit, email_id, problem=problem)
    return visit.redirect(f"/e-mails/{email_id}?fait=renvoye")


async def _email_page(visit: Visit, email_id: str, done: str = "", problem: Problem | None = None) -> Response:
    found = Email.model_validate(await visit.apis.get(path("emails", email_id)))
    return visit.page("email.html", status=problem.status if problem else 200, email=found, done=done, problem=problem)


def _is_recent(visit: Visit, event: Event) -> bool:
    return (visit.portal.clock.now() - event.recorded_at).total_seconds() < STILL_TO_COME_S


async def _explained(visit: Visit, event_id: str) -> dict[str, Any]:
    found = await visit.apis.get(path("audit", "events", event_id, "consequences"))
    event = Event.model_validate(found["event"])
    effects = found["effects"]
    lines = [Line.model_validate(item) for item in effects["statement_lines"]]
    entries = [Entry.model_validate(item) for item in effects["attendance_entries"]]
    known = await people.people(
        visit.apis,
        students=[event.student_id],
        mentors=[event.mentor_id, *(event.data.get(name) for name in ("from_mentor_id", "to_mentor_id"))],
    )
    return {
        "event": event,
        "caused": [Event.model_validate(item) for item in found["caused"]],
        "lines": lines,
        "entries": entries,
        "emails": [Email.model_validate(item) for item in effects["emails"]],
        "unavailable": effects["unavailable"],
        "people": known,
    }
