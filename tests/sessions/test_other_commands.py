"""Planning, moving, holding and handing over a session."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.sessions.domain.events import RequestedBy, SessionScheduled
from tests.sessions.vocabulary import (
    ALICE,
    BRUNO,
    DAY,
    HOUR,
    NOW,
    PLANNED_AT,
    SECOND,
    START,
    STUDENT_LATE,
    cancelled,
    complete,
    given,
    held,
    reassign,
    reassigned,
    reschedule,
    rescheduled,
    schedule,
    scheduled,
)

NEW_START = START + 2 * DAY
MICROSECOND = timedelta(microseconds=1)


@pytest.mark.rule("S1")
def test_a_session_is_planned() -> None:
    given().when(schedule()).then(scheduled())


@pytest.mark.rule("S1")
def test_a_session_may_be_documented_afterwards() -> None:
    given().when(schedule(at=PLANNED_AT - DAY)).then(scheduled(at=PLANNED_AT - DAY))


def test_an_instant_is_kept_in_utc_whatever_zone_it_came_in() -> None:
    in_paris = START.astimezone(ZoneInfo("Europe/Paris"))
    (event,) = given().when(schedule(at=in_paris)).events
    assert event == scheduled()
    assert isinstance(event, SessionScheduled)
    assert str(event.appointment.starts_at.tzinfo) == "UTC"


def test_planning_the_same_session_twice_is_quiet_and_another_one_conflicts() -> None:
    given(scheduled()).when(schedule()).then_nothing()
    refusal = given(scheduled()).when(schedule(at=NEW_START)).then_refused("session_already_scheduled")
    assert refusal.status == 409


@pytest.mark.rule("S9", "S10")
def test_a_session_is_moved_without_cancelling_it() -> None:
    on = START - 3 * DAY
    given(scheduled()).when(reschedule(NEW_START, on=on)).then(rescheduled(NEW_START, late=False, on=on))


@pytest.mark.rule("S9")
def test_moving_it_when_exactly_24_hours_remain_is_not_late() -> None:
    on = START - DAY
    given(scheduled()).when(reschedule(NEW_START, on=on)).then(rescheduled(NEW_START, late=False, on=on))


@pytest.mark.rule("S9")
@pytest.mark.parametrize("by", [RequestedBy.STUDENT, RequestedBy.MENTOR])
@pytest.mark.parametrize("less", [MICROSECOND, SECOND])
def test_moving_it_inside_the_24_hours_is_allowed_and_says_who_asked(by: RequestedBy, less: timedelta) -> None:
    on = START - DAY + less
    given(scheduled()).when(reschedule(NEW_START, by, on=on)).then(rescheduled(NEW_START, by=by, late=True, on=on))


@pytest.mark.rule("S9")
def test_a_session_can_be_moved_until_it_starts() -> None:
    given(scheduled()).when(reschedule(NEW_START, on=START - SECOND)).then(
        rescheduled(NEW_START, late=True, on=START - SECOND)
    )
    given(scheduled()).when(reschedule(NEW_START, on=START)).then_refused("session_already_started")
    given(scheduled()).when(reschedule(NEW_START, on=START + SECOND)).then_refused("session_already_started")


@pytest.mark.rule("S9")
def test_a_session_moves_only_into_the_future() -> None:
    given(scheduled()).when(reschedule(NOW)).then_refused("new_date_in_the_past")
    given(scheduled()).when(reschedule(NOW + SECOND)).then(rescheduled(NOW + SECOND, late=True))


@pytest.mark.rule("S9")
def test_moving_it_to_where_it_stands_is_quiet() -> None:
    given(scheduled()).when(reschedule(START)).then_nothing()
    given(scheduled(), rescheduled(NEW_START, late=True)).when(reschedule(NEW_START)).then_nothing()


@pytest.mark.rule("S9")
def test_what_is_over_is_not_moved() -> None:
    given(scheduled(), cancelled(STUDENT_LATE, recoverable=False)).when(reschedule(NEW_START)).then_refused(
        "session_already_cancelled"
    )
    given(scheduled(), held()).when(reschedule(NEW_START)).then_refused("session_already_held")
    given().when(reschedule(NEW_START)).then_refused("session_unknown")


@pytest.mark.rule("S1")
def test_a_session_is_held_from_its_start_on_and_not_before() -> None:
    given(scheduled()).when(complete(on=START)).then(held(on=START))
    refusal = given(scheduled()).when(complete(on=START - SECOND)).then_refused("session_not_started")
    assert refusal.fr == "Cette session n’a pas encore commencé : elle commence le 18/11/2026 à 18:00."


@pytest.mark.rule("S1")
def test_holding_it_twice_is_quiet_and_a_cancelled_session_was_not_held() -> None:
    given(scheduled(), held()).when(complete(on=START + DAY)).then_nothing()
    given(scheduled(), cancelled(STUDENT_LATE, recoverable=False)).when(complete()).then_refused(
        "session_already_cancelled"
    )
    given().when(complete()).then_refused("session_unknown")


@pytest.mark.rule("T1", "T3")
def test_upcoming_sessions_go_to_the_new_mentor_at_once() -> None:
    given(scheduled()).when(reassign(to=BRUNO, on=NOW)).then(reassigned(BRUNO, on=NOW))


@pytest.mark.rule("T3")
@pytest.mark.parametrize("on", [START, START + HOUR])
def test_a_session_that_had_started_when_the_student_was_transferred_stays(on: datetime) -> None:
    given(scheduled()).when(reassign(on=on)).then_nothing()
    given(scheduled()).when(reassign(on=START - SECOND)).then(reassigned(on=START - SECOND))


@pytest.mark.rule("T3")
def test_handing_over_twice_is_quiet_and_what_is_documented_stays() -> None:
    given(scheduled(), reassigned()).when(reassign()).then_nothing()
    given(scheduled(mentor=BRUNO)).when(reassign()).then_nothing()
    given(scheduled(), cancelled(STUDENT_LATE, recoverable=False)).when(reassign()).then_nothing()
    given(scheduled(), held()).when(reassign()).then_nothing()


@pytest.mark.rule("T1", "T16")
def test_the_way_back_is_the_same_command() -> None:
    back = reassigned(on=NOW + SECOND)
    given(scheduled(), reassigned()).when(reassign(to=ALICE, on=NOW + SECOND)).then(
        replace(back, appointment=scheduled().appointment, from_mentor_id=BRUNO)
    )


@pytest.mark.rule("T1")
def test_the_new_mentor_documents_what_was_handed_over() -> None:
    after = reassigned().appointment
    given(scheduled(), reassigned()).when(complete()).then(held(of=after))
