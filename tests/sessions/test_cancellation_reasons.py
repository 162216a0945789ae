"""The list of four reasons, as it is shown before one is chosen."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.chassis.refusal import Refused
from services.sessions.domain.cancel_session import CancelSession
from services.sessions.domain.cancellation_reasons import (
    LABELS,
    AttendanceEffect,
    Effects,
    OfferedReason,
    effects_of,
    reasons_for,
)
from services.sessions.domain.commands import decide
from services.sessions.domain.events import Cause, Reason
from services.sessions.domain.session import Session, evolve, fold
from tests.sessions.vocabulary import (
    DAY,
    HOUR,
    MINUTE,
    OTHER,
    SECOND,
    START,
    STUDENT_EARLY,
    STUDENT_LATE,
    STUDENT_NO_SHOW,
    cancelled,
    held,
    scheduled,
)


def planned(minutes: int = 45) -> Session:
    return evolve(None, scheduled(START, minutes))


def offered(session: Session, *, now: datetime, notice_at: datetime | None = None) -> set[Reason]:
    return {one.reason for one in reasons_for(session, notice_at=notice_at, now=now) if one.unavailable is None}


def shown(reason: Reason, *, now: datetime, notice_at: datetime | None = None, minutes: int = 45) -> OfferedReason:
    return next(one for one in reasons_for(planned(minutes), notice_at=notice_at, now=now) if one.reason is reason)


@pytest.mark.rule("S2")
def test_the_list_is_closed_and_has_the_four_labels_of_the_article() -> None:
    assert [LABELS[one.reason] for one in reasons_for(planned(), notice_at=None, now=START - HOUR)] == [
        "L'étudiant a annulé plus de 24h avant le début de la session",
        "L'étudiant a annulé moins de 24h avant le début de la session",
        "L'étudiant ne s'est pas présenté à la session",
        "Autre",
    ]


@pytest.mark.rule("S2", "S3", "S4", "S5", "S6")
@pytest.mark.parametrize(
    ("now", "reasons"),
    [
        (START - DAY, {STUDENT_EARLY, OTHER}),
        (START - DAY + SECOND, {STUDENT_LATE, OTHER}),
        (START - SECOND, {STUDENT_LATE, OTHER}),
        (START, {OTHER}),
        (START + 15 * MINUTE - SECOND, {OTHER}),
        (START + 15 * MINUTE, {STUDENT_NO_SHOW, OTHER}),
    ],
)
def test_what_is_offered_as_time_goes_by(now: datetime, reasons: set[Reason]) -> None:
    assert offered(planned(), now=now) == reasons


@pytest.mark.rule("S3")
def test_with_an_early_notice_early_is_offered_until_the_start() -> None:
    assert offered(planned(), now=START - SECOND, notice_at=START - DAY) == {STUDENT_EARLY, OTHER}
    assert offered(planned(), now=START, notice_at=START - DAY) == {OTHER}


@pytest.mark.rule("S3", "S4", "S5")
def test_windows_say_when_each_opens_and_closes() -> None:
    now = START - HOUR
    early, late = shown(STUDENT_EARLY, now=now), shown(STUDENT_LATE, now=now)
    assert (early.opens_at, early.closes_at, early.notice_until) == (None, START - DAY, START - DAY)
    assert shown(STUDENT_EARLY, now=now, notice_at=START - DAY).closes_at == START
    assert (late.opens_at, late.closes_at, late.notice_until) == (START - DAY, START, None)
    no_show = shown(STUDENT_NO_SHOW, now=now, minutes=50)
    assert (no_show.opens_at, no_show.closes_at) == (START + timedelta(minutes=16, seconds=40), None)
    other = shown(OTHER, now=now)
    assert (other.opens_at, other.closes_at) == (None, None)


@pytest.mark.rule("S2")
def test_nothing_is_offered_for_a_session_that_is_documented() -> None:
    now = START + DAY
    over = fold([scheduled(), held()])
    gone = fold([scheduled(), cancelled(STUDENT_LATE, recoverable=False)])
    assert over is not None
    assert gone is not None
    assert offered(over, now=now) == offered(gone, now=now) == set()


@pytest.mark.rule("S7", "S8")
@pytest.mark.parametrize(
    ("reason", "cause", "recoverable", "attendance"),
    [
        (STUDENT_EARLY, None, True, AttendanceEffect.EXCUSED),
        (STUDENT_LATE, None, False, AttendanceEffect.UNEXCUSED),
        (STUDENT_NO_SHOW, None, False, AttendanceEffect.UNEXCUSED),
        (OTHER, None, None, AttendanceEffect.TO_QUALIFY),
        (OTHER, Cause.MENTOR, True, AttendanceEffect.EXCUSED),
        (OTHER, Cause.PLATFORM, True, AttendanceEffect.EXCUSED),
        (OTHER, Cause.FORCE_MAJEURE, None, AttendanceEffect.EXCUSED),
        (OTHER, Cause.STUDENT, None, AttendanceEffect.UNEXCUSED),
    ],
)
def test_effects_are_known_before_confirming(
    reason: Reason, cause: Cause | None, recoverable: bool | None, attendance: AttendanceEffect
) -> None:
    assert effects_of(reason, cause) == Effects(recoverable, attendance, reason)


@pytest.mark.rule("S2")
@for_all(
    reason=st.sampled_from(Reason),
    minutes=st.integers(15, 240),
    now=st.timedeltas(min_value=-3 * DAY, max_value=3 * DAY),
    told_before=st.none() | st.timedeltas(min_value=-HOUR, max_value=3 * DAY),
)
def test_a_reason_is_shown_as_available_exactly_where_cancelling_accepts_it(
    reason: Reason, minutes: int, now: timedelta, told_before: timedelta | None
) -> None:
    at = START + now
    notice_at = None if told_before is None else at - told_before
    available = shown(reason, now=at, notice_at=notice_at, minutes=minutes).unavailable is None
    try:
        accepted = bool(decide(CancelSession(reason, at, notice_at, None, "Panne."), planned(minutes)))
    except Refused:
        accepted = False
    assert available is accepted
