"""T3, T11, T15, T16, T18: a student goes to another mentor, at once.

T4: for good, only through support.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import assert_never
from uuid import UUID

from services.chassis.refusal import Refused
from services.transfers.domain.absence import Absence, Declared, Ended, NotDeclared
from services.transfers.domain.check_transfer import Outcome, diagnose
from services.transfers.domain.mentor import Mentor, Registered, StudentAssigned, StudentReleased
from services.transfers.domain.pairing import Decided
from services.transfers.domain.refused_transfer import FailedDiagnoses, TransferRefused
from services.transfers.domain.student import Enrolled, StudentTransferred, TransferKind


@dataclass(frozen=True, slots=True)
class TransferStudent:
    """`to_mentor_id`: whose account the exact e-mail is, None where nobody's. No date: a transfer is immediate (T3).

    `kind` None: a return where that mentor had handed the student over, a one-off otherwise.
    `return_on` is the end of the absence where there is one; the date on the student's dashboard counts otherwise.
    """

    student_id: UUID
    to_mentor_id: UUID | None
    now: datetime
    by_support: bool
    kind: TransferKind | None = None
    absence_id: UUID | None = None
    return_on: date | None = None


def decide(command: TransferStudent, student: Enrolled, replacement: Mentor) -> Decided:
    """Writes to the student and to both mentors at once: the places taken and freed are part of the transfer."""
    to_mentor_id = command.to_mentor_id
    if to_mentor_id == student.mentor_id:
        raise same_mentor()
    kind = _kind(command, student)
    if kind is not TransferKind.RETURN and (away := why_away(replacement, command.now)) is not None:
        raise away
    failed = [
        diagnosis
        for diagnosis in diagnose(student, replacement, returns=to_mentor_id in student.lenders)
        if diagnosis.outcome is Outcome.FAILED
    ]
    if failed or to_mentor_id is None:
        raise FailedDiagnoses(
            "transfer_refused",
            " ".join(diagnosis.fr for diagnosis in failed),
            " ".join(diagnosis.en for diagnosis in failed),
            errors=[
                {"code": diagnosis.code, "passed": False, "message": {"fr": diagnosis.fr, "en": diagnosis.en}}
                for diagnosis in failed
            ],
            attempts=[refused_attempt(command, student, kind, tuple(diagnosis.code for diagnosis in failed))],
        )
    profile = student.profile
    transferred = StudentTransferred(
        from_mentor_id=student.mentor_id,
        to_mentor_id=to_mentor_id,
        path=profile.path,
        project=profile.project,
        funding=profile.funding,
        kind=kind,
        absence_id=command.absence_id,
        expected_return_on=(command.return_on or student.announced_return_on) if kind is TransferKind.ONE_OFF else None,
        transferred_at=command.now,
    )
    return [
        (command.student_id, transferred),
        (student.mentor_id, StudentReleased(command.student_id, returns=kind is TransferKind.ONE_OFF)),
        (to_mentor_id, StudentAssigned(command.student_id)),
    ]


def refused_attempt(
    command: TransferStudent, student: Enrolled, kind: TransferKind, diagnoses: tuple[str, ...]
) -> TransferRefused:
    profile = student.profile
    return TransferRefused(
        student_id=command.student_id,
        from_mentor_id=student.mentor_id,
        to_mentor_id=command.to_mentor_id,
        path=profile.path,
        project=profile.project,
        funding=profile.funding,
        kind=kind,
        absence_id=command.absence_id,
        diagnoses=diagnoses,
        refused_at=command.now,
    )


def same_mentor() -> Refused:
    return Refused(
        "same_mentor",
        "Ce mentor accompagne déjà l'étudiant : indiquez l'adresse e-mail du mentor qui prend le relais.",
        "This mentor already accompanies the student: give the e-mail of the mentor who takes over.",
    )


def refuse_other_absence(absence: Absence, student: Enrolled, to_mentor_id: UUID | None) -> Declared:
    """A transfer is done for the absence of the mentor who hands the student over, or who takes them back."""
    match absence:
        case NotDeclared():
            raise Refused("absence_unknown", "Cette absence n'existe pas.", "There is no such absence.")
        case Declared(mentor_id=mentor_id) if mentor_id == student.mentor_id:
            return absence
        case Declared() | Ended():
            declared = absence.absence if isinstance(absence, Ended) else absence
            if declared.mentor_id == to_mentor_id:
                return declared
            raise Refused(
                "absence_of_another",
                "Cette absence n'est pas celle du mentor qui confie l'étudiant, ou elle est terminée.",
                "This absence is not that of the mentor who hands the student over, or it is over.",
            )
        case _:
            assert_never(absence)


def why_away(replacement: Mentor, now: datetime) -> Refused | None:
    """Nobody takes over who is away at that very moment; they could not hold a session this week."""
    if isinstance(replacement, Registered) and any(leave.from_at <= now < leave.to_at for leave in replacement.leaves):
        return Refused(
            "replacement_away",
            "Ce mentor est lui-même absent en ce moment : sollicitez un autre mentor du parcours, ou le support.",
            "This mentor is away at the moment: ask another mentor of the path, or support.",
        )
    return None


def _kind(command: TransferStudent, student: Enrolled) -> TransferKind:
    """Back to a mentor who had handed the student over is a return, whatever it is called, unless it is for good."""
    if command.kind is TransferKind.PERMANENT:
        if not command.by_support:
            raise Refused(
                "permanent_through_support",
                "Un transfert définitif, ou pour une pause de longue durée, se fait avec le support : contactez-le.",
                "A permanent transfer, or one for a long pause, is done by support: please contact them.",
            )
        return TransferKind.PERMANENT
    if command.to_mentor_id in student.lenders:
        return TransferKind.RETURN
    if command.kind is TransferKind.RETURN:
        raise Refused(
            "not_a_return",
            "Ce mentor n'avait pas confié cet étudiant : un retour se fait vers un mentor qui l'avait confié.",
            "This mentor had not handed this student over: a return goes to a mentor who had.",
        )
    return TransferKind.ONE_OFF
