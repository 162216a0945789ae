"""Who may see and do what: ties between the accounts of a token's e-mail and whose a thing is, on real PostgreSQL."""

import random
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from relais_contracts import CloudEvent, Contract
from relais_contracts import transfers as contract
from services.chassis import access
from services.chassis.access import ACCOMPANIED, ACCOMPANIES, ALL, HOLDS, IS, LENDS, Guard, NotYours, Rule
from services.chassis.accounts import REACTIONS, Accounts, Companions
from services.chassis.auth import Principal
from services.chassis.database import Database
from services.chassis.ids import new_id
from services.transfers.domain.student import (
    Enrolled,
    Funding,
    StudentProfile,
    StudentTransferred,
    TransferKind,
    evolve,
)

READ = Rule(mentor=HOLDS | ACCOMPANIES | LENDS, student=IS, support=ALL)
NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)


class School:
    """Accounts and pairings as events bring them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.accounts = Accounts(database)
        self.guard = Guard(self.accounts, account_patience_s=0, tie_patience_s=0)

    def hears(self, data: Contract) -> None:
        event = CloudEvent(
            id=new_id(), type=data.ce_type, source="/relais/transfers", subject=UUID(data.key), sequence=1, time=NOW,
            correlation_id=new_id(), causation_id=None, actor="directory:x@example.org", traceparent=None,
            key=data.key, data=data,
        )  # fmt: skip
        with self._database.transaction() as connection:
            for react in REACTIONS[data.ce_type]:
                react(connection, event)

    def mentor(self, email: str | None = None, mentor_id: UUID | None = None) -> UUID:
        kind = contract.MentorUpdated if mentor_id else contract.MentorRegistered
        mentor_id = mentor_id or new_id()
        self.hears(
            kind(
                mentor_id=mentor_id, email=email or f"{mentor_id}@example.org", name="Ada", capacity=1,
                paths=(), projects=(), timezone="Europe/Paris",
            )
        )  # fmt: skip
        return mentor_id

    def student(self, mentor_id: UUID, email: str | None = None) -> UUID:
        student_id = new_id()
        self.hears(
            contract.StudentEnrolled(
                student_id=student_id, email=email or f"{student_id}@example.org", name="Léo", path="data",
                project="p5", funding="self_funded", language="fr", mentor_id=mentor_id, enrolled_at=NOW,
            )
        )  # fmt: skip
        return student_id

    def transfer(self, student_id: UUID, giver: UUID, taker: UUID, kind: contract.TransferKind) -> None:
        self.hears(
            contract.StudentTransferred(
                student_id=student_id, from_mentor_id=giver, to_mentor_id=taker, path="data", project="p5",
                funding="self_funded", kind=kind,
            )
        )  # fmt: skip

    def allows(
        self, rule: Rule, person: Principal, *, mentor_id: UUID | None = None, student_id: UUID | None = None
    ) -> bool:
        try:
            self.guard.check(rule, person, mentor_id=mentor_id, student_id=student_id)
        except NotYours:
            return False
        return True


@pytest.fixture
def school(database: Database) -> School:
    return School(database)


def person(role: str, who: UUID | str) -> Principal:
    return Principal(role, who if isinstance(who, str) else f"{who}@example.org", "Somebody", (role,))


def test_a_mentor_sees_what_is_held_lent_or_taken_over_and_nothing_else(school: School) -> None:
    alice, bruno, chloe = school.mentor(), school.mentor(), school.mentor()
    student_id = school.student(alice)
    school.transfer(student_id, alice, bruno, "one_off")
    seen = {who: school.allows(READ, person("mentor", who), student_id=student_id) for who in (alice, bruno, chloe)}
    assert seen == {alice: True, bruno: True, chloe: False}
    only_present = Rule(mentor=ACCOMPANIES)
    assert not school.allows(only_present, person("mentor", alice), student_id=student_id)
    assert school.allows(only_present, person("mentor", bruno), student_id=student_id)
    assert school.allows(READ, person("mentor", chloe), mentor_id=chloe, student_id=student_id)
    assert not school.allows(READ, person("mentor", chloe), mentor_id=alice, student_id=student_id)


def test_after_a_permanent_transfer_the_former_mentor_sees_the_student_no_more(school: School) -> None:
    alice, bruno = school.mentor(), school.mentor()
    student_id = school.student(alice)
    school.transfer(student_id, alice, bruno, "permanent")
    assert not school.allows(READ, person("mentor", alice), student_id=student_id)


def test_a_student_sees_the_own_under_every_account_of_the_address(school: School) -> None:
    alice = school.mentor()
    first, second = school.student(alice, "Zoe@Example.org"), school.student(alice, "zoe@example.org")
    zoe = person("student", "zoe@example.org")
    assert school.allows(READ, zoe, student_id=first)
    assert school.allows(READ, zoe, student_id=second)
    assert not school.allows(READ, zoe, student_id=school.student(alice))
    assert not school.allows(READ, person("mentor", "zoe@example.org"), student_id=first)


def test_a_student_reads_of_the_mentors_who_accompany_or_come_back(school: School) -> None:
    rule = Rule(student=ACCOMPANIED)
    alice, bruno, chloe = school.mentor(), school.mentor(), school.mentor()
    student_id = school.student(alice)
    school.transfer(student_id, alice, bruno, "one_off")
    student = person("student", student_id)
    assert [school.allows(rule, student, mentor_id=who) for who in (alice, bruno, chloe)] == [True, True, False]


def test_a_changed_address_takes_effect(school: School) -> None:
    alice = school.mentor()
    former = person("mentor", alice)
    assert school.allows(READ, former, mentor_id=alice)
    new = f"new-{alice}@example.org"
    school.mentor(new.upper(), alice)
    assert not school.allows(READ, former, mentor_id=alice)
    assert school.allows(READ, person("mentor", new), mentor_id=alice)


def test_lists_hold_what_a_person_may_see_and_refuse_filters_of_others(school: School) -> None:
    alice, bruno = school.mentor(), school.mentor()
    own, lent, others = school.student(alice), school.student(alice), school.student(bruno)
    school.transfer(lent, alice, bruno, "one_off")
    asks = person("mentor", alice)
    assert school.guard.own(READ, person("support", "sam@example.org")) is None
    found = school.guard.own(READ, asks)
    assert found is not None
    assert (found.mentor_ids, set(found.student_ids)) == ([alice], {own, lent})
    assert school.guard.own(READ, asks, mentor_id=alice, student_id=others) == access.Own([alice], [])
    assert school.guard.own(READ, asks, student_id=lent) is not None
    assert school.guard.own(READ, person("student", own), mentor_id=bruno) == access.Own([], [own])
    assert school.guard.own(READ, person("mentor", "nobody@example.org")) == access.Own([], [])
    for filters in ({"mentor_id": bruno}, {"student_id": others}):
        with pytest.raises(NotYours):
            school.guard.own(READ, asks, **filters)
    with pytest.raises(NotYours):
        school.guard.own(READ, person("student", own), student_id=others)


def test_lenders_are_those_of_the_domain_after_any_transfers(school: School) -> None:
    """The copy unwinds chains of replacements exactly as the aggregate that decides does."""
    mentors = [school.mentor() for _ in range(4)]
    chance = random.Random(7)
    for _ in range(40):
        student_id = school.student(mentors[0])
        profile = StudentProfile("l@example.org", "Léo", "data", "p5", Funding.SELF_FUNDED, None, "fr")
        student = Enrolled(profile, mentors[0], NOW)
        for _ in range(chance.randrange(1, 8)):
            taker = chance.choice([one for one in mentors if one != student.mentor_id])
            kind = chance.choice(list(TransferKind))
            school.transfer(student_id, student.mentor_id, taker, kind.value)
            moved = StudentTransferred(
                student.mentor_id, taker, "data", "p5", Funding.SELF_FUNDED, kind, None, None, NOW
            )
            after = evolve(student, moved)
            assert isinstance(after, Enrolled)
            student = after
        assert school.accounts.companions_of(student_id) == Companions(student.mentor_id, frozenset(student.lenders))


def test_a_refusal_waits_for_what_is_on_its_way_but_not_for_long(school: School) -> None:
    guard = Guard(school.accounts, account_patience_s=5, tie_patience_s=0.2)
    alice = uuid4()
    looks: list[float] = []

    @access.patient
    def route(who: UUID, mentor_id: UUID) -> str:
        looks.append(time.monotonic())
        if len(looks) == 3:
            school.mentor(mentor_id=alice)
        guard.check(READ, person("mentor", who), mentor_id=mentor_id)
        return "seen"

    assert route(alice, alice) == "seen"
    began = time.monotonic()
    with pytest.raises(NotYours):
        route(alice, uuid4())
    assert 0.2 <= time.monotonic() - began < 2


def test_no_more_than_a_few_refusals_wait_at_once(school: School) -> None:
    guard = Guard(school.accounts, account_patience_s=5)

    @access.patient
    def route() -> None:
        guard.check(READ, person("mentor", "nobody@example.org"), mentor_id=uuid4())

    for _ in range(access.MAX_WAITING):
        access._waiting.acquire()
    try:
        began = time.monotonic()
        with pytest.raises(NotYours):
            route()
        assert time.monotonic() - began < 1
    finally:
        access._waiting.release(access.MAX_WAITING)
