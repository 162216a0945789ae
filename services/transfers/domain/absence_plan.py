"""What an absence asks for, student by student, and what of the preparation is done (T5–T15)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

from services.transfers.domain.absence import Absence, Consent, Declared, Ended, NotDeclared, Preparation
from services.transfers.domain.advice import Action, Advice, advise
from services.transfers.domain.mentor import Registered
from services.transfers.domain.student import Enrolled


class Status(StrEnum):
    PLANNED = "planned"
    ONGOING = "ongoing"
    RETURNING = "returning"  # the date has come, and students are still with their replacements
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SessionsWithin:
    """A student's sessions within an absence, whoever holds them: all but the cancelled, and those still to come."""

    planned: int
    remaining: int


NONE_WITHIN: Final = SessionsWithin(0, 0)


@dataclass(frozen=True, slots=True)
class StudentPlan:
    """`sessions_left` are still planned within the absence with the absent mentor; `mentor_id` accompanies them now."""

    student_id: UUID
    student: Enrolled
    sessions_missed: int
    sessions_left: int
    advice: Advice
    consent: Consent
    done: bool
    to_return: bool


@dataclass(frozen=True, slots=True)
class Plan:
    students: tuple[StudentPlan, ...]
    checklist: Mapping[Preparation, bool]

    @property
    def waiting(self) -> tuple[UUID, ...]:
        """Students for whom nothing is settled yet."""
        return tuple(plan.student_id for plan in self.students if not plan.done)

    @property
    def away(self) -> tuple[UUID, ...]:
        """Students who are with a replacement and are to come back (T16)."""
        return tuple(plan.student_id for plan in self.students if plan.to_return)


def plan(
    absence: Declared,
    mentor: Registered,
    students: Mapping[UUID, Enrolled],
    within: Mapping[UUID, SessionsWithin],
) -> Plan:
    """`students`: those of the declaration and those who came since; `within`: what they have planned."""
    plans = tuple(
        _student_plan(absence, student_id, student, within.get(student_id, NONE_WITHIN))
        for student_id, student in sorted(students.items(), key=lambda item: (item[1].profile.name, item[0]))
    )
    to_hand_over = [plan for plan in plans if plan.advice.action is Action.TRANSFER]
    return Plan(
        plans,
        {
            Preparation.CAPACITY_ZERO: mentor.capacity == 0,
            Preparation.PEERS_ASKED: Preparation.PEERS_ASKED in absence.ticked,
            Preparation.STUDENTS_WARNED: Preparation.STUDENTS_WARNED in absence.ticked,
            Preparation.HANDOVER_COMMENTS: all(_has_handover_comment(absence, plan.student) for plan in to_hand_over),
            Preparation.TRANSFERS: all(plan.done for plan in to_hand_over),
        },
    )


def status(absence: Absence, plan: Plan, now: datetime) -> Status:
    match absence:
        case NotDeclared():
            return Status.ENDED
        case Ended():
            return Status.RETURNING if plan.away else Status.ENDED
        case Declared(period=period):
            if now < period.from_at:
                return Status.PLANNED
            if now < period.to_at:
                return Status.ONGOING
            return Status.RETURNING if plan.away else Status.ENDED
        case _:
            assert_never(absence)


def _student_plan(absence: Declared, student_id: UUID, student: Enrolled, within: SessionsWithin) -> StudentPlan:
    recorded = absence.consents.get(student_id)
    consent = recorded.consent if recorded else Consent.NOT_ASKED
    with_mentor = student.mentor_id == absence.mentor_id
    missed = max(within.planned, recorded.sessions_missed if recorded else 0)
    advice = advise(student.profile.funding, sessions_missed=missed, consent=consent)
    left = within.remaining if with_mentor else 0
    kept = advice.action is Action.KEEP and left == 0 and (missed == 0 or consent is Consent.GIVEN)
    return StudentPlan(
        student_id=student_id,
        student=student,
        sessions_missed=missed,
        sessions_left=left,
        advice=advice,
        consent=consent,
        done=not with_mentor or kept,
        to_return=absence.mentor_id in student.lenders,
    )


def _has_handover_comment(absence: Declared, student: Enrolled) -> bool:
    """One that says when the mentor is back from this absence."""
    return any(
        comment.return_on is not None and comment.return_on > absence.period.first_day for comment in student.comments
    )
