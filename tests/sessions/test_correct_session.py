"""Corrections by support: a new event; nothing is ever overwritten."""

from dataclasses import replace

import pytest

from services.sessions.domain.events import Cause, Status
from tests.sessions.vocabulary import (
    DAY,
    MINUTE,
    NOW,
    OTHER,
    SECOND,
    START,
    STUDENT_EARLY,
    STUDENT_LATE,
    STUDENT_NO_SHOW,
    cancelled,
    correct,
    corrected,
    given,
    held,
    scheduled,
)

LATE = cancelled(STUDENT_LATE, recoverable=False)
ABSENT = cancelled(STUDENT_NO_SHOW, recoverable=False, on=START + 20 * MINUTE)


@pytest.mark.rule("S1")
def test_a_no_show_becomes_held() -> None:
    given(scheduled(), ABSENT).when(correct(Status.HELD)).then(
        corrected(Status.CANCELLED, Status.HELD, previous_reason=STUDENT_NO_SHOW)
    )


@pytest.mark.rule("S1", "S3")
def test_support_is_not_bound_by_the_windows_and_the_notice_stays() -> None:
    given(scheduled(), LATE).when(correct(Status.CANCELLED, STUDENT_EARLY)).then(
        corrected(
            Status.CANCELLED,
            Status.CANCELLED,
            previous_reason=STUDENT_LATE,
            reason=STUDENT_EARLY,
            recoverable=True,
            notice_at=NOW,
        )
    )


@pytest.mark.rule("S1", "S5")
def test_a_held_session_becomes_a_no_show_once_a_third_of_it_has_passed() -> None:
    third = START + 15 * MINUTE
    given(scheduled(), held(on=START)).when(correct(Status.CANCELLED, STUDENT_NO_SHOW, on=third)).then(
        corrected(Status.HELD, Status.CANCELLED, reason=STUDENT_NO_SHOW, recoverable=False, notice_at=third, on=third)
    )
    given(scheduled(), held(on=START)).when(correct(Status.CANCELLED, STUDENT_NO_SHOW, on=third - SECOND)).then_refused(
        "reason_not_offered"
    )


@pytest.mark.rule("S1", "S4")
def test_nobody_has_cancelled_late_before_the_last_24_hours() -> None:
    early = cancelled(STUDENT_EARLY, recoverable=True, on=START - 2 * DAY)
    late = correct(Status.CANCELLED, STUDENT_LATE, on=START - DAY)
    given(scheduled(), early).when(late).then_refused("reason_not_offered")
    given(scheduled(), early).when(replace(late, now=START - DAY + SECOND)).then(
        corrected(
            Status.CANCELLED,
            Status.CANCELLED,
            previous_reason=STUDENT_EARLY,
            reason=STUDENT_LATE,
            recoverable=False,
            notice_at=START - 2 * DAY,
            on=START - DAY + SECOND,
        )
    )


@pytest.mark.rule("S1")
def test_nothing_is_held_before_it_starts() -> None:
    given(scheduled(), LATE).when(correct(Status.HELD, on=START - SECOND)).then_refused("session_not_started")
    given(scheduled(), LATE).when(correct(Status.HELD, on=START)).then(
        corrected(Status.CANCELLED, Status.HELD, previous_reason=STUDENT_LATE, on=START)
    )


@pytest.mark.rule("S1")
def test_a_session_cancelled_by_mistake_is_planned_again() -> None:
    given(scheduled(), LATE).when(correct(Status.SCHEDULED, on=NOW)).then(
        corrected(Status.CANCELLED, Status.SCHEDULED, previous_reason=STUDENT_LATE, on=NOW)
    )


@pytest.mark.rule("S6")
@pytest.mark.parametrize("decided", [True, False])
def test_support_qualifies_what_other_left_open(decided: bool) -> None:
    waiting = cancelled(OTHER, recoverable=None, cause=Cause.STUDENT, note="Malade.")
    given(scheduled(), waiting).when(correct(Status.CANCELLED, OTHER, cause=Cause.STUDENT, recoverable=decided)).then(
        corrected(
            Status.CANCELLED,
            Status.CANCELLED,
            previous_reason=OTHER,
            reason=OTHER,
            cause=Cause.STUDENT,
            note="Malade.",
            recoverable=decided,
            notice_at=NOW,
        )
    )


@pytest.mark.rule("S6")
@pytest.mark.parametrize("cause", [Cause.MENTOR, Cause.PLATFORM])
def test_a_cause_on_the_schools_side_never_counts_against_the_student(cause: Cause) -> None:
    given(scheduled(), held()).when(correct(Status.CANCELLED, OTHER, cause=cause, recoverable=False)).then_refused(
        "recoverable_is_given"
    )


@pytest.mark.rule("S6")
def test_with_other_the_student_reads_why_it_was_corrected() -> None:
    given(scheduled(), held()).when(correct(Status.CANCELLED, OTHER, why=" Visio en panne. ")).then(
        corrected(
            Status.HELD,
            Status.CANCELLED,
            reason=OTHER,
            note="Visio en panne.",
            why="Visio en panne.",
            notice_at=START + DAY,
        )
    )


@pytest.mark.rule("S1")
def test_a_correction_that_changes_nothing_is_quiet() -> None:
    given(scheduled()).when(correct(Status.SCHEDULED)).then_nothing()
    given(scheduled(), held()).when(correct(Status.HELD)).then_nothing()
    given(scheduled(), ABSENT).when(correct(Status.CANCELLED, STUDENT_NO_SHOW)).then_nothing()


@pytest.mark.rule("S1")
def test_a_correction_can_be_corrected() -> None:
    once = corrected(Status.CANCELLED, Status.HELD, previous_reason=STUDENT_NO_SHOW)
    given(scheduled(), ABSENT, once).when(correct(Status.CANCELLED, STUDENT_NO_SHOW, on=START + 2 * DAY)).then(
        corrected(
            Status.HELD,
            Status.CANCELLED,
            reason=STUDENT_NO_SHOW,
            recoverable=False,
            notice_at=START + 2 * DAY,
            on=START + 2 * DAY,
        )
    )


def test_a_correction_says_what_holds_and_why() -> None:
    session = given(scheduled(), held())
    session.when(correct(Status.CANCELLED)).then_refused("reason_required")
    session.when(correct(Status.SCHEDULED, STUDENT_LATE)).then_refused("reason_not_for_this_status")
    session.when(correct(Status.CANCELLED, STUDENT_LATE, cause=Cause.MENTOR)).then_refused("cause_not_for_this_reason")
    session.when(correct(Status.CANCELLED, STUDENT_LATE, recoverable=True)).then_refused("recoverable_is_given")
    session.when(correct(Status.SCHEDULED, why="  ")).then_refused("why_required")
    given().when(correct(Status.HELD)).then_refused("session_unknown")
