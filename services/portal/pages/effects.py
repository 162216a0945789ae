"""« Ce que cela a causé »: what a session's last event led to in the other services, as it appears there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.portal.edges.api_client import Apis, Problem, or_problem, path
from services.portal.edges.shapes import Attendance, Email, Event, Line, Session, Statement, WeekSession
from services.portal.pages.calendar import this_month

PATIENCE_S: Final = 1.0
STEP_S: Final = 0.1
STILL_TO_COME_S: Final = 60
STATEMENTS_LOOKED_AT: Final = 3

# What to look for after each event. An e-mail is not expected where nobody has anything new to learn.
EXPECTED: Final = {
    "SessionCancelled": frozenset({"line", "entry", "email"}),
    "SessionRescheduled": frozenset({"entry", "email"}),
    "SessionHeld": frozenset({"line", "entry"}),
    "SessionCorrected": frozenset({"line", "entry"}),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A session in the student's file, with its week."""

    week: str
    session: WeekSession


@dataclass(frozen=True, slots=True)
class Effects:
    """What was found so far. ``complete``: nothing that was expected is still on its way."""

    event: Event | None
    expected: frozenset[str]
    line: Line | None
    statement: Statement | None
    entry: Entry | None
    emails: Sequence[Email]
    away: Sequence[Problem]
    complete: bool
    recent: bool


async def history(apis: Apis, session_id: str) -> list[Event]:
    """The session's events, the oldest first."""
    answer = await apis.get(path("sessions", session_id, "history"))
    items = answer["items"] if isinstance(answer, dict) else answer
    return [Event.model_validate(item) for item in items]


async def settled(apis: Apis, zone: str, session: Session, events: Sequence[Event], *, patient: bool) -> Effects:
    """The effects of the last event; ``patient`` waits up to a second until they are all there."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        found = await look(apis, zone, session, events)
        if not patient or found.complete or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(STEP_S)


async def look(apis: Apis, zone: str, session: Session, events: Sequence[Event]) -> Effects:
    """The effects of the last event, as far as they are there now."""
    if not events:
        return Effects(None, frozenset(), None, None, None, (), (), complete=True, recent=False)
    event = events[-1]
    expected = EXPECTED.get(event.short_name, frozenset())
    line, entry, emails = await asyncio.gather(
        or_problem(_line(apis, zone, session, event)) if "line" in expected else _nothing(),
        or_problem(_entry(apis, session, event)) if "entry" in expected else _nothing(),
        or_problem(_emails(apis, event)) if "email" in expected else _nothing(),
    )
    # What is not this person's to see is no part of the page: a statement is its mentor's alone.
    asked = {"line": line, "entry": entry, "email": emails}
    refused = {name for name, part in asked.items() if isinstance(part, Problem) and part.status == 403}
    found_line, statement = line if isinstance(line, tuple) else (None, None)
    found_entry = entry if isinstance(entry, Entry) else None
    found_emails = emails if isinstance(emails, list) else []
    found = {name for name, thing in (("line", found_line), ("entry", found_entry), ("email", found_emails)) if thing}
    sent = all(email.state != "queued" for email in found_emails)
    return Effects(
        event=event,
        expected=expected - refused,
        line=found_line,
        statement=statement,
        entry=found_entry,
        emails=found_emails,
        away=[part for part in asked.values() if isinstance(part, Problem) and part.status != 403],
        complete=expected - refused <= found and sent,
        recent=(datetime.now(UTC) - event.recorded_at).total_seconds() < STILL_TO_COME_S,
    )


async def _line(apis: Apis, zone: str, session: Session, event: Event) -> tuple[Line, Statement] | None:
    month = this_month(session.starts_at, zone)
    item = await apis.get_or_none(path("mentors", session.mentor_id, "statements", month))
    if item is None:
        return None
    statement = Statement.model_validate(item)
    statements = [statement]
    if statement.status == "closed":  # Then what is corrected stands on a later one, as an adjustment.
        later = await apis.get(path("mentors", session.mentor_id, "statements"), limit=STATEMENTS_LOOKED_AT)
        statements += [Statement.model_validate(one) for one in later["items"]]
    found = [(line, one) for one in statements for line in one.lines if line.event_id == event.event_id]
    return found[-1] if found else None


async def _entry(apis: Apis, session: Session, event: Event) -> Entry | None:
    item = await apis.get_or_none(path("students", session.student_id, "attendance"))
    if item is None:
        return None
    for week in Attendance.model_validate(item).weeks:
        for entry in week.sessions:
            if event.event_id in (entry.event_id, *entry.event_ids):
                return Entry(week.week, entry)
    return None


async def _emails(apis: Apis, event: Event) -> list[Email]:
    answer = await apis.get(path("emails"), event_id=event.event_id)
    return [Email.model_validate(item) for item in answer["items"]]


async def _nothing() -> None:
    return None
