"""HTTP: a line of a statement is disputed, and answered."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from services.billing.domain.dispute_line import (
    Dispute,
    DisputeEvent,
    DisputeLine,
    Open,
    Settled,
    SettleDispute,
    Undisputed,
    WithdrawDispute,
    decide,
    decide_settlement,
    decide_withdrawal,
    evolve,
    fold,
)
from services.billing.edges.access import DISPUTE, READ_DISPUTES, SETTLE
from services.billing.edges.month_path import MonthPath, month_of
from services.billing.views import disputes
from services.billing.views.statements import Statements
from services.chassis.access import Guard
from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Commands, Decision, check_if_match
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore
from services.chassis.http import DEFAULT_LIMIT, Instant, Limit, Page, decode_cursor, encode_cursor, invalid_cursor
from services.chassis.ids import derived_id
from services.chassis.refusal import NotFound

WORDS_MAX_CHARS: Final = 2_000

Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=WORDS_MAX_CHARS, pattern=r"^[^\x00]*$"),
]
WordsOrNone = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=WORDS_MAX_CHARS, pattern=r"^[^\x00]*$")
]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewDispute(Body):
    """``reason``: why, or nothing; it can be added by disputing the line once more."""

    reason: WordsOrNone = ""


class Settlement(Body):
    answer: Words


class DisputeView(BaseModel):
    """What was said of a line. ``settled``: it was answered."""

    line_id: UUID
    state: Literal["open", "settled"]
    reason: str
    disputed_at: Instant
    answer: str | None
    settled_at: Instant | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        return cls.model_validate({**row, "state": "settled" if row["settled_at"] else "open"})


class NoDispute(BaseModel):
    """The line, which nobody disputes any more."""

    line_id: UUID
    state: Literal["withdrawn"] = "withdrawn"


class ListedDispute(DisputeView):
    """With the line that it is about. ``superseded_by``: the event whose line has taken its place since."""

    mentor_id: UUID
    month: str
    disputed_by: str
    settled_by: str | None
    session_id: UUID
    student_id: UUID
    outcome: str
    starts_at: Instant
    amount_cents: int
    currency: str
    superseded_by: UUID | None


def disputes_router(
    database: Database, store: EventStore, commands: Commands, statements: Statements, guard: Guard
) -> APIRouter:
    """Disputing a line of one's statement; the list of disputes and their answers."""
    router = APIRouter(tags=["disputes"])

    @router.post(
        "/mentors/{mentor_id}/statements/{month}/lines/{line_id}/dispute", status_code=201, response_model=DisputeView
    )
    def dispute(
        mentor_id: UUID,
        month: MonthPath,
        line_id: UUID,
        body: NewDispute,
        request: Annotated[CommandRequest, DISPUTE.command],
    ) -> Response:
        """The mentor does not agree with a line, and says why, at once or later; billing sees it at once."""
        guard.check(DISPUTE, request.person, mentor_id=mentor_id)
        wanted = month_of(month)
        with database.connection() as connection:
            row = statements.one(connection, mentor_id, wanted)
        if line_id not in {line["line_id"] for line in row.lines}:
            raise NotFound(
                "line_unknown",
                "Cette ligne n'est pas, ou plus, sur cet appel à facturation.",
                "This line is not, or no longer, on this statement.",
            )
        command = DisputeLine(line_id, mentor_id, str(wanted), body.reason, request.context.now)
        return execute(request, line_id, lambda state: decide(command, state), status=201)

    @router.delete("/mentors/{mentor_id}/statements/{month}/lines/{line_id}/dispute", response_model=NoDispute)
    def withdraw(
        mentor_id: UUID,
        month: MonthPath,
        line_id: UUID,
        request: Annotated[CommandRequest, DISPUTE.command],
    ) -> Response:
        """The mentor agrees after all, as long as nobody has answered."""
        guard.check(DISPUTE, request.person, mentor_id=mentor_id)
        command = WithdrawDispute(request.context.now)

        def choose(state: Dispute) -> list[DisputeEvent]:
            if isinstance(state, Open) and (state.disputed.mentor_id, state.disputed.month) != (
                mentor_id,
                str(month_of(month)),
            ):
                raise NotFound("dispute_unknown", "Cette ligne n'est pas contestée.", "This line is not disputed.")
            return list(decide_withdrawal(command, state))

        return execute(request, line_id, choose)

    @router.get("/disputes")
    def list_disputes(
        _: Annotated[Principal, READ_DISPUTES.person],
        state: Annotated[Literal["open", "settled"] | None, Query(description="By default, both.")] = None,
        mentor_id: UUID | None = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[ListedDispute]:
        """Disputes, the oldest first."""
        with database.connection() as connection:
            rows = disputes.page(
                connection,
                settled=None if state is None else state == "settled",
                mentor_id=mentor_id,
                after=_after(cursor),
                limit=limit + 1,
            )
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[ListedDispute.of(row) for row in rows[:limit]],
            next_cursor=encode_cursor({"at": last["disputed_at"], "id": str(last["line_id"])}) if last else None,
        )

    @router.post("/disputes/{line_id}/settlement", response_model=DisputeView)
    def settle(
        line_id: Annotated[UUID, Path(description="The disputed line.")],
        body: Settlement,
        request: Annotated[CommandRequest, SETTLE.command],
    ) -> Response:
        """The answer to the mentor. It changes no line: support corrects what was documented wrongly."""
        command = SettleDispute(body.answer, request.context.now)
        return execute(request, line_id, lambda state: decide_settlement(command, state))

    def execute(
        request: CommandRequest, line_id: UUID, choose: Callable[[Dispute], list[Any]], *, status: int = 200
    ) -> Response:
        def attempt() -> Decision:
            stream_id = derived_id("dispute", line_id)
            recorded = store.load(stream_id)
            check_if_match(request, len(recorded))
            state = fold(event.data for event in recorded)
            events: list[DisputeEvent] = choose(state)
            for event in events:
                state = evolve(state, event)
            return Decision(
                changes=[Change(stream_id, len(recorded), events)] if events else [],
                answer=lambda: _view(line_id, state),
                status=status,
                also=(lambda connection: disputes.record(connection, events[0], request.context.actor))
                if events
                else None,
            )

        return commands.execute(request, attempt)

    return router


def _view(line_id: UUID, state: Dispute) -> dict[str, Any]:
    if isinstance(state, Undisputed):
        return NoDispute(line_id=line_id).model_dump(mode="json")
    disputed, settled = state.disputed, state.settled if isinstance(state, Settled) else None
    return DisputeView.of(
        {
            "line_id": disputed.line_id,
            "reason": disputed.reason,
            "disputed_at": disputed.disputed_at,
            "answer": settled.answer if settled else None,
            "settled_at": settled.settled_at if settled else None,
        }
    ).model_dump(mode="json")


def _after(cursor: str | None) -> tuple[str, str] | None:
    position = decode_cursor(cursor)
    if position is None:
        return None
    try:
        return datetime.fromisoformat(position["at"]).isoformat(), str(UUID(position["id"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_cursor() from error
