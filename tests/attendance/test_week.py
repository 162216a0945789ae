"""A week is the ISO week, as people in Paris count it (T2)."""

from datetime import UTC, date, datetime

import pytest

from services.attendance.domain.week import Week, from_to
from tests.attendance.school import PARIS, paris

pytestmark = pytest.mark.rule("T2")


@pytest.mark.parametrize(
    ("instant", "week"),
    [
        (paris(2026, 11, 22, 23, 59), "2026-W47"),
        (paris(2026, 11, 23, 0, 1), "2026-W48"),
        (datetime(2026, 11, 22, 22, 59, 59, 999_999, tzinfo=UTC), "2026-W47"),
        (datetime(2026, 11, 22, 23, 0, tzinfo=UTC), "2026-W48"),
        (paris(2026, 12, 28, 0, 1), "2026-W53"),
        (paris(2026, 12, 31, 23, 59), "2026-W53"),
        (paris(2027, 1, 1, 0, 1), "2026-W53"),
        (paris(2027, 1, 3, 23, 59), "2026-W53"),
        (paris(2027, 1, 4, 0, 1), "2027-W01"),
        (paris(2024, 12, 29, 23, 59), "2024-W52"),
        (paris(2024, 12, 30, 0, 1), "2025-W01"),
        (paris(2023, 1, 1, 23, 59), "2022-W52"),
        (paris(2023, 1, 2, 0, 1), "2023-W01"),
    ],
)
def test_a_week_ends_on_sunday_at_midnight_in_paris(instant: datetime, week: str) -> None:
    assert str(Week.of(instant, PARIS)) == week


def test_on_the_night_when_summer_time_ends_sunday_has_25_hours() -> None:
    assert str(Week.of(datetime(2026, 10, 25, 22, 59, tzinfo=UTC), PARIS)) == "2026-W43"
    assert str(Week.of(datetime(2026, 10, 25, 23, 1, tzinfo=UTC), PARIS)) == "2026-W44"


def test_on_the_night_when_summer_time_begins_sunday_has_23_hours() -> None:
    assert str(Week.of(datetime(2026, 3, 29, 21, 59, tzinfo=UTC), PARIS)) == "2026-W13"
    assert str(Week.of(datetime(2026, 3, 29, 22, 1, tzinfo=UTC), PARIS)) == "2026-W14"


def test_weeks_follow_each_other_over_new_year_in_a_year_of_53() -> None:
    weeks = [str(week) for week in from_to(Week(2026, 52), Week(2027, 1))]
    assert weeks == ["2026-W52", "2026-W53", "2027-W01"]


def test_weeks_follow_each_other_over_new_year_in_a_year_of_52() -> None:
    weeks = [str(week) for week in from_to(Week(2025, 52), Week(2026, 1))]
    assert weeks == ["2025-W52", "2026-W01"]


def test_from_a_later_week_to_an_earlier_one_there_is_none() -> None:
    assert list(from_to(Week(2026, 2), Week(2026, 1))) == []


def test_a_week_goes_from_monday_to_sunday() -> None:
    assert (Week(2026, 53).monday(), Week(2026, 53).sunday()) == (date(2026, 12, 28), date(2027, 1, 3))
