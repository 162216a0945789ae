"""« Chronologie »: all that happened to a student, a mentor, a session or an absence, with what each event caused."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Apis, Problem, or_problem, path
from services.portal.edges.shapes import Email, Entry, Event, Line, Shape
from services.portal.edges.visit import SupportVisit
from services.portal.pages import calendar, people
from services.portal.pages.event_types import FAMILIES, SHOWN_TYPES
from services.portal.pages.subjects import subject_of

router = APIRouter()

EVENTS_SHOWN: Final = 25


class Span(Shape):
    """How the subject's events lie in time."""

    events: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    buckets: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with what the other services hold for it."""

    event: Event
    lines: Sequence[Line]
    entries: Sequence[Entry]
    emails: Sequence[Email]


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    happened: Sequence[Happened]


@router.get("/chronologie/{kind}/{identity}")
async def timeline(
    visit: SupportVisit, kind: str, identity: str, type: str = "", de: str = "", a: str = "", suite: str = ""
) -> Response:
    """A page of events, newest first; « type » and the days narrow it."""
    zone = visit.portal.school_zone
    subject = await subject_of(visit, kind, identity)
    filters = {"type": type if type in SHOWN_TYPES else "", "de": de, "a": a}
    found, span = await asyncio.gather(
        or_problem(
            visit.apis.get(
                path("audit"),
                **subject.asked,
                type=filters["type"],
                limit=EVENTS_SHOWN,
                cursor=suite,
                **{"from": calendar.start_of(de, zone), "to": calendar.end_of(a, zone)},
            )
        ),
        or_problem(visit.apis.get(path("audit", "span"), **subject.asked)),
    )
    events = [] if isinstance(found, Problem) else [Event.model_validate(item) for item in found["items"]]
    effects, known = await asyncio.gather(
        or_problem(_effects(visit.apis, events)), people.people(visit.apis, **named_in(events))
    )
    return visit.page(
        "timeline.html",
        status=found.status if isinstance(found, Problem) and found.status >= 500 else 200,
        subject=subject,
        days=_by_day(events, {} if isinstance(effects, Problem) else effects, zone),
        unavailable=() if isinstance(effects, Problem) else effects.get("unavailable", ()),
        span=Span() if isinstance(span, Problem) else Span.model_validate(span),
        people=known,
        filters=filters,
        types=SHOWN_TYPES,
        families=FAMILIES,
        first_page=not suite,
        this_month=calendar.this_month(visit.now, zone),
        next_cursor=None if isinstance(found, Problem) else found.get("next_cursor"),
        problem=found if isinstance(found, Problem) else None,
        away=effects if isinstance(effects, Problem) else None,
    )


def named_in(events: Sequence[Event]) -> dict[str, set[str | None]]:
    """The people whom the events speak of."""
    mentors = {event.mentor_id for event in events}
    for name in ("from_mentor_id", "to_mentor_id"):
        mentors |= {event.data.get(name) for event in events}
    return {"students": {event.student_id for event in events}, "mentors": mentors}


async def _effects(apis: Apis, events: Sequence[Event]) -> Mapping[str, Any]:
    if not events:
        return {}
    found: Mapping[str, Any] = await apis.get(path("audit", "effects"), event_id=[event.event_id for event in events])
    return found


def _by_day(events: Sequence[Event], effects: Mapping[str, Any], zone: str) -> list[Day]:
    lines = [Line.model_validate(item) for item in effects.get("statement_lines", ())]
    entries = [Entry.model_validate(item) for item in effects.get("attendance_entries", ())]
    emails = [Email.model_validate(item) for item in effects.get("emails", ())]
    days: dict[date, list[Happened]] = {}
    for event in events:
        days.setdefault(calendar.today(event.recorded_at, zone), []).append(
            Happened(
                event,
                [line for line in lines if line.event_id == event.event_id],
                [entry for entry in entries if entry.event_id == event.event_id],
                [email for email in emails if email.event_id == event.event_id],
            )
        )
    return [Day(day, happened) for day, happened in days.items()]
