"""A session stands in the month of its start, as people in Paris count it."""

from datetime import UTC, date, datetime

import pytest

from services.billing.domain.month import Month
from tests.billing.figures import DECEMBER, JANUARY, NOVEMBER, OCTOBER, PARIS, paris


@pytest.mark.parametrize(
    ("instant", "month"),
    [
        (paris(2026, 10, 31, 23, 59), OCTOBER),
        (paris(2026, 11, 1, 0, 1), NOVEMBER),
        (datetime(2026, 10, 31, 22, 59, 59, 999_999, tzinfo=UTC), OCTOBER),
        (datetime(2026, 10, 31, 23, 0, tzinfo=UTC), NOVEMBER),
        (paris(2026, 12, 31, 23, 59), DECEMBER),
        (paris(2027, 1, 1, 0, 1), JANUARY),
    ],
)
def test_the_month_ends_at_midnight_in_paris(instant: datetime, month: Month) -> None:
    assert Month.of(instant, PARIS) == month


def test_in_summer_midnight_in_paris_is_two_hours_before_that_of_utc() -> None:
    assert Month.of(datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC), PARIS) == Month(2026, 6)
    assert Month.of(datetime(2026, 6, 30, 22, 0, tzinfo=UTC), PARIS) == Month(2026, 7)


def test_december_is_followed_by_january_of_the_next_year() -> None:
    assert (DECEMBER.next(), NOVEMBER.next()) == (JANUARY, DECEMBER)


def test_a_month_is_written_as_it_is_read() -> None:
    assert str(Month.parse("2026-03")) == "2026-03"
    assert Month.parse("2026-03").first_day() == date(2026, 3, 1)


@pytest.mark.parametrize(
    "written", ["2026-13", "2026-00", "2026-3", "0000-01", "2026-11-01", "novembre", "", "２０２６-11"]
)
def test_what_is_not_a_month_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="not a month"):
        Month.parse(written)
