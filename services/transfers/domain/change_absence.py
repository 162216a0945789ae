"""The dates of an absence change, or it ends early."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.refusal import Conflict
from services.transfers.domain.absence import (
    Absence,
    AbsenceChanged,
    AbsenceEnded,
    Declared,
    Ended,
    NotDeclared,
    Period,
)
from services.transfers.domain.absence_plan import Plan
from services.transfers.domain.declare_absence import refuse_overlap, refuse_unless_possible
from services.transfers.domain.mentor import LeaveOver, LeavePlanned, Registered
from services.transfers.domain.pairing import Decided


@dataclass(frozen=True, slots=True)
class ChangeAbsence:
    absence_id: UUID
    period: Period
    now: datetime


@dataclass(frozen=True, slots=True)
class EndAbsence:
    absence_id: UUID
    now: datetime


def decide(command: ChangeAbsence, absence: Declared, mentor: Registered) -> Decided:
    """Other dates, decided anew: not over, and not on those of another absence."""
    if command.period == absence.period:
        return []
    refuse_unless_possible(command.period, now=command.now)
    refuse_overlap(command.period, mentor, absence_id=command.absence_id)
    changed = AbsenceChanged(absence.mentor_id, absence.period, command.period, command.now)
    return [
        (command.absence_id, changed),
        (absence.mentor_id, LeavePlanned(command.absence_id, command.period.from_at, command.period.to_at)),
    ]


def decide_end(command: EndAbsence, absence: Absence, mentor: Registered) -> Decided:
    """The mentor is back, or does not leave after all. Said twice: it is over already."""
    match absence:
        case NotDeclared() | Ended():
            return []
        case Declared():
            early = command.now < absence.period.to_at
            return [
                (
                    command.absence_id,
                    AbsenceEnded(absence.mentor_id, early, command.now, tuple(sorted(mentor.students))),
                ),
                (absence.mentor_id, LeaveOver(command.absence_id)),
            ]


def decide_end_on_its_date(command: EndAbsence, absence: Absence, mentor: Registered, plan: Plan) -> Decided:
    """An absence whose date has come is over by itself once no student is with a replacement any more."""
    if isinstance(absence, Declared) and command.now >= absence.period.to_at and not plan.away:
        return decide_end(command, absence, mentor)
    return []


def open_absence(absence: Absence) -> Declared:
    """Raises Conflict where the absence is over: what is over is not prepared any more."""
    if isinstance(absence, Declared):
        return absence
    raise Conflict("absence_ended", "Cette absence est terminée.", "This absence is over.")
