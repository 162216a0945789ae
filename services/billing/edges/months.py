"""HTTP: all statements of a month: listed, summed, as documents, and closed together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from psycopg import Connection
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from services.billing.domain.close_statement import CloseStatement, LineToClose, OpenStatement, decide
from services.billing.domain.events import StatementClosed
from services.billing.domain.month import Month
from services.billing.edges.access import CLOSE, READ_ALL
from services.billing.edges.month_documents import MonthDocuments
from services.billing.edges.month_path import MonthPath, month_of
from services.billing.views import months
from services.billing.views.months import Asked
from services.billing.views.statements import LinesChanged, Statements
from services.chassis.auth import Principal
from services.chassis.by_name import name_after, pattern_of
from services.chassis.clock import Clock
from services.chassis.commands import CommandRequest, Commands, Decision
from services.chassis.database import Database
from services.chassis.event_store import Change, VersionConflict
from services.chassis.http import (
    DEFAULT_LIMIT,
    Instant,
    Limit,
    Page,
    encode_cursor,
)
from services.chassis.ids import derived_id
from services.chassis.refusal import Conflict, Refused

MAX_CLOSED_AT_ONCE: Final = 1_000
MAX_MENTORS: Final = 5_000

MonthAsked = Annotated[str, Query(description="The month, as 2026-11.", max_length=7)]
Reader = Annotated[Principal, READ_ALL.person]
AsOf = Annotated[Instant | None, Query(description="As they stood at this instant.")]


class StatementItem(BaseModel):
    """One mentor's statement of the month, summed. ``empty``: no line. ``adjustments`` are among the lines."""

    mentor_id: UUID
    name: str
    status: Literal["open", "closed", "empty"]
    lines: int
    total_cents: int
    adjustments: int
    adjustments_cents: int
    closed_at: Instant | None


class OutcomeSum(BaseModel):
    outcome: str
    lines: int
    amount_cents: int


class MonthTotals(BaseModel):
    """Of all statements of the month, whatever the filters: how many are open, closed, without a line, and sums."""

    open: int
    closed: int
    empty: int
    lines: int
    total_cents: int
    adjustments: int
    adjustments_cents: int
    by_outcome: list[OutcomeSum]


class MonthPage(Page[StatementItem]):
    month: str
    currency: str
    totals: MonthTotals


class StatementToClose(BaseModel):
    """A statement as whoever closes it saw it."""

    model_config = ConfigDict(extra="forbid")

    mentor_id: UUID
    lines: Annotated[int, Field(ge=0)]
    total_cents: int


class StatementsToClose(BaseModel):
    model_config = ConfigDict(extra="forbid")

    statements: Annotated[list[StatementToClose], Field(min_length=1, max_length=MAX_CLOSED_AT_ONCE)]


class ClosedTogether(BaseModel):
    """``closed`` now, and ``already`` before: those were left as they are."""

    month: str
    closed: int
    already: int
    total_cents: int


def months_router(database: Database, commands: Commands, statements: Statements, clock: Clock) -> APIRouter:
    """Routes ``/statements``."""
    router = APIRouter(prefix="/statements", tags=["statements"])
    documents = MonthDocuments(database, statements.zone, statements.tariff.currency)

    @router.get("")
    def statements_of_month(
        _: Reader,
        month: MonthAsked,
        status: Literal["open", "closed", "empty"] | None = None,
        search: Annotated[str | None, Query(max_length=100, description="Part of the mentor's name.")] = None,
        as_of: AsOf = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> MonthPage:
        """Every mentor's statement of the month, by name, also of mentors without a line; and the sums of all."""
        asked = Asked(month_of(month), status, pattern_of(search), as_of, name_after(cursor))
        with database.connection() as connection:
            rows = months.page(connection, asked, limit=limit + 1)
            totals = months.totals(connection, asked)
            by_outcome = months.outcomes(connection, asked)
        last = rows[:limit][-1:] if len(rows) > limit else []
        return MonthPage(
            items=[StatementItem.model_validate(row) for row in rows[:limit]],
            next_cursor=encode_cursor({"name": last[0]["searched"], "id": last[0]["mentor_id"]}) if last else None,
            month=str(asked.month),
            currency=statements.tariff.currency,
            totals=MonthTotals(**totals, by_outcome=[OutcomeSum.model_validate(row) for row in by_outcome]),
        )

    @router.get("/{month}.csv", response_class=Response)
    def month_csv(_: Reader, month: MonthPath, as_of: AsOf = None) -> Response:
        """Every line of the month as a CSV file with French headers."""
        return documents.csv(*_listed(month, as_of))

    @router.get("/{month}.xlsx", response_class=Response)
    def month_xlsx(_: Reader, month: MonthPath, as_of: AsOf = None) -> Response:
        """Every line of the month as an Excel workbook."""
        return documents.xlsx(*_listed(month, as_of))

    @router.get("/{month}.pdf", response_class=Response)
    def month_pdf(_: Reader, month: MonthPath, as_of: AsOf = None) -> Response:
        """The month as a PDF file, one row a mentor."""
        return documents.pdf(*_listed(month, as_of))

    @router.post("/{month}/close", response_model=ClosedTogether)
    def close_together(
        month: MonthPath, body: StatementsToClose, request: Annotated[CommandRequest, CLOSE.command]
    ) -> Response:
        """Closes these statements for good, all or none: none where one is no longer as it was seen (409)."""
        wanted = month_of(month)
        return commands.execute(request, lambda: _close(wanted, body.statements, request))

    def _listed(month: str, as_of: datetime | None) -> tuple[Month, Sequence[DictRow], datetime]:
        wanted, at = month_of(month), as_of or clock.now()
        with database.connection() as connection:
            rows = months.page(connection, Asked(wanted, as_of=at), limit=MAX_MENTORS + 1)
        if len(rows) > MAX_MENTORS:
            raise Refused(
                "too_many_rows", "Ce fichier aurait trop de mentors.", "This file would have too many mentors."
            )
        return wanted, rows, at

    def _close(month: Month, seen: Sequence[StatementToClose], request: CommandRequest) -> Decision:
        mentor_ids = [one.mentor_id for one in seen]
        with database.connection() as connection:
            closed_before = statements.closed_among(connection, month, mentor_ids)
            lines = months.lines_of(connection, month, mentor_ids)
        open_ones = [one for one in seen if one.mentor_id not in closed_before]
        _refuse_where_changed(month, open_ones, lines)
        closings = [
            closing
            for one in open_ones
            for closing in decide(
                CloseStatement(
                    mentor_id=one.mentor_id,
                    month=month,
                    currency=statements.tariff.currency,
                    lines=[LineToClose(line["line_id"], line["amount_cents"]) for line in lines.get(one.mentor_id, ())],
                    now=request.context.now,
                    zone=statements.zone,
                ),
                OpenStatement(),
            )
        ]

        def freeze(connection: Connection[DictRow]) -> None:
            try:
                for closing in closings:
                    statements.close(connection, closing, closed_by=request.context.actor)
            except LinesChanged as changed:
                raise VersionConflict from changed

        return Decision(
            changes=[_change(month, closing) for closing in closings],
            answer=lambda: {
                "month": str(month),
                "closed": len(closings),
                "already": len(closed_before),
                "total_cents": sum(closing.total_cents for closing in closings),
            },
            also=freeze if closings else None,
        )

    return router


def _change(month: Month, closing: StatementClosed) -> Change:
    # A statement is closed by its first event; if somebody was faster, the version conflicts and all is read anew.
    return Change(derived_id("statement", closing.mentor_id, month), 0, [closing])


def _refuse_where_changed(month: Month, seen: Sequence[StatementToClose], lines: Any) -> None:
    changed = [
        {"mentor_id": str(one.mentor_id), "lines": len(now), "total_cents": total}
        for one in seen
        for now in [lines.get(one.mentor_id, ())]
        for total in [sum(line["amount_cents"] for line in now)]
        if (len(now), total) != (one.lines, one.total_cents)
    ]
    if changed:
        raise Conflict(
            "statement_changed",
            f"Des appels de {month} ont changé depuis que vous les avez vus : aucun n’a été clos. Relisez-les.",
            f"Statements of {month} have changed since you saw them: none was closed. Read them again.",
            errors=changed,
        )
