"""The directory sends a student's account again. Who accompanies the student is left alone: that is for transfers."""

from dataclasses import dataclass, replace

from services.transfers.domain.student import Enrolled, StudentProfile, StudentUpdated


@dataclass(frozen=True, slots=True)
class UpdateStudent:
    profile: StudentProfile


def decide(command: UpdateStudent, student: Enrolled) -> list[StudentUpdated]:
    """Only a difference becomes an event; the same account again is silence. A language that was chosen stays."""
    profile = replace(command.profile, language=student.chosen_language or command.profile.language)
    return [] if profile == student.profile else [StudentUpdated(profile)]
