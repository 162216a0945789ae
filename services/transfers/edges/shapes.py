"""Bodies that come in, strict: unknown fields are refused, every text and list has a bound. And answers that go out."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from services.chassis.http import Instant
from services.chassis.refusal import Refused
from services.transfers.domain.change_capacity import CAPACITY_MAX
from services.transfers.domain.check_transfer import Diagnosis
from services.transfers.domain.mentor import MentorProfile, Registered
from services.transfers.domain.student import (
    Enrolled,
    Funding,
    PrivateCommentAdded,
    StudentProfile,
    StudentTransferred,
    TransferKind,
    Weekday,
)

NAME_MAX_CHARS: Final = 200
LABEL_MAX_CHARS: Final = 120
COMMENT_MAX_CHARS: Final = 5_000
PROFILE_MAX_ITEMS: Final = 100
EMAIL_MAX_CHARS: Final = 254
IMPORT_MAX_ROWS: Final = 1_000

_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]+(\.[\w-]+)+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TIMEZONES = frozenset(available_timezones())
# A name that plans a transfer: starts_at, date, from, scheduled_for, on, when…
_PLANNED = re.compile(r"(^|_)(at|on|date|day|time|from|for|when|start|starts|until|to|scheduled?|effective)(_|$)", re.I)


def _plain_text(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("control characters are not accepted")
    return value


def _one_line(value: str) -> str:
    """Names stand in the subjects of e-mails and in cells of files: no line break, no control character."""
    if _BREAKS.search(value):
        raise ValueError("one line of text is expected, without control characters")
    return value


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("a whole e-mail address is expected, such as alice@example.org")
    return value


def _timezone(value: str) -> str:
    if value not in _TIMEZONES:
        raise ValueError("an IANA time zone is expected, such as Europe/Paris")
    return value


def _written_date(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return value
    raise ValueError("a date is expected, such as 2026-11-03")


def _written_instant(value: object) -> object:
    if isinstance(value, str):
        return value
    raise ValueError("an instant is expected, such as 2026-11-03T17:00:00Z")


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


Email = Annotated[str, Field(min_length=3, max_length=EMAIL_MAX_CHARS), AfterValidator(_email)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX_CHARS), AfterValidator(_one_line)]
Label = Annotated[str, Field(min_length=1, max_length=LABEL_MAX_CHARS), AfterValidator(_one_line)]
Labels = Annotated[tuple[Label, ...], Field(max_length=PROFILE_MAX_ITEMS), AfterValidator(_each_once)]
Text = Annotated[str, Field(min_length=1, max_length=COMMENT_MAX_CHARS), AfterValidator(_plain_text)]
Timezone = Annotated[str, Field(max_length=64), AfterValidator(_timezone)]
Capacity = Annotated[int, Field(strict=True, ge=0, le=CAPACITY_MAX)]
WrittenDate = Annotated[date, BeforeValidator(_written_date)]
WrittenInstant = Annotated[Instant, BeforeValidator(_written_instant)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class MentorAccount(Body):
    """A mentor as the school's directory sends them. `capacity` counts all places, those that are taken too."""

    email: Email
    name: Name
    capacity: Capacity
    paths: Labels
    projects: Labels
    timezone: Timezone = "Europe/Paris"

    def profile(self) -> MentorProfile:
        return MentorProfile(self.email, self.name, self.paths, self.projects, self.timezone)


class StudentAccount(Body):
    """A student as the school's directory sends them. `training_day` is an apprentice's (T7)."""

    email: Email
    name: Name
    path: Label
    project: Label
    funding: Funding
    training_day: Weekday | None = None
    language: Literal["fr", "en"] = "fr"

    def profile(self) -> StudentProfile:
        return StudentProfile(
            self.email, self.name, self.path, self.project, self.funding, self.training_day, self.language
        )


class EnrolledAccount(StudentAccount):
    """`mentor_id` counts when the student is new; later, who accompanies them is a matter of transfers."""

    mentor_id: UUID


class NewLanguage(Body):
    language: Literal["fr", "en"]


class NewCapacity(Body):
    capacity: Capacity


class TransferTo(Body):
    """The other mentor, by the exact e-mail of their account (T11, T15)."""

    mentor_email: Email

    @model_validator(mode="before")
    @classmethod
    def _immediate(cls, body: Any) -> Any:
        """T3: a transfer can't be scheduled ahead, nor for a date."""
        if isinstance(body, Mapping) and any(
            isinstance(name, str) and name not in cls.model_fields and _PLANNED.search(name) for name in body
        ):
            raise Refused(
                "transfer_is_immediate",
                "Un transfert est immédiat : il ne se programme ni à l'avance ni à une date. "
                "Faites-le, sans date, au moment où vous en avez besoin.",
                "A transfer is immediate: it can't be scheduled ahead, nor for a date. "
                "Do it, without a date, when you need it.",
            )
        return body


class NewTransfer(TransferTo):
    """Without `kind`: a return where the student goes back, a one-off otherwise. `permanent`: support only."""

    kind: TransferKind | None = None
    absence_id: UUID | None = None


class NewComment(Body):
    """A private comment has a text; a hand-over comment (T14) has the four other parts."""

    text: Text | None = None
    mentor_name: Name | None = None
    leave_from: WrittenDate | None = None
    return_on: WrittenDate | None = None
    about_the_student: Text | None = None


class MentorRow(MentorAccount):
    kind: Literal["mentor"]
    mentor_id: UUID


class StudentRow(EnrolledAccount):
    """`mentor_id` is the first mentor; transfers lead to the present one."""

    kind: Literal["student"]
    student_id: UUID
    enrolled_at: WrittenInstant | None = None


class TransferRow(Body):
    """A transfer that has taken place."""

    kind: Literal["transfer"]
    student_id: UUID
    to_mentor_id: UUID
    at: WrittenInstant
    transfer_kind: TransferKind | None = None
    expected_return_on: WrittenDate | None = None


Row = Annotated[MentorRow | StudentRow | TransferRow, Field(discriminator="kind")]


class PeopleImport(Body):
    """Rows in an order in which each stands on those before it. All are taken, or none."""

    dry_run: bool = False
    rows: Annotated[list[Row], Field(max_length=IMPORT_MAX_ROWS)]


class Addresses(Body):
    """E-mails whose accounts are asked for."""

    emails: Annotated[list[Annotated[str, Field(max_length=EMAIL_MAX_CHARS)]], Field(max_length=IMPORT_MAX_ROWS)]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class MentorAnswer(Answer):
    mentor_id: UUID
    email: str
    name: str
    capacity: int
    paths: tuple[str, ...]
    projects: tuple[str, ...]
    timezone: str
    students: int
    version: int

    @classmethod
    def of(cls, mentor_id: UUID, mentor: Registered, version: int) -> Self:
        profile = mentor.profile
        return cls(
            mentor_id=mentor_id,
            email=profile.email,
            name=profile.name,
            capacity=mentor.capacity,
            paths=profile.paths,
            projects=profile.projects,
            timezone=profile.timezone,
            students=len(mentor.students),
            version=version,
        )


class MentorContact(Answer):
    """What a student reads of their mentor: whom to tell, and where."""

    mentor_id: UUID
    email: str
    name: str


class StudentItem(Answer):
    student_id: UUID
    email: str
    name: str
    path: str
    project: str
    funding: Funding
    training_day: Weekday | None
    language: str
    mentor_id: UUID
    enrolled_at: datetime
    version: int


class StudentAnswer(StudentItem):
    """`returns_to_mentor_id`: the mentor who handed the student over and is to come back, on `expected_return_on`.

    `absence_id`: the absence for which they did.
    """

    mentor_name: str | None = None
    returns_to_mentor_id: UUID | None = None
    returns_to_mentor_name: str | None = None
    expected_return_on: date | None = None
    absence_id: UUID | None = None

    @classmethod
    def of(
        cls,
        student_id: UUID,
        student: Enrolled,
        version: int,
        *,
        mentor_name: str | None = None,
        returns_to_mentor_name: str | None = None,
        expected_return_on: date | None = None,
    ) -> Self:
        profile = student.profile
        return cls(
            student_id=student_id,
            email=profile.email,
            name=profile.name,
            path=profile.path,
            project=profile.project,
            funding=profile.funding,
            training_day=profile.training_day,
            language=profile.language,
            mentor_id=student.mentor_id,
            enrolled_at=student.enrolled_at,
            version=version,
            mentor_name=mentor_name,
            returns_to_mentor_id=student.lenders[-1] if student.lenders else None,
            returns_to_mentor_name=returns_to_mentor_name,
            expected_return_on=expected_return_on,
            absence_id=student.transfers[-1].absence_id if student.lenders else None,
        )


class DiagnosisAnswer(Answer):
    code: Literal["not_a_mentor_account", "not_on_path", "project_not_on_profile", "capacity_full"]
    passed: bool
    message: str


class CheckAnswer(Answer):
    """`obstacle`: what else would refuse the transfer, although the diagnoses may pass."""

    student_id: UUID
    possible: bool
    diagnoses: list[DiagnosisAnswer]
    obstacle: str | None

    @classmethod
    def of(
        cls,
        student_id: UUID,
        diagnoses: Sequence[Diagnosis],
        obstacle: Refused | None,
        language: Literal["fr", "en"],
    ) -> Self:
        return cls(
            student_id=student_id,
            possible=obstacle is None and all(diagnosis.passed for diagnosis in diagnoses),
            obstacle=obstacle and (obstacle.fr if language == "fr" else obstacle.en),
            diagnoses=[
                DiagnosisAnswer.model_validate(
                    {
                        "code": diagnosis.code,
                        "passed": diagnosis.passed,
                        "message": diagnosis.fr if language == "fr" else diagnosis.en,
                    }
                )
                for diagnosis in diagnoses
            ],
        )


class TransferAnswer(Answer):
    student_id: UUID
    from_mentor_id: UUID
    to_mentor_id: UUID
    mentor_id: UUID
    kind: TransferKind
    absence_id: UUID | None
    expected_return_on: date | None
    transferred_at: datetime
    version: int

    @classmethod
    def of(cls, student_id: UUID, done: StudentTransferred, version: int) -> Self:
        return cls(
            student_id=student_id,
            from_mentor_id=done.from_mentor_id,
            to_mentor_id=done.to_mentor_id,
            mentor_id=done.to_mentor_id,
            kind=done.kind,
            absence_id=done.absence_id,
            expected_return_on=done.expected_return_on,
            transferred_at=done.transferred_at,
            version=version,
        )


class CommentAnswer(Answer):
    comment_id: UUID
    kind: Literal["comment", "handover"]
    author: str
    author_name: str
    created_at: datetime
    text: str | None
    mentor_name: str | None
    leave_from: date | None
    return_on: date | None
    about_the_student: str | None

    @classmethod
    def of(cls, comment: PrivateCommentAdded) -> Self:
        return cls(
            comment_id=comment.comment_id,
            kind="handover" if comment.is_handover else "comment",
            author=comment.author,
            author_name=comment.author_name,
            created_at=comment.added_at,
            text=comment.text,
            mentor_name=comment.mentor_name,
            leave_from=comment.leave_from,
            return_on=comment.return_on,
            about_the_student=comment.about_the_student,
        )


class ImportAnswer(Answer):
    """What the rows came to, or would in a dry run: new accounts, accounts changed or transferred, neither."""

    dry_run: bool
    rows: int
    created: int
    changed: int
    unchanged: int


class FoundMentor(Answer):
    mentor_id: UUID
    timezone: str


class FoundStudent(Answer):
    student_id: UUID
    mentor_id: UUID


class LookupAnswer(Answer):
    """The accounts of the addresses that have one, by address in lower case."""

    mentors: dict[str, FoundMentor]
    students: dict[str, FoundStudent]
