"""The directory sends a student's account again. Who accompanies the student is left alone: that is for transfers."""

from dataclasses import dataclass

from services.transfers.domain.student import Enrolled, StudentProfile, StudentUpdated


@dataclass(frozen=True, slots=True)
class UpdateStudent:
    profile: StudentProfile


def decide(command: UpdateStudent, student: Enrolled) -> list[StudentUpdated]:
    """Only a difference becomes an event; the same account again is silence."""
    return [] if command.profile == student.profile else [StudentUpdated(command.profile)]
