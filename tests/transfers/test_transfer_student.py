"""T3, T4, T11, T15, T16, T18: a student goes to another mentor."""

from dataclasses import fields
from datetime import date

import pytest

from services.chassis.refusal import Refused
from services.transfers.domain.student import TransferKind
from services.transfers.domain.transfer_student import TransferStudent
from tests.transfers.school import (
    ADA,
    BEN,
    CLEO,
    DAY,
    LEO,
    MIA,
    NOW,
    ZOE,
    Happened,
    assigned,
    capacity_changed,
    enrolled,
    given,
    handover,
    registered,
    transfer,
    transferred,
)


def failed(refusal: Refused) -> list[object]:
    return [diagnosis["code"] for diagnosis in refusal.errors]


@pytest.mark.rule("T3", "T11", "T15")
def test_a_student_goes_to_the_mentor_whose_exact_email_was_typed_at_once() -> None:
    given(registered(ADA), registered(BEN), *enrolled(LEO, ADA)).when(transfer(BEN)).then(*transferred(LEO, ADA, BEN))


@pytest.mark.rule("T3")
def test_a_transfer_has_no_date_to_plan_it_for() -> None:
    assert {field.name for field in fields(TransferStudent)} == {
        "student_id",
        "to_mentor_id",
        "now",
        "by_support",
        "kind",
        "absence_id",
        "return_on",  # when the mentor is expected back, never when the transfer takes place
    }


@pytest.mark.rule("T11", "T18")
def test_an_email_that_is_no_mentor_account_is_refused_and_nothing_else_can_be_told() -> None:
    refusal = given(registered(ADA), *enrolled(LEO, ADA)).when(transfer(None)).then_refused("transfer_refused")
    assert failed(refusal) == ["not_a_mentor_account"]


@pytest.mark.rule("T18")
@pytest.mark.parametrize(
    ("replacement", "why"),
    [
        (registered(BEN, paths=("web",)), ["not_on_path"]),
        (registered(BEN, projects=("projet-6",)), ["project_not_on_profile"]),
        (registered(BEN, capacity=0), ["capacity_full"]),
        (
            registered(BEN, paths=(), projects=(), capacity=0),
            ["not_on_path", "project_not_on_profile", "capacity_full"],
        ),
    ],
)
def test_a_transfer_that_fails_says_everything_that_is_wrong(replacement: Happened, why: list[str]) -> None:
    refusal = (
        given(registered(ADA), replacement, *enrolled(LEO, ADA)).when(transfer(BEN)).then_refused("transfer_refused")
    )
    assert failed(refusal) == why


@pytest.mark.rule("T18")
def test_the_last_free_place_is_given() -> None:
    given(registered(ADA), registered(BEN, capacity=2), *enrolled(LEO, ADA), assigned(MIA, BEN)).when(
        transfer(BEN)
    ).then(*transferred(LEO, ADA, BEN))


@pytest.mark.rule("T18")
def test_one_place_too_many_is_not() -> None:
    refusal = (
        given(registered(ADA), registered(BEN, capacity=2), *enrolled(LEO, ADA), assigned(MIA, BEN), assigned(ZOE, BEN))
        .when(transfer(BEN))
        .then_refused("transfer_refused")
    )
    assert failed(refusal) == ["capacity_full"]


@pytest.mark.rule("T18")
def test_a_place_that_a_transfer_freed_can_be_taken_again() -> None:
    (
        given(
            registered(ADA, capacity=1),
            registered(BEN, capacity=1),
            registered(CLEO),
            *enrolled(LEO, ADA),
            *enrolled(MIA, BEN),
        )
        .when(transfer(CLEO, student_id=MIA))
        .then(*transferred(MIA, BEN, CLEO))
        .when(transfer(BEN))
        .then(*transferred(LEO, ADA, BEN))
    )


def test_the_mentor_who_has_the_student_already_is_refused() -> None:
    given(registered(ADA), *enrolled(LEO, ADA)).when(transfer(ADA)).then_refused("same_mentor")


@pytest.mark.rule("T4")
def test_a_permanent_transfer_goes_through_support() -> None:
    given(registered(ADA), registered(BEN), *enrolled(LEO, ADA)).when(
        transfer(BEN, kind=TransferKind.PERMANENT)
    ).then_refused("permanent_through_support")


@pytest.mark.rule("T4")
def test_support_transfers_for_good() -> None:
    given(registered(ADA), registered(BEN), *enrolled(LEO, ADA)).when(
        transfer(BEN, kind=TransferKind.PERMANENT, by_support=True)
    ).then(*transferred(LEO, ADA, BEN, kind=TransferKind.PERMANENT))


@pytest.mark.rule("T16")
def test_the_replacement_gives_the_student_back() -> None:
    (
        given(registered(ADA), registered(BEN), *enrolled(LEO, ADA))
        .when(transfer(BEN))
        .then(*transferred(LEO, ADA, BEN))
        .when(transfer(ADA))
        .then(*transferred(LEO, BEN, ADA, kind=TransferKind.RETURN))
    )


@pytest.mark.rule("T16", "T12")
def test_a_return_to_capacity_0_says_to_raise_it_first() -> None:
    away = given(
        registered(ADA), registered(BEN), *enrolled(LEO, ADA), capacity_changed(ADA, 3, 0), *transferred(LEO, ADA, BEN)
    )
    refusal = away.when(transfer(ADA)).then_refused("transfer_refused")
    assert failed(refusal) == ["capacity_full"]
    assert "relever sa capacité" in refusal.fr
    assert "raise their student capacity" in refusal.en


@pytest.mark.rule("T16")
def test_a_chain_of_replacements_unwinds_to_whoever_is_back() -> None:
    chain = given(
        registered(ADA),
        registered(BEN),
        registered(CLEO),
        *enrolled(LEO, ADA),
        *transferred(LEO, ADA, BEN),
        *transferred(LEO, BEN, CLEO),
    )
    chain.when(transfer(BEN)).then(*transferred(LEO, CLEO, BEN, kind=TransferKind.RETURN)).when(transfer(ADA)).then(
        *transferred(LEO, BEN, ADA, kind=TransferKind.RETURN)
    )
    # Straight to Ada: Ben is not to come back to this student any more.
    chain.when(transfer(ADA)).then(*transferred(LEO, CLEO, ADA, kind=TransferKind.RETURN)).when(transfer(BEN)).then(
        *transferred(LEO, ADA, BEN)
    )


@pytest.mark.rule("T16")
def test_a_return_goes_only_to_a_mentor_who_had_the_student() -> None:
    given(registered(ADA), registered(BEN), *enrolled(LEO, ADA)).when(
        transfer(BEN, kind=TransferKind.RETURN)
    ).then_refused("not_a_return")


@pytest.mark.rule("T10", "T16")
def test_the_return_date_on_the_dashboard_goes_with_the_transfer() -> None:
    given(registered(ADA), registered(BEN), *enrolled(LEO, ADA), (LEO, handover(date(2026, 11, 2), at=NOW - DAY))).when(
        transfer(BEN)
    ).then(*transferred(LEO, ADA, BEN, return_on=date(2026, 11, 2)))


@pytest.mark.rule("T10")
def test_a_return_date_from_before_the_last_transfer_does_not() -> None:
    given(
        registered(ADA),
        registered(BEN),
        registered(CLEO),
        *enrolled(LEO, ADA),
        (LEO, handover(at=NOW - 2 * DAY)),
        *transferred(LEO, ADA, BEN, at=NOW - DAY),
    ).when(transfer(CLEO)).then(*transferred(LEO, BEN, CLEO))
