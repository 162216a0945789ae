"""Cancelling a session: the four reasons, each on both sides of its bounds."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.sessions.domain.events import Cause, Reason, Status
from tests.sessions.vocabulary import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    OTHER,
    SECOND,
    START,
    STUDENT_EARLY,
    STUDENT_LATE,
    STUDENT_NO_SHOW,
    appointment,
    cancel,
    cancelled,
    corrected,
    given,
    held,
    rescheduled,
    scheduled,
)

PARIS = ZoneInfo("Europe/Paris")
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.rule("S3")
def test_exactly_24_hours_of_notice_is_early_and_can_be_made_up() -> None:
    on = START - DAY
    given(scheduled(at=START)).when(cancel(STUDENT_EARLY, on=on)).then(
        cancelled(STUDENT_EARLY, recoverable=True, on=on)
    )


@pytest.mark.rule("S3")
@pytest.mark.parametrize("less", [MICROSECOND, SECOND])
def test_less_than_24_hours_of_notice_is_not_early(less: timedelta) -> None:
    given(scheduled(at=START)).when(cancel(STUDENT_EARLY, on=START - DAY + less)).then_refused("reason_not_offered")


@pytest.mark.rule("S3")
def test_an_early_notice_recorded_inside_the_24_hours_stays_early() -> None:
    notice = START - DAY
    given(scheduled(at=START)).when(cancel(STUDENT_EARLY, notice_at=notice, on=START - SECOND)).then(
        cancelled(STUDENT_EARLY, recoverable=True, notice_at=notice, on=START - SECOND)
    )


@pytest.mark.rule("S3")
@pytest.mark.parametrize("on", [START, START + SECOND])
def test_from_the_start_on_early_is_no_longer_offered_however_early_the_notice(on: datetime) -> None:
    given(scheduled(at=START)).when(cancel(STUDENT_EARLY, notice_at=START - 2 * DAY, on=on)).then_refused(
        "reason_not_offered"
    )


@pytest.mark.rule("S4")
def test_exactly_24_hours_of_notice_is_not_late() -> None:
    given(scheduled(at=START)).when(cancel(STUDENT_LATE, notice_at=START - DAY)).then_refused("reason_not_offered")


@pytest.mark.rule("S4")
def test_late_is_not_offered_when_exactly_24_hours_remain() -> None:
    given(scheduled(at=START)).when(cancel(STUDENT_LATE, on=START - DAY)).then_refused("reason_not_offered")


@pytest.mark.rule("S4")
def test_one_second_less_is_late_and_cannot_be_made_up() -> None:
    notice = START - DAY + SECOND
    given(scheduled(at=START)).when(cancel(STUDENT_LATE, notice_at=notice)).then(
        cancelled(STUDENT_LATE, recoverable=False, notice_at=notice)
    )


@pytest.mark.rule("S4")
def test_late_is_offered_until_the_last_second_before_the_start() -> None:
    on = START - SECOND
    given(scheduled(at=START)).when(cancel(STUDENT_LATE, on=on)).then(cancelled(STUDENT_LATE, recoverable=False, on=on))


@pytest.mark.rule("S4")
@pytest.mark.parametrize("on", [START, START + SECOND])
def test_from_the_start_on_late_is_no_longer_offered(on: datetime) -> None:
    given(scheduled(at=START)).when(cancel(STUDENT_LATE, notice_at=START - HOUR, on=on)).then_refused(
        "reason_not_offered"
    )


@pytest.mark.rule("S3", "S4")
def test_late_typing_never_makes_a_student_late() -> None:
    early_notice = START - DAY - SECOND
    given(scheduled(at=START)).when(cancel(STUDENT_LATE, notice_at=early_notice)).then_refused("reason_not_offered")


@pytest.mark.rule("S5")
@pytest.mark.parametrize(
    ("minutes", "third"),
    [(45, 15 * MINUTE), (50, 16 * MINUTE + 40 * SECOND), (60, 20 * MINUTE)],
)
def test_a_no_show_after_exactly_a_third_of_the_duration(minutes: int, third: timedelta) -> None:
    on = START + third
    given(scheduled(at=START, minutes=minutes)).when(cancel(STUDENT_NO_SHOW, on=on)).then(
        cancelled(STUDENT_NO_SHOW, recoverable=False, on=on, of=appointment(START, minutes))
    )


@pytest.mark.rule("S5")
@pytest.mark.parametrize(
    ("minutes", "third"),
    [(45, 15 * MINUTE), (50, 16 * MINUTE + 40 * SECOND), (60, 20 * MINUTE)],
)
@pytest.mark.parametrize("before", [MICROSECOND, SECOND])
def test_no_no_show_before_a_third_of_the_duration(minutes: int, third: timedelta, before: timedelta) -> None:
    given(scheduled(at=START, minutes=minutes)).when(cancel(STUDENT_NO_SHOW, on=START + third - before)).then_refused(
        "reason_not_offered"
    )


@pytest.mark.rule("S5")
def test_the_refusal_of_a_no_show_says_when_it_opens_in_local_time() -> None:
    refusal = (
        given(scheduled(at=START, minutes=50))
        .when(cancel(STUDENT_NO_SHOW, on=START))
        .then_refused("reason_not_offered")
    )
    assert refusal.fr == "Ce motif s’ouvre après un tiers de la durée de la session, le 18/11/2026 à 18:16:40."
    assert refusal.en == "This reason opens after one third of the session's duration, on 2026-11-18 at 18:16:40."


@pytest.mark.rule("S5")
def test_the_third_counts_from_the_date_to_which_the_session_was_moved() -> None:
    moved = rescheduled(START + DAY, late=True)
    given(scheduled(), moved).when(cancel(STUDENT_NO_SHOW, on=START + DAY - SECOND)).then_refused("reason_not_offered")


@pytest.mark.rule("S4")
def test_the_24_hours_count_from_the_date_to_which_the_session_was_moved() -> None:
    moved = rescheduled(START + DAY, late=True)
    given(scheduled(), moved).when(cancel(STUDENT_LATE, on=START)).then_refused("reason_not_offered")


@pytest.mark.rule("S6")
@pytest.mark.parametrize("on", [START - 7 * DAY, START - SECOND, START, START + 7 * DAY])
def test_other_is_always_offered_and_waits_to_be_qualified(on: datetime) -> None:
    given(scheduled()).when(cancel(OTHER, note="Coupure d’électricité.", on=on)).then(
        cancelled(OTHER, recoverable=None, note="Coupure d’électricité.", on=on)
    )


@pytest.mark.rule("S6")
@pytest.mark.parametrize("note", [None, "", "   ", "\n\t"])
def test_other_needs_its_reason_in_words(note: str | None) -> None:
    given(scheduled()).when(cancel(OTHER, note=note)).then_refused("note_required")


@pytest.mark.rule("S6")
@pytest.mark.parametrize(
    ("cause", "recoverable"),
    [(Cause.MENTOR, True), (Cause.PLATFORM, True), (Cause.STUDENT, None), (Cause.FORCE_MAJEURE, None)],
)
def test_other_can_be_made_up_where_mentor_or_platform_caused_it(cause: Cause, recoverable: bool | None) -> None:
    given(scheduled()).when(cancel(OTHER, cause=cause, note="Panne.")).then(
        cancelled(OTHER, recoverable=recoverable, cause=cause, note="Panne.")
    )


@pytest.mark.rule("S6")
@pytest.mark.parametrize("reason", [STUDENT_EARLY, STUDENT_LATE, STUDENT_NO_SHOW])
def test_a_cause_is_given_with_other_alone(reason: Reason) -> None:
    given(scheduled()).when(cancel(reason, cause=Cause.MENTOR)).then_refused("cause_not_for_this_reason")


@pytest.mark.rule("S3", "S4")
def test_a_notice_of_just_now_is_taken_and_one_second_later_is_not() -> None:
    given(scheduled()).when(cancel(STUDENT_LATE, notice_at=NOW)).then(cancelled(STUDENT_LATE, recoverable=False))
    given(scheduled()).when(cancel(STUDENT_LATE, notice_at=NOW + SECOND)).then_refused("notice_in_the_future")
    given(scheduled()).when(cancel(OTHER, note="Panne.", notice_at=NOW + SECOND)).then_refused("notice_in_the_future")


@pytest.mark.rule("S4")
@pytest.mark.parametrize("fold", [0, 1])
def test_on_the_night_when_summer_time_ends_24_hours_are_elapsed_hours(fold: int) -> None:
    # 02:30 comes twice on 25 October 2026; the same local time of the day before is 24 h or 25 h earlier.
    start = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=PARIS)
    same_time_the_day_before = datetime(2026, 10, 24, 2, 30, tzinfo=PARIS)
    exactly_24_hours = same_time_the_day_before + timedelta(hours=fold)
    session = scheduled(at=start)
    given(session).when(cancel(STUDENT_LATE, on=exactly_24_hours)).then_refused("reason_not_offered")
    given(session).when(cancel(STUDENT_EARLY, on=exactly_24_hours + SECOND)).then_refused("reason_not_offered")


@pytest.mark.rule("S4")
def test_on_the_day_after_summer_time_begins_the_same_local_hour_is_only_23_hours_before() -> None:
    # On 29 March 2026 02:30 does not exist: 03:00 follows 01:59:59.
    start = datetime(2026, 3, 29, 12, 0, tzinfo=PARIS)
    same_time_the_day_before = datetime(2026, 3, 28, 12, 0, tzinfo=PARIS)
    an_hour_earlier = datetime(2026, 3, 28, 11, 0, tzinfo=PARIS)
    session = scheduled(at=start)
    given(session).when(cancel(STUDENT_EARLY, on=same_time_the_day_before)).then_refused("reason_not_offered")
    given(session).when(cancel(STUDENT_LATE, on=an_hour_earlier)).then_refused("reason_not_offered")
    assert given(session).when(cancel(STUDENT_EARLY, on=an_hour_earlier)).refusal is None
    assert given(session).when(cancel(STUDENT_LATE, on=an_hour_earlier + SECOND)).refusal is None


@pytest.mark.rule("S5")
def test_a_third_of_a_session_across_the_end_of_summer_time_is_elapsed_time() -> None:
    start = datetime(2026, 10, 25, 2, 50, fold=0, tzinfo=PARIS)  # Ends at 02:40, an hour later by the clock's fold.
    third = datetime(2026, 10, 25, 2, 5, fold=1, tzinfo=PARIS)
    given(scheduled(at=start)).when(cancel(STUDENT_NO_SHOW, on=third - SECOND)).then_refused("reason_not_offered")
    assert given(scheduled(at=start)).when(cancel(STUDENT_NO_SHOW, on=third)).refusal is None


@pytest.mark.rule("S1")
def test_cancelling_twice_in_the_same_way_is_quiet() -> None:
    once = cancelled(OTHER, recoverable=True, cause=Cause.PLATFORM, note="Panne.")
    again = cancel(OTHER, cause=Cause.PLATFORM, note=" Panne. ", on=NOW + MINUTE)
    given(scheduled(), once).when(again).then_nothing()


@pytest.mark.rule("S1")
def test_cancelling_twice_in_another_way_is_a_conflict() -> None:
    once = given(scheduled(), cancelled(STUDENT_LATE, recoverable=False))
    once.when(cancel(STUDENT_EARLY)).then_refused("session_already_cancelled")
    once.when(cancel(STUDENT_LATE, note="Malade.")).then_refused("session_already_cancelled")
    once.when(cancel(STUDENT_LATE, notice_at=NOW - SECOND)).then_refused("session_already_cancelled")


@pytest.mark.rule("S1")
def test_a_session_that_was_held_is_not_cancelled() -> None:
    refusal = (
        given(scheduled(), held()).when(cancel(STUDENT_NO_SHOW, on=START + DAY)).then_refused("session_already_held")
    )
    assert refusal.status == 409


@pytest.mark.rule("S1")
def test_a_session_that_support_put_back_can_be_cancelled_again() -> None:
    back = corrected(Status.CANCELLED, Status.SCHEDULED, previous_reason=STUDENT_LATE, on=NOW)
    given(scheduled(), cancelled(STUDENT_LATE, recoverable=False), back).when(cancel(STUDENT_LATE)).then(
        cancelled(STUDENT_LATE, recoverable=False)
    )


def test_there_is_nothing_to_cancel_where_there_is_no_session() -> None:
    given().when(cancel(STUDENT_LATE)).then_refused("session_unknown")
