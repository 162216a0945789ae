"""HTTP: the audit log, and the consequences of an event."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from services.chassis.auth import Principal
from services.chassis.database import Database
from services.chassis.http import Instant, Limit, Page, decode_cursor, encode_cursor, invalid_cursor
from services.chassis.refusal import NotFound, Refused
from services.support.edges.access import READ
from services.support.edges.other_services import EVENTS_A_CALL, OtherServices
from services.support.views import audit_log
from services.support.views.audit_log import Search

EVENTS_A_PAGE: Final = 50
ARRIVES_WITHIN_S: Final = 1.5
LOOK_AGAIN_S: Final = 0.05


class AuditEvent(BaseModel):
    """A published event as the audit log holds it."""

    event_id: UUID
    event_type: str
    topic: str
    source: str
    subject: UUID
    sequence: int
    student_id: UUID | None
    mentor_id: UUID | None
    actor: str
    occurred_at: Instant
    correlation_id: UUID
    causation_id: UUID | None
    data: dict[str, Any]


class CausedEvent(AuditEvent):
    """An event that another caused. ``depth`` 1: directly."""

    depth: int


class Span(BaseModel):
    """The events of one thing in time; without any, no instants. ``buckets``: how many in each equal part of it."""

    events: int
    first_at: Instant | None
    last_at: Instant | None
    buckets: list[int]


class Effects(BaseModel):
    """What the services hold for the event and those that it caused; ``unavailable``: who did not answer."""

    statement_lines: list[dict[str, Any]]
    attendance_entries: list[dict[str, Any]]
    emails: list[dict[str, Any]]
    unavailable: list[str]


class Consequences(BaseModel):
    """An event and everything that it caused."""

    event: AuditEvent
    caused: list[CausedEvent]
    effects: Effects


def audit_router(database: Database, others: OtherServices) -> APIRouter:
    """Routes below ``/audit``, for support."""
    router = APIRouter(prefix="/audit", tags=["audit"])

    @router.get("")
    def search(
        _: Annotated[Principal, READ.person],
        actor: Annotated[str | None, Query(max_length=400, description="mentor:a@example.org, or the address.")] = None,
        subject: Annotated[UUID | None, Query(description="The session, student or mentor itself.")] = None,
        student_id: UUID | None = None,
        mentor_id: Annotated[
            UUID | None, Query(description="What concerns a mentor, transfers to and from them too.")
        ] = None,
        type: Annotated[str | None, Query(max_length=200, description="relais.sessions.SessionHeld.v1")] = None,
        correlation_id: UUID | None = None,
        since: Annotated[Instant | None, Query(alias="from")] = None,
        until: Annotated[Instant | None, Query(alias="to")] = None,
        as_of: Instant | None = None,
        cursor: str | None = None,
        limit: Limit = EVENTS_A_PAGE,
    ) -> Page[AuditEvent]:
        """Who did what, newest first. ``from`` is included, ``to`` is not.

        With ``mentor_id``, only ``type`` and the times narrow it further.
        """
        if mentor_id is not None and (actor, subject, student_id, correlation_id) != (None, None, None, None):
            raise Refused(
                "filters_exclude_each_other",
                "Avec « mentor_id », seuls le type et les dates restreignent la recherche.",
                "With mentor_id, only type and times narrow the search.",
            )
        wanted = Search(
            actor=actor,
            subject=subject,
            student_id=student_id,
            mentor_id=mentor_id,
            event_type=type,
            correlation_id=correlation_id,
            since=since,
            until=until,
            as_of=as_of,
            before=_place(cursor),
        )
        with database.connection() as connection:
            rows = audit_log.search(connection, wanted, limit=limit + 1)
        page = [AuditEvent.model_validate(row) for row in rows[:limit]]
        more = len(rows) > limit
        last = {"at": page[-1].occurred_at, "id": page[-1].event_id} if more else {}
        return Page(items=page, next_cursor=encode_cursor(last) if more else None)

    @router.get("/span")
    def span(
        _: Annotated[Principal, READ.person],
        subject: UUID | None = None,
        student_id: UUID | None = None,
        mentor_id: UUID | None = None,
    ) -> Span:
        """From when to when there are events of one thing, how many, and how they lie in between."""
        about = [one for one in (subject, student_id, mentor_id) if one is not None]
        if len(about) != 1:
            raise Refused(
                "one_subject_needed",
                "Indiquez un seul objet : « subject », « student_id » ou « mentor_id ».",
                "Name one thing: subject, student_id or mentor_id.",
            )
        with database.connection() as connection:
            return Span.model_validate(audit_log.span(connection, subject, student_id, mentor_id))

    @router.get("/events/{event_id}")
    def event(event_id: UUID, _: Annotated[Principal, READ.person]) -> AuditEvent:
        """One event, as it was published."""
        with database.connection() as connection:
            found = audit_log.one(connection, event_id)
        if found is None:
            raise _event_unknown()
        return AuditEvent.model_validate(found)

    @router.get("/events/{event_id}/consequences")
    def consequences(event_id: UUID, request: Request, _: Annotated[Principal, READ.person]) -> Consequences:
        """The event, the events that it caused, and what billing, attendance and the notifier did with all of them."""
        event = _wait_for(database, event_id)
        with database.connection() as connection:
            caused = audit_log.caused_by(connection, event_id)
        effects = others.effects_of([event_id, *(row["event_id"] for row in caused)], request.headers["authorization"])
        return Consequences(
            event=AuditEvent.model_validate(event),
            caused=[CausedEvent.model_validate(row) for row in caused],
            effects=Effects.model_validate(effects, from_attributes=True),
        )

    @router.get("/effects")
    def effects(
        request: Request,
        _: Annotated[Principal, READ.person],
        event_id: Annotated[list[UUID], Query(min_length=1, max_length=EVENTS_A_CALL)],
    ) -> Effects:
        """What billing, attendance and the notifier hold for these events, as far as it is there by now."""
        found = others.effects_of(event_id, request.headers["authorization"])
        return Effects.model_validate(found, from_attributes=True)

    return router


def _wait_for(database: Database, event_id: UUID) -> Mapping[str, Any]:
    """The event; one that was only just published is waited for."""
    deadline = time.monotonic() + ARRIVES_WITHIN_S
    while True:
        with database.connection() as connection:
            event = audit_log.one(connection, event_id)
        if event is not None:
            return event
        if time.monotonic() >= deadline:
            raise _event_unknown()
        time.sleep(LOOK_AGAIN_S)


def _event_unknown() -> NotFound:
    return NotFound("event_unknown", "Aucun événement ne porte ce numéro.", "There is no event with this id.")


def _place(cursor: str | None) -> tuple[datetime, UUID] | None:
    position = decode_cursor(cursor)
    if position is None:
        return None
    try:
        at, last_id = datetime.fromisoformat(position["at"]), UUID(position["id"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise invalid_cursor() from error
    if at.tzinfo is None:
        raise invalid_cursor()
    return at, last_id
