"""A student's account arrives from the school's directory, with the first mentor."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.chassis.refusal import Refused
from services.transfers.domain.mentor import Mentor, NotRegistered, Registered, StudentAssigned
from services.transfers.domain.pairing import Decided
from services.transfers.domain.student import StudentEnrolled, StudentProfile


@dataclass(frozen=True, slots=True)
class EnrolStudent:
    student_id: UUID
    profile: StudentProfile
    mentor_id: UUID
    now: datetime


def decide(command: EnrolStudent, mentor: Mentor) -> Decided:
    """The student takes a place with the mentor; a mentor without a free one takes nobody (T12).

    Writes to the student and to the mentor at once.
    """
    match mentor:
        case NotRegistered():
            raise Refused(
                "mentor_unknown",
                "Le mentor indiqué n'a pas de compte : enregistrez d'abord le mentor.",
                "The mentor named here has no account: register the mentor first.",
            )
        case Registered(free_places=0):
            raise Refused(
                "capacity_full",
                "Ce mentor n'a plus de place disponible : choisissez un autre mentor, ou augmentez sa capacité.",
                "This mentor has no free place: choose another mentor, or raise the mentor's capacity.",
            )
        case Registered():
            return [
                (command.student_id, StudentEnrolled(command.profile, command.mentor_id, command.now)),
                (command.mentor_id, StudentAssigned(command.student_id)),
            ]
        case _:
            assert_never(mentor)
