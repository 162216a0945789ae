"""What an absence asks for, student by student, and what of the preparation is done (T5–T15)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from services.transfers.domain.absence import (
    Absence,
    Consent,
    Declared,
    Ended,
    NotDeclared,
    Preparation,
    declaration,
)
from services.transfers.domain.advice import Action, Advice, advise
from services.transfers.domain.mentor import Registered
from services.transfers.domain.missed_sessions import NOTHING_MISSED, Missed
from services.transfers.domain.student import Enrolled


class Status(StrEnum):
    PLANNED = "planned"
    ONGOING = "ongoing"
    RETURNING = "returning"  # the date has come, and students are still with their replacements
    ENDED = "ended"


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


def accompanied(absence: Declared | Ended, mentor: Registered) -> frozenset[UUID]:
    """Whom the mentor accompanied at the declaration, or came since and was there until the end."""
    since = absence.students if isinstance(absence, Ended) else mentor.students
    return frozenset((*declaration(absence).students, *since))


def lent_for(absence_id: UUID, absence: Declared | Ended, student: Enrolled) -> bool:
    """T16: the student is with a replacement because of this absence, and is to come back.

    Where the transfer names no absence, it is the one that was declared then and not over.
    """
    lending = student.lent_by(declaration(absence).mentor_id)
    if lending is None:
        return False
    if lending.absence_id is not None:
        return lending.absence_id == absence_id
    over = isinstance(absence, Ended) and lending.transferred_at > absence.ended_at
    return declaration(absence).declared_at <= lending.transferred_at and not over


def plan(
    absence_id: UUID,
    absence: Declared | Ended,
    mentor: Registered,
    students: Mapping[UUID, Enrolled],
    missed: Mapping[UUID, Missed],
) -> Plan:
    """`students`: at least all whom the mentor accompanies or has lent, of whom those whom the absence concerns count.

    `missed`: what it makes them miss; who is not in it misses nothing.
    """
    concerned = accompanied(absence, mentor)
    declared = declaration(absence)
    plans = tuple(
        _student_plan(declared, student_id, student, missed.get(student_id, NOTHING_MISSED), to_return=to_return)
        for student_id, student in sorted(students.items(), key=lambda item: (item[1].profile.name, item[0]))
        if (to_return := lent_for(absence_id, absence, student)) or student_id in concerned
    )
    to_hand_over = [plan for plan in plans if plan.advice.action is Action.TRANSFER]
    return Plan(
        plans,
        {
            Preparation.CAPACITY_ZERO: mentor.capacity == 0,
            Preparation.PEERS_ASKED: Preparation.PEERS_ASKED in declared.ticked,
            Preparation.STUDENTS_WARNED: Preparation.STUDENTS_WARNED in declared.ticked,
            Preparation.HANDOVER_COMMENTS: all(_has_handover_comment(declared, plan.student) for plan in to_hand_over),
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


def _student_plan(
    absence: Declared, student_id: UUID, student: Enrolled, sessions: Missed, *, to_return: bool
) -> StudentPlan:
    """Kept is settled once the student agreed and every session of theirs has a solution; or where none is missed."""
    recorded = absence.consents.get(student_id)
    consent = recorded.consent if recorded else Consent.NOT_ASKED
    with_mentor = student.mentor_id == absence.mentor_id
    missed = sessions.missed
    advice = advise(student.profile.funding, sessions_missed=missed, consent=consent)
    solved = missed == 0 or (consent is Consent.GIVEN and sessions.open == 0)
    kept = advice.action is Action.KEEP and sessions.left == 0 and solved
    return StudentPlan(
        student_id=student_id,
        student=student,
        sessions_missed=missed,
        sessions_left=sessions.left if with_mentor else 0,
        advice=advice,
        consent=consent,
        done=not with_mentor or kept,
        to_return=to_return,
    )


def _has_handover_comment(absence: Declared, student: Enrolled) -> bool:
    """One that says when the mentor is back from this absence."""
    return any(
        comment.return_on is not None and comment.return_on > absence.period.first_day for comment in student.comments
    )
