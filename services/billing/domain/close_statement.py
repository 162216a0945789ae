"""Close a mentor's statement of one month. It then never changes; a later correction goes to the next one (S8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import assert_never
from uuid import UUID

from services.billing.domain.events import StatementClosed
from services.billing.domain.month import Month
from services.chassis.refusal import Refused


@dataclass(frozen=True, slots=True)
class OpenStatement:
    """Takes lines."""


@dataclass(frozen=True, slots=True)
class ClosedStatement:
    """Takes no line any more."""

    closed: StatementClosed


Statement = OpenStatement | ClosedStatement


@dataclass(frozen=True, slots=True)
class LineToClose:
    """A line as it stands when the statement is closed."""

    line_id: UUID
    amount_cents: int


@dataclass(frozen=True, slots=True)
class CloseStatement:
    """Close the statement of ``month`` with the lines that stand on it."""

    mentor_id: UUID
    month: Month
    currency: str
    lines: Sequence[LineToClose]
    now: datetime
    zone: tzinfo


def decide(command: CloseStatement, statement: Statement) -> list[StatementClosed]:
    """Refuses a month that has not begun; says nothing where the statement is closed already."""
    match statement:
        case ClosedStatement():
            return []
        case OpenStatement():
            if command.month > Month.of(command.now, command.zone):
                raise Refused(
                    "month_not_begun",
                    "Ce mois n’a pas encore commencé : son appel à facturation ne peut pas être clos.",
                    "This month has not begun yet: its statement can't be closed.",
                )
            return [
                StatementClosed(
                    mentor_id=command.mentor_id,
                    month=str(command.month),
                    currency=command.currency,
                    total_cents=sum(line.amount_cents for line in command.lines),
                    line_ids=tuple(line.line_id for line in command.lines),
                    closed_at=command.now,
                )
            ]
        case _:
            assert_never(statement)


def evolve(statement: Statement, event: StatementClosed) -> Statement:
    """The statement after ``event``."""
    return ClosedStatement(event)
