"""Making up for a missed session: only for what is recoverable, only once, before or after it."""

from dataclasses import replace
from uuid import UUID

import pytest

from services.sessions.domain.events import (
    Appointment,
    Cause,
    MakeUpPlanned,
    MakeUpReleased,
    Reason,
    SessionEvent,
    Status,
)
from services.sessions.domain.make_up_session import PlanMakeUp, ReleaseMakeUp, Tied, tied
from services.sessions.domain.session import Session, fold
from tests.sessions.vocabulary import (
    BRUNO,
    CHLOE,
    DAY,
    HOUR,
    NOW,
    OTHER,
    START,
    STUDENT_EARLY,
    STUDENT_LATE,
    STUDENT_NO_SHOW,
    appointment,
    cancelled,
    correct,
    corrected,
    given,
    held,
    reassigned,
    scheduled,
)

pytestmark = pytest.mark.rule("T2", "T6", "T8")

MISSED = UUID(int=50)
MAKE_UP = UUID(int=51)
ANOTHER = UUID(int=52)

EARLY = cancelled(STUDENT_EARLY, recoverable=True)
MENTOR_AWAY = cancelled(OTHER, recoverable=True, cause=Cause.MENTOR, note="Je suis absente cette semaine.")


def make_up(by: UUID = MAKE_UP, student: UUID = CHLOE) -> PlanMakeUp:
    return PlanMakeUp(by, student, NOW)


def release(by: UUID = MAKE_UP) -> ReleaseMakeUp:
    return ReleaseMakeUp(by, NOW)


def planned(by: UUID = MAKE_UP) -> MakeUpPlanned:
    return MakeUpPlanned(by, planned_at=NOW)


def released(by: UUID = MAKE_UP) -> MakeUpReleased:
    return MakeUpReleased(by, released_at=NOW)


@pytest.mark.rule("S3")
def test_a_session_that_the_student_cancelled_early_is_made_up_for() -> None:
    given(scheduled(), EARLY).when(make_up()).then(planned())


@pytest.mark.rule("S6")
@pytest.mark.parametrize("cause", [Cause.MENTOR, Cause.PLATFORM])
def test_one_that_the_school_had_to_cancel_is_made_up_for(cause: Cause) -> None:
    given(scheduled(), cancelled(OTHER, recoverable=True, cause=cause, note="Panne.")).when(make_up()).then(planned())


@pytest.mark.rule("S4", "S5")
@pytest.mark.parametrize("reason", [STUDENT_LATE, STUDENT_NO_SHOW])
def test_a_late_cancellation_and_an_absence_are_never_made_up_for(reason: Reason) -> None:
    refusal = given(scheduled(), cancelled(reason, recoverable=False)).when(make_up()).then_refused("not_recoverable")
    assert refusal.fr == "Cette session n’est pas rattrapable, d’après le motif de son annulation."


@pytest.mark.rule("S6")
@pytest.mark.parametrize("cause", [None, Cause.STUDENT, Cause.FORCE_MAJEURE])
def test_another_reason_waits_for_support_who_decides(cause: Cause | None) -> None:
    waiting = cancelled(OTHER, recoverable=None, cause=cause, note="Malade.")
    given(scheduled(), waiting).when(make_up()).then_refused("recoverable_to_qualify")
    yes, no = (
        corrected(
            Status.CANCELLED, Status.CANCELLED, reason=OTHER, cause=Cause.STUDENT, note="Malade.", recoverable=one
        )
        for one in (True, False)
    )
    given(scheduled(), waiting, yes).when(make_up()).then(planned())
    given(scheduled(), waiting, no).when(make_up()).then_refused("not_recoverable")


def test_only_what_is_cancelled_is_made_up_for() -> None:
    given(scheduled()).when(make_up()).then_refused("session_not_missed")
    given(scheduled(), held()).when(make_up()).then_refused("session_not_missed")
    assert given().when(make_up()).then_refused("session_unknown").status == 422


def test_only_a_session_of_the_same_student_makes_up_for_it() -> None:
    given(scheduled(), EARLY).when(make_up(student=BRUNO)).then_refused("not_the_same_student")
    given(scheduled()).when(make_up(student=BRUNO)).then_refused("not_the_same_student")


def test_a_session_is_cancelled_ahead_and_made_up_for_before_it_would_have_been() -> None:
    far = appointment(START + 14 * DAY)
    given(scheduled(START + 14 * DAY), replace(MENTOR_AWAY, appointment=far)).when(make_up()).then(planned())


def test_it_is_made_up_for_once() -> None:
    story = given(scheduled(), EARLY).when(make_up()).then(planned())
    story.when(make_up()).then_nothing()
    assert story.when(make_up(ANOTHER)).then_refused("already_made_up").status == 409


def test_a_make_up_that_is_cancelled_leaves_it_free_again() -> None:
    free = given(scheduled(), EARLY, planned()).when(release()).then(released())
    free.when(release()).then_nothing()
    free.when(make_up(ANOTHER)).then(planned(ANOTHER))


def test_a_session_leaves_free_only_what_it_holds_itself() -> None:
    given(scheduled(), EARLY, planned(ANOTHER)).when(release()).then_nothing()
    given().when(release()).then_nothing()


def test_a_make_up_is_not_made_up_for_in_turn() -> None:
    itself = replace(appointment(), makes_up_for=UUID(int=49))
    given(replace(scheduled(), appointment=itself), cancelled(STUDENT_EARLY, recoverable=True, of=itself)).when(
        make_up()
    ).then_refused("makes_up_itself")


def test_corrections_of_the_missed_session_keep_who_makes_up_for_it() -> None:
    """Or, corrected back again, it could be made up for a second time."""
    took_place = corrected(Status.CANCELLED, Status.HELD, previous_reason=STUDENT_EARLY)
    again = corrected(Status.HELD, Status.CANCELLED, reason=STUDENT_EARLY, recoverable=True, notice_at=NOW)
    given(scheduled(), EARLY, planned(), took_place, again).when(make_up(ANOTHER)).then_refused("already_made_up")
    given(scheduled(), EARLY, planned()).when(correct(Status.CANCELLED, STUDENT_EARLY)).then_nothing()


# What happens to the one that makes up, and so to the missed one.

OWN = replace(appointment(START + 7 * DAY), makes_up_for=MISSED)
PLANNED = replace(scheduled(), appointment=OWN)
CANCELLED = cancelled(STUDENT_LATE, recoverable=False, of=OWN)
HELD_AFTER_ALL = replace(corrected(Status.CANCELLED, Status.HELD, previous_reason=STUDENT_LATE), appointment=OWN)


def session(*events: SessionEvent) -> Session:
    found = fold(events)
    assert found is not None
    return found


def test_cancelling_it_for_whatever_reason_leaves_the_missed_one_free() -> None:
    missed = session(scheduled(), EARLY, planned())
    assert tied(MAKE_UP, session(PLANNED), [CANCELLED], missed, NOW) == Tied([CANCELLED], [released()])
    away = replace(CANCELLED, reason=OTHER, recoverable=None)
    assert tied(MAKE_UP, session(PLANNED), [away], missed, NOW) == Tied([away], [released()])


def test_holding_moving_or_handing_it_over_changes_nothing_of_the_missed_one() -> None:
    missed = session(scheduled(), EARLY, planned())
    for event in (held(START + 8 * DAY, OWN), replace(reassigned(), appointment=replace(OWN, mentor_id=BRUNO))):
        assert tied(MAKE_UP, session(PLANNED), [event], missed, NOW) == Tied([event], [])


def test_corrected_to_held_it_takes_its_place_again() -> None:
    missed = session(scheduled(), EARLY, planned(), released())
    assert tied(MAKE_UP, session(PLANNED, CANCELLED), [HELD_AFTER_ALL], missed, NOW) == Tied(
        [HELD_AFTER_ALL], [planned()]
    )


def test_corrected_to_held_it_is_a_session_like_any_other_where_its_place_is_taken() -> None:
    missed = session(scheduled(), EARLY, planned(), released(), planned(ANOTHER))
    own: Appointment = replace(OWN, makes_up_for=None)
    assert tied(MAKE_UP, session(PLANNED, CANCELLED), [HELD_AFTER_ALL], missed, NOW) == Tied(
        [replace(HELD_AFTER_ALL, appointment=own)], []
    )


def test_nor_does_it_make_up_for_what_took_place_after_all() -> None:
    missed = session(
        scheduled(), EARLY, planned(), released(), corrected(Status.CANCELLED, Status.HELD, on=START + HOUR)
    )
    assert tied(MAKE_UP, session(PLANNED, CANCELLED), [HELD_AFTER_ALL], missed, NOW).of_missed == []
