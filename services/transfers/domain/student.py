"""A student: an account, a path, one current project, one funding, and one mentor at a time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID


class Funding(StrEnum):
    THIRD_PARTY = "third_party"  # « Financé par un organisme tiers »
    APPRENTICESHIP = "apprenticeship"  # « En alternance »
    SELF_FUNDED = "self_funded"  # « Auto-financement »


class Weekday(StrEnum):
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class TransferKind(StrEnum):
    ONE_OFF = "one_off"  # « Transfert ponctuel »: the mentor comes back
    RETURN = "return"  # back to a mentor who had handed the student over
    PERMANENT = "permanent"  # through support (T4)


@dataclass(frozen=True, slots=True)
class StudentProfile:
    """What the school's directory says of a student. `training_day` is the planned day of an apprentice (T7)."""

    email: str
    name: str
    path: str
    project: str
    funding: Funding
    training_day: Weekday | None
    language: str


@dataclass(frozen=True, slots=True)
class StudentEnrolled:
    profile: StudentProfile
    mentor_id: UUID
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class StudentUpdated:
    profile: StudentProfile


@dataclass(frozen=True, slots=True)
class LanguageChosen:
    """The student chose the language of their e-mails: the profile as it is from then on."""

    profile: StudentProfile


@dataclass(frozen=True, slots=True)
class StudentTransferred:
    from_mentor_id: UUID
    to_mentor_id: UUID
    path: str
    project: str
    funding: Funding
    kind: TransferKind
    absence_id: UUID | None
    expected_return_on: date | None
    transferred_at: datetime


@dataclass(frozen=True, slots=True)
class PrivateCommentAdded:
    """« Commentaire privé »: for the student's mentors and support. A hand-over comment (T14) has its four parts."""

    comment_id: UUID
    author: str
    author_name: str
    added_at: datetime
    text: str | None
    mentor_name: str | None
    leave_from: date | None
    return_on: date | None
    about_the_student: str | None

    @property
    def is_handover(self) -> bool:
        return self.return_on is not None


StudentEvent = StudentEnrolled | StudentUpdated | LanguageChosen | StudentTransferred | PrivateCommentAdded


@dataclass(frozen=True, slots=True)
class NotEnrolled:
    """No account has come from the directory yet."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A student with a mentor.

    `lenders` are the mentors who handed the student over for a while, oldest first: the student can return to them.
    `chosen_language` is the student's own choice, which the directory does not change.
    """

    profile: StudentProfile
    mentor_id: UUID
    enrolled_at: datetime
    lenders: tuple[UUID, ...] = ()
    transfers: tuple[StudentTransferred, ...] = ()
    comments: tuple[PrivateCommentAdded, ...] = ()
    chosen_language: str | None = None

    @property
    def mentors(self) -> frozenset[UUID]:
        """The student's mentors: the one who accompanies them now, and those who are to come back."""
        return frozenset((self.mentor_id, *self.lenders))

    def lent_by(self, mentor_id: UUID) -> StudentTransferred | None:
        """The transfer by which this mentor, who is to come back, handed the student over."""
        if mentor_id not in self.lenders:
            return None
        return next((done for done in reversed(self.transfers) if done.from_mentor_id == mentor_id), None)

    @property
    def announced_return_on(self) -> date | None:
        """The return date on the dashboard: that of the last hand-over comment since the last transfer (T10, T16)."""
        since = self.transfers[-1].transferred_at if self.transfers else self.enrolled_at
        handovers = [comment for comment in self.comments if comment.is_handover and comment.added_at >= since]
        return handovers[-1].return_on if handovers else None


Student = NotEnrolled | Enrolled


def lenders_after(student: Enrolled, transfer: StudentTransferred) -> tuple[UUID, ...]:
    """Who may take the student back after this transfer: a chain of replacements unwinds to the mentor who returns."""
    match transfer.kind:
        case TransferKind.ONE_OFF:
            return (*student.lenders, transfer.from_mentor_id)
        case TransferKind.RETURN if transfer.to_mentor_id in student.lenders:
            return student.lenders[: student.lenders.index(transfer.to_mentor_id)]
        case TransferKind.RETURN | TransferKind.PERMANENT:
            return ()
        case _:
            assert_never(transfer.kind)


def evolve(student: Student, event: StudentEvent) -> Student:
    if isinstance(student, NotEnrolled):
        return (
            Enrolled(event.profile, event.mentor_id, event.enrolled_at)
            if isinstance(event, StudentEnrolled)
            else student
        )
    match event:
        case StudentEnrolled() | StudentUpdated():
            return replace(student, profile=event.profile)
        case LanguageChosen():
            return replace(student, profile=event.profile, chosen_language=event.profile.language)
        case StudentTransferred():
            return replace(
                student,
                mentor_id=event.to_mentor_id,
                lenders=lenders_after(student, event),
                transfers=(*student.transfers, event),
            )
        case PrivateCommentAdded():
            return replace(student, comments=(*student.comments, event))
        case _:
            assert_never(event)


def fold(events: Iterable[StudentEvent]) -> Student:
    student: Student = NotEnrolled()
    for event in events:
        student = evolve(student, event)
    return student
