"""Accounts as the directory sends them, and T12: the capacity."""

from dataclasses import replace

import pytest

from services.transfers.domain import change_capacity, choose_language, mentor, register_mentor, update_student
from services.transfers.domain.change_capacity import CAPACITY_MAX, ChangeCapacity
from services.transfers.domain.choose_language import ChooseLanguage
from services.transfers.domain.enrol_student import EnrolStudent
from services.transfers.domain.mentor import (
    MentorCapacityChanged,
    MentorEvent,
    MentorRegistered,
    MentorUpdated,
    NotRegistered,
    Registered,
    StudentAssigned,
)
from services.transfers.domain.register_mentor import RegisterMentor
from services.transfers.domain.student import (
    Enrolled,
    Funding,
    LanguageChosen,
    StudentEnrolled,
    StudentUpdated,
    Weekday,
    evolve,
)
from services.transfers.domain.update_student import UpdateStudent
from tests.spec import Specification
from tests.transfers.school import (
    ADA,
    BEN,
    LEO,
    MENTOR_PROFILE,
    MIA,
    NOBODY,
    NOW,
    STUDENT_PROFILE,
    assigned,
    given,
    registered,
)

START: mentor.Mentor = NotRegistered()


def decide(command: RegisterMentor | ChangeCapacity, state: mentor.Mentor) -> list[MentorEvent]:
    if isinstance(command, RegisterMentor):
        return register_mentor.decide(command, state)
    assert isinstance(state, Registered)
    return list(change_capacity.decide(command, state))


given_mentor = Specification(decide, mentor.evolve, initial=START).given


def test_an_account_that_is_new_is_registered() -> None:
    given_mentor().when(RegisterMentor(MENTOR_PROFILE, 3)).then(MentorRegistered(MENTOR_PROFILE, 3))


def test_the_same_account_again_is_silence() -> None:
    given_mentor(MentorRegistered(MENTOR_PROFILE, 3)).when(RegisterMentor(MENTOR_PROFILE, 3)).then_nothing()


def test_an_account_that_changed_is_updated_and_its_capacity_is_said_apart() -> None:
    moved = replace(MENTOR_PROFILE, email="ada@example.net", timezone="America/Guadeloupe")
    given_mentor(MentorRegistered(MENTOR_PROFILE, 3)).when(RegisterMentor(moved, 2)).then(
        MentorCapacityChanged(3, 2), MentorUpdated(moved, 2)
    )


def test_an_update_keeps_the_students() -> None:
    state = (
        given_mentor(MentorRegistered(MENTOR_PROFILE, 3), StudentAssigned(LEO))
        .when(RegisterMentor(replace(MENTOR_PROFILE, name="Ada L."), 3))
        .then(MentorUpdated(replace(MENTOR_PROFILE, name="Ada L."), 3))
        .state
    )
    assert isinstance(state, Registered)
    assert state.students == {LEO}


@pytest.mark.rule("T12")
def test_capacity_0_keeps_the_current_students_and_leaves_no_free_place() -> None:
    state = (
        given_mentor(MentorRegistered(MENTOR_PROFILE, 3), StudentAssigned(LEO), StudentAssigned(MIA))
        .when(ChangeCapacity(0))
        .then(MentorCapacityChanged(3, 0))
        .state
    )
    assert isinstance(state, Registered)
    assert state.students == {LEO, MIA}
    assert state.free_places == 0


@pytest.mark.rule("T12")
def test_the_capacity_that_stands_already_is_silence() -> None:
    given_mentor(MentorRegistered(MENTOR_PROFILE, 3)).when(ChangeCapacity(3)).then_nothing()


@pytest.mark.rule("T12")
@pytest.mark.parametrize("capacity", [0, CAPACITY_MAX])
def test_a_capacity_at_its_bounds_is_taken(capacity: int) -> None:
    given_mentor(MentorRegistered(MENTOR_PROFILE, 3)).when(ChangeCapacity(capacity)).then(
        MentorCapacityChanged(3, capacity)
    )


@pytest.mark.rule("T12")
@pytest.mark.parametrize("capacity", [-1, CAPACITY_MAX + 1])
def test_a_capacity_outside_its_bounds_is_not(capacity: int) -> None:
    given_mentor(MentorRegistered(MENTOR_PROFILE, 3)).when(ChangeCapacity(capacity)).then_refused(
        "capacity_out_of_bounds"
    )


ENROL = EnrolStudent(LEO, STUDENT_PROFILE, ADA, NOW)
ENROLLED = [(LEO, StudentEnrolled(STUDENT_PROFILE, ADA, NOW)), assigned(LEO, ADA)]


@pytest.mark.rule("T12")
def test_a_new_student_takes_the_last_free_place() -> None:
    given(registered(ADA, capacity=2), assigned(MIA, ADA)).when(ENROL).then(*ENROLLED)


@pytest.mark.rule("T12")
def test_no_new_student_is_assigned_to_a_mentor_without_a_free_place() -> None:
    given(registered(ADA, capacity=1), assigned(MIA, ADA)).when(ENROL).then_refused("capacity_full")


@pytest.mark.rule("T12")
def test_no_new_student_is_assigned_at_capacity_0() -> None:
    given(registered(ADA, capacity=0)).when(ENROL).then_refused("capacity_full")


def test_a_mentor_who_has_no_account_takes_nobody() -> None:
    given(registered(BEN)).when(replace(ENROL, mentor_id=NOBODY)).then_refused("mentor_unknown")


def test_a_student_sent_again_changes_only_what_differs() -> None:
    student = Enrolled(STUDENT_PROFILE, ADA, NOW)
    other = replace(STUDENT_PROFILE, funding=Funding.APPRENTICESHIP, training_day=Weekday.THURSDAY)
    assert update_student.decide(UpdateStudent(STUDENT_PROFILE), student) == []
    assert update_student.decide(UpdateStudent(other), student) == [StudentUpdated(other)]


def test_a_student_chooses_a_language_and_the_directory_no_longer_changes_it() -> None:
    student = Enrolled(STUDENT_PROFILE, ADA, NOW)
    english = replace(STUDENT_PROFILE, language="en")
    assert choose_language.decide(ChooseLanguage("en"), student) == [LanguageChosen(english)]
    chosen = evolve(student, LanguageChosen(english))
    assert isinstance(chosen, Enrolled)
    assert choose_language.decide(ChooseLanguage("en"), chosen) == []
    assert update_student.decide(UpdateStudent(STUDENT_PROFILE), chosen) == []
    moved = replace(STUDENT_PROFILE, project="Projet 2")
    assert update_student.decide(UpdateStudent(moved), chosen) == [StudentUpdated(replace(moved, language="en"))]


def test_the_directory_s_language_holds_until_the_student_chooses_even_the_same_one() -> None:
    student = Enrolled(STUDENT_PROFILE, ADA, NOW)
    english = replace(STUDENT_PROFILE, language="en")
    assert update_student.decide(UpdateStudent(english), student) == [StudentUpdated(english)]
    kept = evolve(student, LanguageChosen(STUDENT_PROFILE))
    assert choose_language.decide(ChooseLanguage("fr"), student) == [LanguageChosen(STUDENT_PROFILE)]
    assert isinstance(kept, Enrolled)
    assert update_student.decide(UpdateStudent(english), kept) == []
