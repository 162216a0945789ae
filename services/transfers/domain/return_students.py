"""T16: on return, the students go back to their mentor; the capacity is diagnosed first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.chassis.refusal import Refused
from services.transfers.domain.absence import Declared, Ended
from services.transfers.domain.change_absence import EndAbsence, decide_end
from services.transfers.domain.mentor import Registered
from services.transfers.domain.pairing import Decided
from services.transfers.domain.student import Enrolled, TransferKind
from services.transfers.domain.transfer_student import TransferStudent
from services.transfers.domain.transfer_student import decide as decide_transfer


@dataclass(frozen=True, slots=True)
class ReturnStudents:
    """`all_back`: after these students, no other one is with a replacement."""

    absence_id: UUID
    now: datetime
    by_support: bool
    all_back: bool


def decide(
    command: ReturnStudents, absence: Declared | Ended, mentor: Registered, students: Mapping[UUID, Enrolled]
) -> Decided:
    """All of `students` go back, or none. Too small a capacity is raised first; the refusal says to how much.

    With the last of them, an absence that has begun is over.
    """
    declared = absence.absence if isinstance(absence, Ended) else absence
    transfers = _transfers_back(command, declared, mentor, students)
    if command.all_back and command.now >= declared.period.from_at:
        return transfers + decide_end(EndAbsence(command.absence_id, command.now), absence)
    return transfers


def _transfers_back(
    command: ReturnStudents, absence: Declared, mentor: Registered, students: Mapping[UUID, Enrolled]
) -> Decided:
    if len(students) > mentor.free_places:
        needed = len(mentor.students) + len(students)
        raise Refused(
            "capacity_full",
            f"Le mentor qui revient doit d'abord relever sa capacité d'accueil d'étudiants à {needed} au moins, "
            "puis le transfert en sens inverse sera possible.",
            f"The returning mentor first raises their student capacity to {needed} at least; "
            "then the transfer back will work.",
            errors=[{"code": "capacity_full", "passed": False, "capacity_needed": needed}],
        )
    decided: Decided = []
    refused: list[Mapping[str, object]] = []
    for student_id, student in students.items():
        transfer = TransferStudent(
            student_id=student_id,
            to_mentor_id=absence.mentor_id,
            now=command.now,
            by_support=command.by_support,
            kind=TransferKind.RETURN,
            absence_id=command.absence_id,
        )
        try:
            decided += decide_transfer(transfer, student, mentor)
        except Refused as refusal:
            refused += [{"student_id": str(student_id), **error} for error in refusal.errors]
    if refused:
        raise Refused(
            "transfer_refused",
            "Certains étudiants ne peuvent pas encore revenir ; la raison est indiquée pour chacun.",
            "Some students can't come back yet; the reason is listed for each.",
            errors=refused,
        )
    return decided
