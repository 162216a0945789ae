"""Closing a statement: once, with its lines, and not before its month has begun."""

import pytest

from services.billing.domain.close_statement import (
    CloseStatement,
    LineToClose,
    OpenStatement,
    Statement,
    decide,
    evolve,
)
from services.billing.domain.events import StatementClosed
from tests.billing.figures import MENTOR, MINUTE, NOVEMBER, PARIS, line_id, paris
from tests.spec import Specification

pytestmark = pytest.mark.rule("S8")

BEGINNING = paris(2026, 11, 1, 0, 0)

given = Specification[CloseStatement, Statement, StatementClosed](decide, evolve, initial=OpenStatement()).given


def close(*lines: LineToClose, at: str = "begun") -> CloseStatement:
    now = {"before": BEGINNING - MINUTE, "begun": BEGINNING}[at]
    return CloseStatement(mentor_id=MENTOR, month=NOVEMBER, currency="EUR", lines=lines, now=now, zone=PARIS)


def closed(*lines: LineToClose) -> StatementClosed:
    return StatementClosed(
        mentor_id=MENTOR,
        month="2026-11",
        currency="EUR",
        total_cents=sum(line.amount_cents for line in lines),
        line_ids=tuple(line.line_id for line in lines),
        closed_at=BEGINNING,
    )


def test_a_statement_is_closed_with_its_lines_and_their_total() -> None:
    lines = LineToClose(line_id(1), 3000), LineToClose(line_id(2), 0), LineToClose(line_id(3), -500)
    given().when(close(*lines)).then(closed(*lines))
    assert closed(*lines).total_cents == 2500


def test_a_statement_without_lines_can_be_closed() -> None:
    given().when(close()).then(closed())


def test_closing_twice_changes_nothing() -> None:
    given(closed()).when(close(LineToClose(line_id(1), 3000))).then_nothing()


def test_a_month_that_has_not_begun_in_paris_is_not_closed() -> None:
    given().when(close(at="before")).then_refused("month_not_begun")
