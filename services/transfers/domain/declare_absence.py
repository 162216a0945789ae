"""T1: a mentor who pauses, or is away for even one session, says so, and organises who takes over."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.chassis.refusal import Conflict, Refused
from services.transfers.domain.absence import AbsenceDeclared, Period
from services.transfers.domain.mentor import LeavePlanned, Registered
from services.transfers.domain.pairing import Decided

LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class DeclareAbsence:
    absence_id: UUID
    mentor_id: UUID
    period: Period
    now: datetime


def decide(command: DeclareAbsence, mentor: Registered) -> Decided:
    """Writes to the absence and to the mentor at once, so that two absences of one mentor never overlap."""
    refuse_unless_possible(command.period, now=command.now)
    refuse_overlap(command.period, mentor, absence_id=command.absence_id)
    students = tuple(sorted(mentor.students))
    return [
        (command.absence_id, AbsenceDeclared(command.mentor_id, command.period, students, command.now)),
        (command.mentor_id, LeavePlanned(command.absence_id, command.period.from_at, command.period.to_at)),
    ]


def refuse_unless_possible(period: Period, *, now: datetime) -> None:
    """An absence that has begun can still be declared (somebody falls ill); one that is over can not."""
    if period.to_at <= period.from_at:
        raise Refused(
            "absence_ends_before_it_begins",
            "La fin de l'absence vient après son début.",
            "The end of an absence comes after its beginning.",
        )
    if period.to_at <= now:
        raise Refused(
            "absence_over",
            "Cette absence est déjà terminée : une absence se déclare avant votre retour.",
            "This absence is over already: an absence is declared before your return.",
        )
    if period.to_at - period.from_at > LONGEST:
        raise Refused(
            "long_pause_through_support",
            "Une pause de plus d'un an s'organise avec le support : contactez-le.",
            "A pause of more than a year is organised with support: please contact them.",
        )


def refuse_overlap(period: Period, mentor: Registered, *, absence_id: UUID) -> None:
    for leave in mentor.leaves:
        if leave.absence_id != absence_id and period.overlaps(leave.from_at, leave.to_at):
            raise Conflict(
                "absence_overlaps",
                "Une absence est déjà déclarée à ces dates : modifiez-la plutôt que d'en déclarer une autre.",
                "An absence is declared on these dates already: change it instead of declaring another.",
                errors=[{"absence_id": str(leave.absence_id)}],
            )
