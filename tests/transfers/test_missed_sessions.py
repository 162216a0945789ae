"""T6, T8: what an absence makes a student miss, counted from the sessions that they have planned."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.transfers.domain.absence import Period
from services.transfers.domain.missed_sessions import (
    CANCELLED,
    HELD,
    NOTHING_MISSED,
    Missed,
    PlannedSession,
    Standing,
    count_missed,
)

DECLARED = datetime(2026, 10, 19, 9, 0, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
LEAVE = DECLARED + 10 * DAY
BACK = LEAVE + 5 * DAY
PERIOD = Period(LEAVE, BACK, False, "Europe/Paris")
LENGTH = timedelta(minutes=45)
WITHIN = Standing(LEAVE + DAY, LENGTH, "scheduled", DECLARED - DAY)
CANCELLED_BY_MENTOR = replace(WITHIN, status=CANCELLED, reason="other", cause="mentor", since=DECLARED + DAY)
THIS, OTHER = UUID(int=1), UUID(int=2)


def session(*standings: Standing, session_id: UUID = THIS) -> PlannedSession:
    return PlannedSession(session_id, standings)


def counted(*sessions: PlannedSession) -> Missed:
    return count_missed(sessions, PERIOD, declared_at=DECLARED)


def moved(to: datetime, *, by: str = "mentor", at: datetime = DECLARED + DAY) -> Standing:
    return replace(WITHIN, starts_at=to, moved_by=by, since=at)


def make_up(at: datetime, status: str = "scheduled") -> PlannedSession:
    return session(Standing(at, LENGTH, status, DECLARED + DAY, makes_up_for=THIS), session_id=OTHER)


@pytest.mark.rule("T1")
@pytest.mark.parametrize(
    ("starts_at", "missed"),
    [
        (LEAVE - LENGTH, NOTHING_MISSED),
        (LEAVE - LENGTH + SECOND, Missed(1, 1, 1)),
        (BACK - SECOND, Missed(1, 1, 1)),
        (BACK, NOTHING_MISSED),
    ],
)
def test_a_session_that_touches_the_absence_is_missed(starts_at: datetime, missed: Missed) -> None:
    assert counted(session(replace(WITHIN, starts_at=starts_at))) == missed


@pytest.mark.rule("T6", "T8")
@pytest.mark.parametrize(
    ("reason", "cause", "missed"),
    [
        ("other", "mentor", Missed(1, 1, 0)),
        ("other", None, Missed(1, 1, 0)),
        ("other", "student", NOTHING_MISSED),
        ("other", "platform", NOTHING_MISSED),
        ("other", "force_majeure", NOTHING_MISSED),
        ("student_early", None, NOTHING_MISSED),
        ("student_late", None, NOTHING_MISSED),
        ("student_no_show", None, NOTHING_MISSED),
    ],
)
def test_a_session_that_the_mentor_cancels_is_still_missed_one_that_the_student_cancels_is_not(
    reason: str, cause: str | None, missed: Missed
) -> None:
    cancelled = replace(CANCELLED_BY_MENTOR, reason=reason, cause=cause)
    assert counted(session(WITHIN, cancelled)) == missed


@pytest.mark.rule("T6", "T8")
@pytest.mark.parametrize(
    ("at", "status", "missed"),
    [
        (LEAVE - LENGTH, "scheduled", Missed(1, 0, 0)),
        (BACK, "scheduled", Missed(1, 0, 0)),
        (BACK - SECOND, "scheduled", Missed(1, 1, 1)),
        (BACK - SECOND, HELD, Missed(1, 0, 0)),
        (BACK, CANCELLED, Missed(1, 1, 0)),
    ],
)
def test_a_cancelled_session_has_a_solution_once_it_is_caught_up_outside_of_the_absence(
    at: datetime, status: str, missed: Missed
) -> None:
    assert counted(session(WITHIN, CANCELLED_BY_MENTOR), make_up(at, status)) == missed


@pytest.mark.rule("T6", "T8")
@pytest.mark.parametrize(
    ("move", "missed"),
    [
        (moved(BACK), Missed(1, 0, 0)),
        (moved(LEAVE - LENGTH), Missed(1, 0, 0)),
        (moved(BACK - SECOND), Missed(1, 1, 1)),
        (moved(BACK, by="student"), NOTHING_MISSED),
        (moved(BACK, at=DECLARED), Missed(1, 0, 0)),
        (moved(BACK, at=DECLARED - SECOND), NOTHING_MISSED),
    ],
)
def test_a_session_that_the_mentor_moves_out_of_the_absence_was_missed_and_has_a_solution(
    move: Standing, missed: Missed
) -> None:
    assert counted(session(WITHIN, move)) == missed


def test_a_session_that_was_moved_out_and_then_cancelled_by_the_mentor_needs_a_solution_again() -> None:
    gone = moved(BACK)
    by_mentor = replace(gone, status=CANCELLED, reason="other", cause="mentor", moved_by=None)
    by_student = replace(gone, status=CANCELLED, reason="student_early", moved_by=None)
    assert counted(session(WITHIN, gone, by_mentor)) == Missed(1, 1, 0)
    assert counted(session(WITHIN, gone, by_student)) == Missed(1, 0, 0)


def test_sessions_that_are_held_within_the_absence_are_counted_and_settled() -> None:
    assert counted(session(WITHIN, replace(WITHIN, status=HELD))) == Missed(1, 0, 0)


def test_a_make_up_within_the_absence_of_a_session_outside_of_it_is_missed_itself() -> None:
    assert counted(session(replace(WITHIN, makes_up_for=OTHER))) == Missed(1, 1, 1)
