"""Transfers against a plain model written from the rules: any sequence of commands, the same outcome in both.

`RELAIS_MODEL_SEQUENCES=10000` runs the long form. A failure prints its seed and the shortest sequence.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.chassis.refusal import Refused
from services.transfers.domain import change_absence, change_capacity, declare_absence, enrol_student, transfer_student
from services.transfers.domain.absence import Declared, Ended, Period, declaration
from services.transfers.domain.change_absence import EndAbsence
from services.transfers.domain.change_capacity import ChangeCapacity
from services.transfers.domain.declare_absence import DeclareAbsence
from services.transfers.domain.enrol_student import EnrolStudent
from services.transfers.domain.mentor import Registered
from services.transfers.domain.pairing import Decided
from services.transfers.domain.student import TransferKind
from services.transfers.domain.transfer_student import TransferStudent
from tests.transfers.school import NOW, STUDENT_PROFILE, School, evolve, registered

MENTORS = tuple(UUID(int=100 + number) for number in range(4))
STUDENTS = tuple(UUID(int=200 + number) for number in range(6))
SEQUENCES = int(os.environ.get("RELAIS_MODEL_SEQUENCES", "60"))
HOUR = timedelta(hours=1)

mentors = st.sampled_from(MENTORS)
students = st.sampled_from(STUDENTS)


@dataclass
class Model:
    """The school as a sheet of paper would have it."""

    capacity: dict[UUID, int] = field(default_factory=dict)
    paths: dict[UUID, set[str]] = field(default_factory=dict)
    mentor_of: dict[UUID, UUID] = field(default_factory=dict)
    lenders: dict[UUID, list[UUID]] = field(default_factory=dict)
    leaves: dict[UUID, tuple[UUID, datetime, datetime]] = field(default_factory=dict)

    def held(self, mentor_id: UUID) -> int:
        return sum(1 for held in self.mentor_of.values() if held == mentor_id)

    def full(self, mentor_id: UUID) -> bool:
        return self.held(mentor_id) >= self.capacity[mentor_id]

    def is_away(self, mentor_id: UUID, now: datetime) -> bool:
        return any(who == mentor_id and start <= now < end for who, start, end in self.leaves.values())


class Transfers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.school = School()
        self.model = Model()
        self.absences: list[UUID] = []

    @initialize(capacities=st.lists(st.integers(0, 3), min_size=4, max_size=4), odd_path=st.booleans())
    def open_school(self, capacities: Sequence[int], odd_path: bool) -> None:
        for mentor_id, capacity in zip(MENTORS, capacities, strict=True):
            paths = ("web",) if odd_path and mentor_id == MENTORS[-1] else ("data", "web")
            self._happened([registered(mentor_id, capacity=capacity, paths=paths)])
            self.model.capacity[mentor_id] = capacity
            self.model.paths[mentor_id] = set(paths)

    @rule(mentor_id=mentors, capacity=st.integers(0, 4))
    def change_capacity(self, mentor_id: UUID, capacity: int) -> None:
        events = change_capacity.decide(ChangeCapacity(capacity), self._mentor(mentor_id))
        assert bool(events) == (capacity != self.model.capacity[mentor_id])
        self._happened([(mentor_id, event) for event in events])
        self.model.capacity[mentor_id] = capacity

    @rule(student_id=students, mentor_id=mentors)
    def enrol(self, student_id: UUID, mentor_id: UUID) -> None:
        if student_id in self.model.mentor_of:
            return
        command = EnrolStudent(student_id, STUDENT_PROFILE, mentor_id, self.now)
        outcome = self._decide(lambda: enrol_student.decide(command, self._mentor(mentor_id)))
        if self.model.full(mentor_id):
            assert outcome == ["capacity_full"]
            return
        assert outcome == []
        self.model.mentor_of[student_id] = mentor_id
        self.model.lenders[student_id] = []

    @rule(
        student_id=students,
        mentor_id=st.none() | mentors,
        permanent=st.booleans(),
        by_support=st.booleans(),
    )
    def transfer(self, student_id: UUID, mentor_id: UUID | None, permanent: bool, by_support: bool) -> None:
        if student_id not in self.model.mentor_of:
            return
        command = TransferStudent(
            student_id, mentor_id, self.now, by_support, kind=TransferKind.PERMANENT if permanent else None
        )
        outcome = self._decide(
            lambda: transfer_student.decide(command, self.school.enrolled(student_id), self.school.mentor(mentor_id))
        )
        expected = self._expected_refusal(student_id, mentor_id, permanent, by_support)
        assert outcome == expected
        if expected or mentor_id is None:
            return
        lenders, before = self.model.lenders[student_id], self.model.mentor_of[student_id]
        if permanent:
            lenders.clear()
        elif mentor_id in lenders:
            del lenders[lenders.index(mentor_id) :]
        else:
            lenders.append(before)
        self.model.mentor_of[student_id] = mentor_id

    @rule(mentor_id=mentors, starts_in_h=st.integers(-48, 200), hours=st.integers(-10, 400))
    def declare(self, mentor_id: UUID, starts_in_h: int, hours: int) -> None:
        absence_id = UUID(int=1_000 + len(self.absences))
        start = self.now + starts_in_h * HOUR
        end = start + hours * HOUR
        command = DeclareAbsence(absence_id, mentor_id, Period(start, end, False, "Europe/Paris"), self.now)
        outcome = self._decide(lambda: declare_absence.decide(command, self._mentor(mentor_id)))
        overlaps = any(
            who == mentor_id and start < other_end and other_start < end
            for who, other_start, other_end in self.model.leaves.values()
        )
        if end <= start:
            assert outcome == ["absence_ends_before_it_begins"]
        elif end <= self.now:
            assert outcome == ["absence_over"]
        elif overlaps:
            assert outcome == ["absence_overlaps"]
        else:
            assert outcome == []
            self.absences.append(absence_id)
            self.model.leaves[absence_id] = (mentor_id, start, end)

    @rule(index=st.integers(0, 20))
    def end_absence(self, index: int) -> None:
        if not self.absences:
            return
        absence_id = self.absences[index % len(self.absences)]
        ended_already = isinstance(self.school.absences[absence_id], Ended)
        found = self.school.absences[absence_id]
        assert isinstance(found, Declared | Ended)
        home = self._mentor(declaration(found).mentor_id)
        events = change_absence.decide_end(EndAbsence(absence_id, self.now), found, home)
        assert bool(events) != ended_already
        self._happened(events)
        self.model.leaves.pop(absence_id, None)

    @rule(hours=st.integers(1, 100))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR

    @invariant()
    def the_places_taken_are_the_students_who_are_there(self) -> None:
        for mentor_id in self.model.capacity:
            held = {student_id for student_id, who in self.model.mentor_of.items() if who == mentor_id}
            assert self._mentor(mentor_id).students == held
        for student_id, mentor_id in self.model.mentor_of.items():
            found = self.school.enrolled(student_id)
            assert (found.mentor_id, found.lenders) == (mentor_id, tuple(self.model.lenders[student_id]))

    def _expected_refusal(
        self, student_id: UUID, mentor_id: UUID | None, permanent: bool, by_support: bool
    ) -> list[str]:
        model = self.model
        if mentor_id == model.mentor_of[student_id]:
            return ["same_mentor"]
        if permanent and not by_support:
            return ["permanent_through_support"]
        if mentor_id is None:
            return ["transfer_refused", "not_a_mentor_account"]
        comes_back = not permanent and mentor_id in model.lenders[student_id]
        if not comes_back and model.is_away(mentor_id, self.now):
            return ["replacement_away"]
        wrong = [] if "data" in model.paths[mentor_id] else ["not_on_path"]
        wrong += ["capacity_full"] if model.full(mentor_id) else []
        return ["transfer_refused", *wrong] if wrong else []

    def _decide(self, decide: Callable[[], Decided]) -> list[str]:
        """The codes of a refusal; none where it was accepted, and then it has happened."""
        try:
            decided = decide()
        except Refused as refused:
            codes = [str(error["code"]) for error in refused.errors if "code" in error]
            return [refused.code, *codes]
        self._happened(decided)
        return []

    def _mentor(self, mentor_id: UUID) -> Registered:
        found = self.school.mentor(mentor_id)
        assert isinstance(found, Registered)
        return found

    def _happened(self, decided: Decided) -> None:
        for happened in decided:
            self.school = evolve(self.school, happened)


@pytest.mark.rule("T3", "T4", "T16", "T18")
@pytest.mark.timeout(3_600)
def test_the_rules_and_a_plain_model_agree_on_every_sequence() -> None:
    run_state_machine_as_test(
        Transfers,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=30,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
