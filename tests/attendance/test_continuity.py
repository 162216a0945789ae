"""How a student's week stands: green, to plan, at risk, missed (T2)."""

from datetime import UTC, datetime, timedelta

import pytest

from services.attendance.domain.continuity import Stands, State, hours_left, state_of, what_stands
from services.attendance.domain.standing import Outcome
from services.attendance.domain.week import Week
from tests.attendance.school import PARIS, paris

pytestmark = pytest.mark.rule("T2")

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
W47_ENDS = Week.parse("2026-W47").ends_at(PARIS)
CANCELLED = [Outcome.STUDENT_EARLY, Outcome.STUDENT_LATE, Outcome.STUDENT_NO_SHOW, Outcome.OTHER]


def state(stands: Stands, now: datetime, week: str = "2026-W47") -> State:
    return state_of(stands, ends_at=Week.parse(week).ends_at(PARIS), now=now)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (72 * HOUR + SECOND, State.TO_PLAN),
        (72 * HOUR, State.TO_PLAN),
        (72 * HOUR - SECOND, State.AT_RISK),
        (SECOND, State.AT_RISK),
        (timedelta(), State.MISSED),
        (-SECOND, State.MISSED),
    ],
)
def test_a_week_with_nothing_planned_is_at_risk_below_72_hours_and_missed_when_it_is_over(
    left: timedelta, expected: State
) -> None:
    assert state(Stands.NOTHING, W47_ENDS - left) is expected


def test_a_planned_session_makes_it_green_until_the_week_is_over_and_nobody_documented_it() -> None:
    assert state(Stands.PLANNED, W47_ENDS - SECOND) is State.GREEN
    assert state(Stands.PLANNED, W47_ENDS) is State.MISSED


@pytest.mark.parametrize("left", [100 * HOUR, SECOND, timedelta(), -1_000 * HOUR])
def test_a_session_that_was_held_makes_it_green_for_good(left: timedelta) -> None:
    assert state(Stands.HELD, W47_ENDS - left) is State.GREEN


@pytest.mark.parametrize("outcome", CANCELLED)
def test_a_cancelled_session_is_nothing_planned(outcome: Outcome) -> None:
    assert what_stands([outcome]) is Stands.NOTHING
    assert what_stands([outcome, Outcome.PLANNED]) is Stands.PLANNED
    assert what_stands([outcome, Outcome.PLANNED, Outcome.HELD]) is Stands.HELD
    assert what_stands([]) is Stands.NOTHING


def test_the_hours_left_are_whole_and_below_72_exactly_where_it_is_at_risk() -> None:
    for left, hours in ((72 * HOUR, 72), (72 * HOUR - SECOND, 71), (SECOND, 0), (-HOUR, 0), (168 * HOUR, 168)):
        assert hours_left(ends_at=W47_ENDS, now=W47_ENDS - left) == hours


@pytest.mark.parametrize(
    ("week", "ends_at", "at_risk_from"),
    [
        ("2026-W47", paris(2026, 11, 23, 0), paris(2026, 11, 20, 0)),
        # Summer time ends on Sunday 25 October: 72 hours before its midnight it is 1 o'clock on Friday.
        ("2026-W43", paris(2026, 10, 26, 0), paris(2026, 10, 23, 1)),
        # It begins on Sunday 29 March: 72 hours before its midnight it is 11 in the evening on Thursday.
        ("2026-W13", paris(2026, 3, 30, 0), paris(2026, 3, 26, 23)),
        # Around New Year: 2026 has a week 53.
        ("2026-W53", paris(2027, 1, 4, 0), paris(2027, 1, 1, 0)),
        ("2027-W01", paris(2027, 1, 11, 0), paris(2027, 1, 8, 0)),
        ("2025-W01", paris(2025, 1, 6, 0), paris(2025, 1, 3, 0)),
    ],
)
def test_the_72_hours_are_elapsed_ones_up_to_sunday_midnight_in_paris(
    week: str, ends_at: datetime, at_risk_from: datetime
) -> None:
    assert Week.parse(week).ends_at(PARIS) == ends_at
    assert ends_at - at_risk_from == 72 * HOUR
    assert state(Stands.NOTHING, at_risk_from, week) is State.TO_PLAN
    assert state(Stands.NOTHING, at_risk_from + SECOND, week) is State.AT_RISK


@pytest.mark.parametrize(("week", "hours"), [("2026-W43", 169), ("2026-W13", 167), ("2026-W47", 168)])
def test_a_week_in_which_the_clocks_change_has_an_hour_more_or_less(week: str, hours: int) -> None:
    found = Week.parse(week)
    assert found.ends_at(PARIS) - found.starts_at(PARIS) == hours * HOUR
    assert found.starts_at(PARIS).tzinfo is UTC


@pytest.mark.parametrize("written", ["2026-W47", "2026-W53", "2025-W01", "2020-W53"])
def test_a_week_is_read_as_it_is_written(written: str) -> None:
    assert str(Week.parse(written)) == written


@pytest.mark.parametrize(
    "written", ["2026-W54", "2025-W53", "2026-W00", "2026-47", "26-W47", "2026-W4", "", "1999-W01"]
)
def test_a_week_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Week.parse(written)
