"""T18: four diagnoses at once, and no directory of mentors (T15)."""

from dataclasses import replace

import pytest

from services.transfers.domain.check_transfer import Outcome, diagnose
from services.transfers.domain.mentor import NotRegistered, Registered
from services.transfers.domain.student import Enrolled
from tests.transfers.school import ADA, LEO, MENTOR_PROFILE, MIA, NOW, STUDENT_PROFILE

STUDENT = Enrolled(STUDENT_PROFILE, ADA, NOW)
REPLACEMENT = Registered(MENTOR_PROFILE, capacity=1)
CODES = ["not_a_mentor_account", "not_on_path", "project_not_on_profile", "capacity_full"]


@pytest.mark.rule("T18")
def test_all_four_pass_in_the_order_of_the_article() -> None:
    diagnoses = diagnose(STUDENT, REPLACEMENT)
    assert [diagnosis.code for diagnosis in diagnoses] == CODES
    assert all(diagnosis.passed for diagnosis in diagnoses)


@pytest.mark.rule("T18")
def test_three_can_fail_at_once() -> None:
    nothing_fits = Registered(replace(MENTOR_PROFILE, paths=(), projects=()), 1, frozenset({MIA}))
    assert [diagnosis.passed for diagnosis in diagnose(STUDENT, nothing_fits)] == [True, False, False, False]


@pytest.mark.rule("T18")
@pytest.mark.parametrize(("capacity", "passes"), [(0, False), (1, False), (2, True)])
def test_a_place_is_free_from_one_above_the_current_students(capacity: int, passes: bool) -> None:
    [*_, place] = diagnose(STUDENT, Registered(MENTOR_PROFILE, capacity, frozenset({MIA})))
    assert place.passed is passes


@pytest.mark.rule("T15", "T18")
def test_an_unknown_address_fails_once_and_leaves_the_rest_unchecked() -> None:
    outcomes = [diagnosis.outcome for diagnosis in diagnose(STUDENT, NotRegistered())]
    assert outcomes == [Outcome.FAILED, Outcome.NOT_CHECKED, Outcome.NOT_CHECKED, Outcome.NOT_CHECKED]


@pytest.mark.rule("T15")
def test_the_messages_tell_nothing_of_the_mentor() -> None:
    secret = replace(MENTOR_PROFILE, name="Nom Secret", paths=("parcours-secret",), projects=("projet-secret",))
    said = " ".join(
        f"{diagnosis.fr} {diagnosis.en}" for diagnosis in diagnose(STUDENT, Registered(secret, 41, frozenset({LEO})))
    )
    assert not any(word in said for word in ("Secret", "secret", "41", "40", MENTOR_PROFILE.email))


@pytest.mark.rule("T18")
def test_what_failed_says_what_to_do_in_both_languages() -> None:
    for replacement in (NotRegistered(), Registered(replace(MENTOR_PROFILE, paths=(), projects=()), 0)):
        for diagnosis in diagnose(STUDENT, replacement):
            if not diagnosis.passed:
                assert diagnosis.fr.endswith(".")
                assert diagnosis.en.endswith(".")
                assert diagnosis.fr != diagnosis.en
