"""T16: on return, the students go back to their mentor; the capacity is diagnosed first."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.transfers.domain.absence import Declared, Ended, declaration
from services.transfers.domain.change_absence import EndAbsence, decide_end
from services.transfers.domain.mentor import Registered
from services.transfers.domain.pairing import Decided
from services.transfers.domain.refused_transfer import FailedDiagnoses, TransferRefused
from services.transfers.domain.student import Enrolled, TransferKind
from services.transfers.domain.transfer_student import TransferStudent, refused_attempt
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
    declared = declaration(absence)
    transfers = _transfers_back(command, declared.mentor_id, mentor, students)
    if command.all_back and command.now >= declared.period.from_at:
        with_all = replace(mentor, students=mentor.students | students.keys())
        return transfers + decide_end(EndAbsence(command.absence_id, command.now), absence, with_all)
    return transfers


def _transfers_back(
    command: ReturnStudents, home: UUID, mentor: Registered, students: Mapping[UUID, Enrolled]
) -> Decided:
    transfers = {student_id: _transfer_back(command, home, student_id) for student_id in students}
    if len(students) > mentor.free_places:
        needed = len(mentor.students) + len(students)
        raise FailedDiagnoses(
            "capacity_full",
            f"Le mentor qui revient doit d'abord relever sa capacité d'accueil d'étudiants à {needed} au moins, "
            "puis le transfert en sens inverse sera possible.",
            f"The returning mentor first raises their student capacity to {needed} at least; "
            "then the transfer back will work.",
            errors=[{"code": "capacity_full", "passed": False, "capacity_needed": needed}],
            attempts=[
                refused_attempt(transfers[student_id], student, TransferKind.RETURN, ("capacity_full",))
                for student_id, student in students.items()
            ],
        )
    decided: Decided = []
    errors: list[Mapping[str, object]] = []
    attempts: list[TransferRefused] = []
    for student_id, student in students.items():
        try:
            decided += decide_transfer(transfers[student_id], student, mentor)
        except FailedDiagnoses as refusal:
            errors += [{"student_id": str(student_id), **error} for error in refusal.errors]
            attempts += refusal.attempts
    if errors:
        raise FailedDiagnoses(
            "transfer_refused",
            "Certains étudiants ne peuvent pas encore revenir ; la raison est indiquée pour chacun.",
            "Some students can't come back yet; the reason is listed for each.",
            errors=errors,
            attempts=attempts,
        )
    return decided


def _transfer_back(command: ReturnStudents, home: UUID, student_id: UUID) -> TransferStudent:
    return TransferStudent(
        student_id=student_id,
        to_mentor_id=home,
        now=command.now,
        by_support=command.by_support,
        kind=TransferKind.RETURN,
        absence_id=command.absence_id,
    )
