"""On which statement a session stands, and what it adds there."""

import pytest

from services.billing.domain.statement import EarlierLine, Kind, NewLine, Posting, first_open_from
from services.billing.domain.tariff import Outcome, Price
from tests.billing.figures import (
    DECEMBER,
    JANUARY,
    MINUTE,
    NOVEMBER,
    OCTOBER,
    SUMMER_LEVEL_1_HELD,
    SUMMER_LEVEL_1_NO_SHOW,
    WINTER_LEVEL_1_HELD,
    documented,
    line_id,
    line_of,
    paris,
    posted,
)

pytestmark = pytest.mark.rule("S8")

IN_OCTOBER = paris(2026, 10, 20)
NO_SHOW_OF_OCTOBER = EarlierLine(line_id(1), OCTOBER, OCTOBER, Outcome.STUDENT_NO_SHOW, 500)


def test_a_held_session_adds_its_line_to_its_month() -> None:
    assert posted(documented(Outcome.HELD, starts_at=IN_OCTOBER)) == Posting(
        superseded=[], line=NewLine(OCTOBER, Kind.SESSION, Outcome.HELD, SUMMER_LEVEL_1_HELD, 1000)
    )


def test_a_reason_that_is_worth_nothing_still_has_its_line() -> None:
    line = line_of(posted(documented(Outcome.STUDENT_EARLY, starts_at=IN_OCTOBER)))
    assert (line.outcome, line.amount_cents) == (Outcome.STUDENT_EARLY, 0)


def test_a_session_late_on_the_last_evening_belongs_to_that_month() -> None:
    assert line_of(posted(documented(Outcome.HELD, starts_at=paris(2026, 10, 31, 23, 59)))).month == OCTOBER
    assert line_of(posted(documented(Outcome.HELD, starts_at=paris(2026, 11, 1, 0, 1)))).month == NOVEMBER


def test_a_rate_that_changes_in_mid_month_counts_from_midnight_in_paris() -> None:
    midnight = paris(2026, 11, 16, 0, 0)
    before = line_of(posted(documented(Outcome.HELD, starts_at=midnight - MINUTE)))
    after = line_of(posted(documented(Outcome.HELD, starts_at=midnight)))
    assert (before.month, before.price.rate_version, before.amount_cents) == (NOVEMBER, "summer", 1000)
    assert (after.month, after.price.rate_version, after.amount_cents) == (NOVEMBER, "winter", 2000)


def test_a_correction_replaces_the_line_while_the_month_is_open() -> None:
    correction = documented(Outcome.HELD, starts_at=IN_OCTOBER)
    assert posted(correction, earlier=[NO_SHOW_OF_OCTOBER]) == Posting(
        superseded=[line_id(1)], line=NewLine(OCTOBER, Kind.SESSION, Outcome.HELD, SUMMER_LEVEL_1_HELD, 1000)
    )


def test_a_session_that_is_scheduled_again_leaves_its_open_statement() -> None:
    assert posted(documented(None, starts_at=IN_OCTOBER), earlier=[NO_SHOW_OF_OCTOBER]) == Posting([line_id(1)], None)


def test_a_session_that_was_never_billed_and_is_scheduled_again_changes_nothing() -> None:
    assert posted(documented(None, starts_at=IN_OCTOBER)) == Posting([], None)


def test_a_correction_after_closing_adjusts_the_next_statement_by_the_difference() -> None:
    correction = documented(Outcome.HELD, starts_at=IN_OCTOBER)
    assert posted(correction, earlier=[NO_SHOW_OF_OCTOBER], closed=[OCTOBER]) == Posting(
        superseded=[], line=NewLine(NOVEMBER, Kind.ADJUSTMENT, Outcome.HELD, SUMMER_LEVEL_1_HELD, 500)
    )


def test_a_correction_downwards_after_closing_takes_back() -> None:
    held = EarlierLine(line_id(1), OCTOBER, OCTOBER, Outcome.HELD, 1000)
    correction = documented(Outcome.STUDENT_NO_SHOW, starts_at=IN_OCTOBER)
    assert posted(correction, earlier=[held], closed=[OCTOBER]) == Posting(
        superseded=[], line=NewLine(NOVEMBER, Kind.ADJUSTMENT, Outcome.STUDENT_NO_SHOW, SUMMER_LEVEL_1_NO_SHOW, -500)
    )


def test_a_correction_that_is_worth_the_same_is_documented_with_a_difference_of_0() -> None:
    correction = documented(Outcome.STUDENT_LATE, starts_at=IN_OCTOBER)
    line = line_of(posted(correction, earlier=[NO_SHOW_OF_OCTOBER], closed=[OCTOBER]))
    assert (line.kind, line.outcome, line.amount_cents) == (Kind.ADJUSTMENT, Outcome.STUDENT_LATE, 0)


def test_the_adjustment_passes_over_every_month_that_is_closed_too() -> None:
    correction = documented(Outcome.HELD, starts_at=IN_OCTOBER)
    closed = [OCTOBER, NOVEMBER, DECEMBER]
    assert line_of(posted(correction, earlier=[NO_SHOW_OF_OCTOBER], closed=closed)).month == JANUARY
    assert first_open_from(OCTOBER, {NOVEMBER}) == OCTOBER


def test_a_second_correction_replaces_an_adjustment_that_is_not_closed_yet() -> None:
    adjustment = EarlierLine(line_id(2), NOVEMBER, OCTOBER, Outcome.HELD, 500)
    correction = documented(Outcome.STUDENT_EARLY, starts_at=IN_OCTOBER)
    posting = posted(correction, earlier=[NO_SHOW_OF_OCTOBER, adjustment], closed=[OCTOBER])
    assert posting.superseded == [line_id(2)]
    assert (line_of(posting).month, line_of(posting).amount_cents) == (NOVEMBER, -500)


def test_a_second_correction_counts_from_all_that_closed_statements_hold() -> None:
    adjustment = EarlierLine(line_id(2), NOVEMBER, OCTOBER, Outcome.HELD, 500)
    correction = documented(Outcome.STUDENT_NO_SHOW, starts_at=IN_OCTOBER)
    posting = posted(correction, earlier=[NO_SHOW_OF_OCTOBER, adjustment], closed=[OCTOBER, NOVEMBER])
    assert posting.superseded == []
    assert (line_of(posting).month, line_of(posting).amount_cents) == (DECEMBER, -500)


def test_a_session_that_is_first_documented_after_closing_is_an_adjustment_whole() -> None:
    line = line_of(posted(documented(Outcome.HELD, starts_at=IN_OCTOBER), closed=[OCTOBER]))
    assert line == NewLine(NOVEMBER, Kind.ADJUSTMENT, Outcome.HELD, SUMMER_LEVEL_1_HELD, 1000)


def test_a_session_scheduled_again_after_closing_is_taken_back_whole() -> None:
    posting = posted(documented(None, starts_at=IN_OCTOBER), earlier=[NO_SHOW_OF_OCTOBER], closed=[OCTOBER])
    nothing = Price(level=1, rate_cents=1000, share_percent=0, amount_cents=0, rate_version="summer")
    assert posting == Posting([], NewLine(NOVEMBER, Kind.ADJUSTMENT, Outcome.STUDENT_NO_SHOW, nothing, -500))


def test_an_adjustment_is_priced_by_the_day_of_the_session_and_not_by_that_of_the_correction() -> None:
    line = line_of(posted(documented(Outcome.HELD, starts_at=IN_OCTOBER), closed=[OCTOBER, NOVEMBER]))
    assert (line.month, line.price.rate_version) == (DECEMBER, "summer")


def test_a_session_that_was_taken_back_and_moved_to_another_month_is_billed_there_in_its_own_right() -> None:
    taken_back = EarlierLine(line_id(2), NOVEMBER, OCTOBER, Outcome.STUDENT_NO_SHOW, -500)
    held = documented(Outcome.HELD, starts_at=paris(2026, 12, 3))
    of_december = NewLine(DECEMBER, Kind.SESSION, Outcome.HELD, WINTER_LEVEL_1_HELD, 2000)
    still_open = posted(held, earlier=[NO_SHOW_OF_OCTOBER, taken_back], closed=[OCTOBER])
    assert still_open == Posting(superseded=[], line=of_december)
    closed_too = posted(held, earlier=[NO_SHOW_OF_OCTOBER, taken_back], closed=[OCTOBER, NOVEMBER])
    assert closed_too == Posting(superseded=[], line=of_december)


def test_a_session_that_comes_back_to_the_month_that_was_closed_is_adjusted_from_all_its_lines() -> None:
    taken_back = EarlierLine(line_id(2), NOVEMBER, OCTOBER, Outcome.STUDENT_NO_SHOW, -500)
    held = documented(Outcome.HELD, starts_at=IN_OCTOBER)
    posting = posted(held, earlier=[NO_SHOW_OF_OCTOBER, taken_back], closed=[OCTOBER, NOVEMBER])
    assert (line_of(posting).month, line_of(posting).kind, line_of(posting).amount_cents) == (
        DECEMBER,
        Kind.ADJUSTMENT,
        1000,
    )
