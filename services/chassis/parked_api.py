"""What a service set aside, over HTTP and for support: looked at, tried again in order, or skipped with a reason.

A skip is a decision, so it is an event: in one transaction with the row it settles, published on ``relais.operations``,
and from there in the audit log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

import psycopg
from fastapi import APIRouter, Path, Query, Response
from prometheus_client import Gauge
from psycopg import Connection
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from relais_contracts.operations import EventSkipped
from services.chassis import parked
from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Commands, Decision
from services.chassis.database import Database
from services.chassis.effects import Effects
from services.chassis.event_store import Change, EventStore, Recorded, VersionConflict
from services.chassis.http import (
    DEFAULT_LIMIT,
    Instant,
    Limit,
    Page,
    command_request,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    require,
)
from services.chassis.ids import derived_id
from services.chassis.refusal import Conflict, NotFound, Refused
from services.chassis.relay import Publication, Publish

MAX_REASON_CHARS: Final = 1_000
MAX_KEY_CHARS: Final = 400
MAX_ID: Final = 2**63 - 1

OPEN = Gauge("relais_parked_events", "Events that are set aside and not settled.", ("consumer", "topic"))
OLDEST_AGE_S = Gauge(
    "relais_parked_oldest_age_seconds", "How long the oldest of them has been set aside.", ("consumer", "topic")
)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Stored: support settled an event that was set aside, without its effect."""

    service: str
    parked_id: int
    read_from: str
    partition: int
    offset: int
    event_id: UUID | None
    event_type: str | None
    reason: str
    skipped_at: datetime


PARKED_EVENTS: Final[Mapping[str, type]] = {"parked.Skipped.v1": Skipped}
"""To be added to the event types of a service's store."""


def with_skips(publish: Publish) -> Publish:
    """A service's map from private to published events, with what this module stores."""

    def publish_all(recorded: Recorded) -> Publication | None:
        match recorded.data:
            case Skipped() as skipped:
                data = EventSkipped(**{name: getattr(skipped, name) for name in EventSkipped.model_fields})
                return data.topic, data.key, data
            case _:
                return publish(recorded)

    return publish_all


def no_others(_: Recorded) -> Publication | None:
    """For a service that publishes nothing else."""
    return None


class ParkedItem(BaseModel):
    """An event that a service set aside. ``waiting``: for what has not arrived, by itself; ``parked``: for a person."""

    service: str
    parked_id: int
    consumer: str
    topic: str
    partition: int
    offset: int
    key: str
    event_id: str | None
    event_type: str | None
    state: str
    error: str
    attempts: int
    parked_at: Instant
    settled_at: Instant | None
    settled_by: str | None
    reason: str | None


class ParkedRecord(ParkedItem):
    """The same with the record as it was read, as far as it is text."""

    headers: list[tuple[str, str]]
    value: str | None


class Skip(BaseModel):
    """Why this event is to have no effect here; kept, published and audited."""

    reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS)


ParkedId = Annotated[int, Path(ge=1, le=MAX_ID)]


def parked_router(service: str, effects: Effects, store: EventStore, database: Database) -> APIRouter:
    """Routes below ``/parked/{service}``, for support."""
    router = APIRouter(prefix=f"/parked/{service}", tags=["parked"])
    commands = Commands(store)

    @router.get("")
    def list_parked(
        principal: Annotated[Principal, require("support")],
        key: Annotated[str | None, Query(max_length=MAX_KEY_CHARS, description="The key of the records.")] = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ParkedItem]:
        """What is set aside and not settled, by key, and within a key in the order in which a retry takes it."""
        found = parked.list_open(database, key=key, after=_after(cursor), limit=limit + 1)
        page = found[:limit]
        following = encode_cursor({"after": page[-1].parked_id}) if len(found) > limit else None
        return Page(items=[ParkedItem(**_item(service, one)) for one in page], next_cursor=following)

    @router.get("/{parked_id}")
    def show_parked(parked_id: ParkedId, principal: Annotated[Principal, require("support")]) -> ParkedRecord:
        """One event that was set aside, settled or not, with its record."""
        one = _found(database, parked_id)
        return ParkedRecord(
            **_item(service, one),
            headers=[(_text(name), _text(value)) for name, value in one.headers],
            value=None if one.value is None else _text(one.value),
        )

    @router.post("/{parked_id}/retry")
    def retry_parked(parked_id: ParkedId, request: Annotated[CommandRequest, command_request("support")]) -> Response:
        """Tries its key again, from the first on, up to the first that fails; that one stays, with its new error."""

        def attempt() -> Decision:
            one = _open(database, parked_id)
            came_to = parked.retry(effects, one, by=request.context.actor)
            answer = {
                "service": service,
                "parked_id": parked_id,
                "key": _text(one.key),
                "settled": came_to.settled_count,
                "open": came_to.open_count,
                "error": came_to.error,
            }
            return Decision(changes=(), answer=lambda: answer)

        return commands.execute(request, attempt)

    @router.post("/{parked_id}/skip", response_model=ParkedItem)
    def skip_parked(
        parked_id: ParkedId, body: Skip, request: Annotated[CommandRequest, command_request("support")]
    ) -> Response:
        """Settles this one event without its effect; what stands behind it stays for a retry."""
        reason = body.reason.strip()
        if not reason:
            raise Refused(
                "reason_missing",
                "Dites pourquoi cet événement doit rester sans effet.",
                "Say why this event is to have no effect.",
            )

        def attempt() -> Decision:
            one = _open(database, parked_id)
            skipped = Skipped(
                service=service,
                parked_id=parked_id,
                read_from=one.topic,
                partition=one.partition,
                offset=one.offset,
                event_id=_uuid(one.event_id),
                event_type=None if one.type is None else _text(one.type),
                reason=reason,
                skipped_at=request.context.now,
            )

            def settle(connection: Connection[DictRow]) -> None:
                if not parked.skip(connection, parked_id, by=request.context.actor, reason=reason):
                    raise VersionConflict

            settled = {
                "state": "skipped",
                "settled_at": request.context.now,
                "settled_by": request.context.actor,
                "reason": reason,
            }
            return Decision(
                changes=[Change(derived_id("parked", service, parked_id), 0, [skipped])],
                answer=lambda: ParkedItem(**(_item(service, one) | settled)).model_dump(mode="json"),
                also=settle,
            )

        return commands.execute(request, attempt)

    return router


def parked_gauges(database: Database) -> Callable[[], None]:
    """Sets the gauges of what is set aside; to be called before metrics are read."""

    def measure() -> None:
        try:
            counts = parked.count_open(database)
        except psycopg.OperationalError:
            counts = []  # The database is away: no figure rather than an old one; readiness says so.
        OPEN.clear()
        OLDEST_AGE_S.clear()
        for count in counts:
            OPEN.labels(count.consumer, count.topic).set(count.open_count)
            age = datetime.now(UTC) - count.oldest_at
            OLDEST_AGE_S.labels(count.consumer, count.topic).set(max(0.0, age.total_seconds()))

    return measure


def _item(service: str, one: parked.Parked) -> dict[str, object]:
    return {
        "service": service,
        "parked_id": one.parked_id,
        "consumer": one.consumer,
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "key": _text(one.key),
        "event_id": None if one.event_id is None else _text(one.event_id),
        "event_type": None if one.type is None else _text(one.type),
        "state": one.state,
        "error": one.error,
        "attempts": one.attempts,
        "parked_at": one.parked_at,
        "settled_at": one.settled_at,
        "settled_by": one.settled_by,
        "reason": one.reason,
    }


def _found(database: Database, parked_id: int) -> parked.Parked:
    one = parked.show(database, parked_id)
    if one is None:
        raise NotFound(
            "parked_unknown",
            "Aucun événement n’a été mis de côté sous ce numéro.",
            "No event was set aside under this number.",
        )
    return one


def _open(database: Database, parked_id: int) -> parked.Parked:
    one = _found(database, parked_id)
    if one.state not in ("waiting", "parked"):
        raise Conflict(
            "parked_already_settled",
            "Cet événement n’est plus mis de côté : il a été repris ou écarté.",
            "This event is no longer set aside: it was retried or skipped.",
        )
    return one


def _after(cursor: str | None) -> int | None:
    position = decode_cursor(cursor)
    if position is None:
        return None
    after = position.get("after")
    if not isinstance(after, int) or not 0 < after <= MAX_ID:
        raise invalid_cursor()
    return after


def _uuid(written: str | None) -> UUID | None:
    try:
        return None if written is None else UUID(written)
    except ValueError:
        return None


def _text(readable: str) -> str:
    """What was no UTF-8 in the record can't be said in JSON."""
    return readable.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
