"""The calendar that people subscribe to: a link of their own, which they renew or revoke, and what it opens.

Calendar programs sign in nowhere: the link itself is the permission, 256 random bits. So the feed stands outside
``/api``, where every route asks for a token, and says no more than when somebody meets whom.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request, Response
from icalendar import Calendar, Event
from psycopg import Connection
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from services.chassis.auth import Principal
from services.chassis.clock import Clock
from services.chassis.commands import CommandRequest, Commands, Decision
from services.chassis.database import Database
from services.chassis.http import Instant
from services.chassis.refusal import NotFound
from services.notifier.edges.access import SUBSCRIBE
from services.notifier.views import calendar, people

TOKEN_BYTES: Final = 32
TOKEN_CHARS: Final = 43
FRESH_FOR_S: Final = 300
TITLES: Final = {"fr": "Session de mentorat", "en": "Mentoring session"}
NAMES: Final = {"fr": "Mes sessions", "en": "My sessions"}


class CalendarLink(BaseModel):
    """The person's link. ``path`` stands below the address of the portal; null where there is none."""

    path: str | None = Field(description="/agenda/….ics")
    created_at: Instant | None


def link_router(database: Database, commands: Commands) -> APIRouter:
    """``/api/calendar-link``: a mentor's or student's own."""
    router = APIRouter(prefix="/calendar-link", tags=["calendar"])
    Command = Annotated[CommandRequest, SUBSCRIBE.command]

    @router.get("")
    def own_link(person: Annotated[Principal, SUBSCRIBE.person]) -> CalendarLink:
        """The link as it is now."""
        with database.connection() as connection:
            found = calendar.link_of(connection, person.role, _accounts(connection, person))
        return _view(found["token"], found["created_at"]) if found else CalendarLink(path=None, created_at=None)

    @router.post("", status_code=201, response_model=CalendarLink)
    def new_link(request: Command) -> Response:
        """A new link; the one before it opens nothing any more."""

        def attempt() -> Decision:
            token, now = secrets.token_urlsafe(TOKEN_BYTES), request.context.now
            with database.connection() as connection:
                person_ids = _accounts(connection, request.person)

            def keep(connection: Connection[DictRow]) -> None:
                calendar.add_link(connection, token, request.person.role, person_ids, request.language, now)

            return Decision(changes=(), answer=lambda: _view(token, now).model_dump(mode="json"), status=201, also=keep)

        return commands.execute(request, attempt)

    @router.delete("", response_model=CalendarLink)
    def revoke_link(request: Command) -> Response:
        """No link any more."""

        def attempt() -> Decision:
            with database.connection() as connection:
                person_ids = _accounts(connection, request.person)
            return Decision(
                changes=(),
                answer=lambda: {"path": None, "created_at": None},
                also=lambda connection: calendar.revoke(connection, request.person.role, person_ids),
            )

        return commands.execute(request, attempt)

    return router


def feed_router(database: Database, clock: Clock, *, school_zone: ZoneInfo, portal_url: str) -> APIRouter:
    """``/agenda/….ics``: whoever has the link. The same calendar has the same ETag."""
    router = APIRouter()

    @router.get("/agenda/{token}.ics", include_in_schema=False)
    def feed(token: Annotated[str, Path(min_length=TOKEN_CHARS, max_length=TOKEN_CHARS)], request: Request) -> Response:
        with database.connection() as connection:
            link = calendar.find_link(connection, token)
            if link is None:
                raise NotFound(
                    "calendar_unknown",
                    "Ce lien d'agenda n'existe pas ou n'est plus valable.",
                    "This calendar link does not exist or is no longer valid.",
                )
            rows = calendar.entries(connection, link["role"], link["person_ids"], now=clock.now())
        body = as_calendar(rows, link["language"], school_zone=school_zone, portal_url=portal_url)
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"etag": etag, "cache-control": f"private, max-age={FRESH_FOR_S}"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        headers["content-disposition"] = 'inline; filename="relais.ics"'
        return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)

    return router


def as_calendar(
    rows: Sequence[Mapping[str, Any]], language: Literal["fr", "en"], *, school_zone: ZoneInfo, portal_url: str
) -> bytes:
    """RFC 5545. An entry has the UID of the e-mails' updates, so that one who has both sees one."""
    agenda = Calendar()
    agenda.add("prodid", "-//Relais//calendar//FR")
    agenda.add("version", "2.0")
    agenda.add("method", "PUBLISH")
    agenda.add("x-wr-calname", f"{NAMES[language]} · Relais")
    agenda.add("x-wr-timezone", school_zone.key)
    agenda.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    agenda.add("x-published-ttl", "PT1H")
    for row in rows:
        agenda.add_component(_entry(row, language, school_zone=school_zone, portal_url=portal_url))
    agenda.add_missing_timezones()
    body: bytes = agenda.to_ical()
    return body


def _entry(row: Mapping[str, Any], language: Literal["fr", "en"], *, school_zone: ZoneInfo, portal_url: str) -> Event:
    zone = ZoneInfo(row["timezone"]) if row["timezone"] else school_zone
    starts_at: datetime = row["starts_at"].astimezone(zone)
    ends_at = (row["starts_at"] + timedelta(minutes=row["duration_minutes"])).astimezone(zone)
    entry = Event()
    entry.add("uid", f"{row['session_id']}@relais")
    entry.add("sequence", row["sequence"])
    entry.add("dtstamp", row["changed_at"])
    entry.add("last-modified", row["changed_at"])
    entry.add("dtstart", starts_at)
    entry.add("dtend", ends_at)
    entry.add("summary", " · ".join(part for part in (TITLES[language], row["with_name"]) if part))
    entry.add("status", "CANCELLED" if row["cancelled"] else "CONFIRMED")
    entry.add("transp", "TRANSPARENT" if row["cancelled"] else "OPAQUE")
    entry.add("url", f"{portal_url.rstrip('/')}/sessions/{row['session_id']}")
    return entry


def _accounts(connection: Connection[DictRow], person: Principal) -> list[UUID]:
    found = people.with_email(connection, person.role, person.email)
    if not found:
        raise NotFound(
            "account_unknown",
            "Votre compte n'est pas encore connu ici : réessayez dans un instant.",
            "Your account is not known here yet: try again in a moment.",
        )
    return found


def _view(token: str, created_at: datetime) -> CalendarLink:
    return CalendarLink(path=f"/agenda/{token}.ics", created_at=created_at)
