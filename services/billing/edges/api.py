"""HTTP: a mentor's statements, as JSON, CSV and PDF, and closing one."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.billing.domain.close_statement import (
    ClosedStatement,
    CloseStatement,
    LineToClose,
    OpenStatement,
    Statement,
    decide,
    evolve,
)
from services.billing.domain.events import StatementClosed
from services.billing.domain.month import Month
from services.billing.edges.access import CLOSE, READ, READ_LINES_OF_EVENTS
from services.billing.edges.disputes import DisputeView
from services.billing.edges.documents import statement_as_csv, statement_as_pdf
from services.billing.edges.month_path import MonthPath, month_of
from services.billing.views import names
from services.billing.views.statements import LinesChanged, StatementRow, Statements
from services.chassis.access import Guard, patient
from services.chassis.accounts import Accounts
from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Commands, Decision, check_if_match
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore, VersionConflict
from services.chassis.http import (
    MAX_LIMIT,
    Instant,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
)
from services.chassis.ids import derived_id
from services.chassis.refusal import NotFound

STATEMENTS_A_PAGE: Final = 12

Reader = Annotated[Principal, READ.person]
AsOf = Annotated[Instant | None, Query(description="As it stood at this instant.")]


class StatementLineView(BaseModel):
    """One line; ``amount_cents`` is what it adds to the total, below 0 where an adjustment takes back."""

    line_id: UUID
    kind: Literal["session", "adjustment"]
    session_id: UUID
    student_id: UUID
    event_id: UUID
    outcome: Literal["held", "student_early", "student_late", "student_no_show", "other"]
    starts_at: Instant
    duration_minutes: int
    path: str | None
    level: int
    rate_cents: int
    share_percent: int
    amount_cents: int
    rate_version: str


class LineOfStatement(StatementLineView):
    """A line as it stands. ``dispute``: what its mentor and billing said of it."""

    dispute: DisputeView | None


class LineOfEvent(StatementLineView):
    """A line with the statement that it stands on, or stood on until the event ``superseded_by``."""

    mentor_id: UUID
    month: str
    currency: str
    superseded_by: UUID | None


class StatementView(BaseModel):
    """A mentor's statement of one month; ``total_cents`` is the sum of its lines."""

    mentor_id: UUID
    month: str
    status: Literal["open", "closed"]
    currency: str
    total_cents: int
    closed_at: Instant | None
    lines: list[LineOfStatement]
    version: int


def statements_router(
    database: Database,
    store: EventStore,
    commands: Commands,
    statements: Statements,
    guard: Guard,
    accounts: Accounts,
) -> APIRouter:
    """Routes below ``/mentors/{mentor_id}/statements``."""
    router = APIRouter(prefix="/mentors/{mentor_id}/statements", tags=["statements"])

    @router.get("")
    @patient
    def list_statements(
        mentor_id: UUID,
        person: Reader,
        cursor: str | None = None,
        limit: Limit = STATEMENTS_A_PAGE,
        as_of: AsOf = None,
    ) -> Page[StatementView]:
        """The mentor's statements, newest month first."""
        guard.check(READ, person, mentor_id=mentor_id)
        position = decode_cursor(cursor)
        before = _month_of(position)
        with database.connection() as connection:
            rows = statements.newest_first(connection, mentor_id, before=before, limit=limit + 1, as_of=as_of)
        page = rows[:limit]
        more = len(rows) > limit
        return Page(
            items=[_view(row) for row in page],
            next_cursor=encode_cursor({"before": str(page[-1].month)}) if more else None,
        )

    @router.get("/{month}.csv", response_class=Response)
    @patient
    def statement_csv(mentor_id: UUID, month: MonthPath, person: Reader, as_of: AsOf = None) -> Response:
        """The statement as a CSV file with French headers."""
        guard.check(READ, person, mentor_id=mentor_id)
        return statement_as_csv(*_with_names(mentor_id, month_of(month), as_of), statements.zone)

    @router.get("/{month}.pdf", response_class=Response)
    @patient
    def statement_pdf(mentor_id: UUID, month: MonthPath, person: Reader, as_of: AsOf = None) -> Response:
        """The statement as a PDF file in French."""
        guard.check(READ, person, mentor_id=mentor_id)
        return statement_as_pdf(*_with_names(mentor_id, month_of(month), as_of), statements.zone)

    @router.get("/{month}")
    @patient
    def statement(mentor_id: UUID, month: MonthPath, person: Reader, as_of: AsOf = None) -> StatementView:
        """The statement of one month; open and empty where there is nothing on it."""
        guard.check(READ, person, mentor_id=mentor_id)
        with database.connection() as connection:
            return _view(statements.one(connection, mentor_id, month_of(month), as_of=as_of))

    @router.post("/{month}/close", response_model=StatementView)
    def close(mentor_id: UUID, month: MonthPath, request: Annotated[CommandRequest, CLOSE.command]) -> Response:
        """Closes the statement for good; closing it again changes nothing."""
        wanted = month_of(month)
        return commands.execute(request, lambda: _close(mentor_id, wanted, request))

    def _with_names(mentor_id: UUID, month: Month, as_of: datetime | None) -> tuple[StatementRow, Mapping[UUID, str]]:
        with database.connection() as connection:
            row = statements.one(connection, mentor_id, month, as_of=as_of)
            return row, names.of(connection, {mentor_id, *(line["student_id"] for line in row.lines)})

    def _close(mentor_id: UUID, month: Month, request: CommandRequest) -> Decision:
        statement_id = derived_id("statement", mentor_id, month)
        recorded = store.load(statement_id)
        check_if_match(request, len(recorded))
        state: Statement = OpenStatement()
        for event in recorded:
            state = evolve(state, event.data)
        with database.connection() as connection:
            row = statements.one(connection, mentor_id, month)
        events = decide(
            CloseStatement(
                mentor_id=mentor_id,
                month=month,
                currency=row.currency,
                lines=[LineToClose(line["line_id"], line["amount_cents"]) for line in row.lines],
                now=request.context.now,
                zone=statements.zone,
            ),
            state,
        )
        # Lines may be here before the mentor's account is: topics have no order between them.
        if events and not row.lines and not accounts.is_known("mentor", mentor_id):
            raise NotFound("mentor_unknown", "Aucun mentor n’a cet identifiant.", "No mentor has this id.")
        for closing in events:
            state = evolve(state, closing)
        assert isinstance(state, ClosedStatement)
        closed_at = state.closed.closed_at
        return Decision(
            changes=[Change(statement_id, len(recorded), events)] if events else [],
            answer=lambda: _view(row, closed_at=closed_at).model_dump(mode="json"),
            also=(lambda connection: _freeze(connection, events[0], request)) if events else None,
        )

    def _freeze(connection: Any, closed: StatementClosed, request: CommandRequest) -> None:
        try:
            statements.close(connection, closed, closed_by=request.context.actor)
        except LinesChanged as changed:
            raise VersionConflict from changed

    return router


def lines_router(database: Database, statements: Statements) -> APIRouter:
    """Routes below ``/statement-lines``: what events came to, for ``relais explain``, and a line by its id."""
    router = APIRouter(tags=["statements"])

    @router.get("/statement-lines")
    def statement_lines(
        event_id: Annotated[list[UUID], Query(min_length=1, max_length=MAX_LIMIT, description="The events asked for.")],
        _: Annotated[Principal, READ_LINES_OF_EVENTS.person],
        limit: Limit = MAX_LIMIT,
        as_of: AsOf = None,
    ) -> Page[LineOfEvent]:
        """The lines that these events made; an event makes one at most."""
        with database.connection() as connection:
            rows = statements.of_events(connection, event_id, limit=limit, as_of=as_of)
        return Page(items=[LineOfEvent.model_validate(row) for row in rows])

    @router.get("/statement-lines/{line_id}")
    def statement_line(line_id: UUID, _: Annotated[Principal, READ_LINES_OF_EVENTS.person]) -> LineOfEvent:
        """One line, with the statement that it stands on."""
        with database.connection() as connection:
            row = statements.line(connection, line_id)
        if row is None:
            raise NotFound("line_unknown", "Aucune ligne n’a cet identifiant.", "No line has this id.")
        return LineOfEvent.model_validate(row)

    return router


def _view(row: StatementRow, closed_at: datetime | None = None) -> StatementView:
    closed_at = closed_at or row.closed_at
    return StatementView(
        mentor_id=row.mentor_id,
        month=str(row.month),
        status="closed" if closed_at else "open",
        currency=row.currency,
        total_cents=row.total_cents,
        closed_at=closed_at,
        lines=[_line(line) for line in row.lines],
        version=1 if closed_at else 0,
    )


def _line(line: Mapping[str, Any]) -> LineOfStatement:
    dispute = line["dispute"]
    return LineOfStatement.model_validate({**line, "dispute": DisputeView.of(dispute) if dispute else None})


def _month_of(position: dict[str, Any] | None) -> str | None:
    """The month that the page before ended with."""
    if position is None:
        return None
    month = position.get("before")
    if not isinstance(month, str) or re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month) is None:
        raise invalid_cursor()
    return month
