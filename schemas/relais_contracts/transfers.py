"""Events of the service *transfers*, on the topic `relais.transfers`: mentors, students, and who accompanies whom."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from relais_contracts.contract import Contract, Instant, optional, required

TOPIC = "relais.transfers"

Funding = Literal["third_party", "apprenticeship", "self_funded"]
TransferKind = Literal["one_off", "return", "permanent"]
Diagnosis = Literal["not_a_mentor_account", "not_on_path", "project_not_on_profile", "capacity_full"]
ReminderKind = Literal["help_deadline", "return"]
Language = Literal["fr", "en"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Capacity = Annotated[int, Field(ge=0)]


class MentorContract(Contract):
    """A published event of a mentor."""

    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "mentor_id"

    mentor_id: UUID = required("The mentor.")


class StudentContract(Contract):
    """A published event of a student."""

    topic: ClassVar[str] = TOPIC

    student_id: UUID = required("The student.")


class MentorProfile(MentorContract):
    """A mentor's account, whole."""

    email: str = required("Account e-mail, by which students are transferred.", personal=True)
    name: str = required("The mentor's name.", personal=True)
    capacity: Capacity = required("How many students the mentor accompanies at most.")
    paths: tuple[str, ...] = required("The paths that the mentor accompanies.")
    projects: tuple[str, ...] = required("The projects that the mentor accompanies.")
    timezone: str = required("IANA time zone of the mentor.")


class MentorRegistered(MentorProfile):
    """A mentor's account arrived from the school's directory."""

    ce_type: ClassVar[str] = "relais.transfers.MentorRegistered.v1"


class MentorUpdated(MentorProfile):
    """A mentor's account changed; the fields are the whole account as it is now."""

    ce_type: ClassVar[str] = "relais.transfers.MentorUpdated.v1"


class MentorCapacityChanged(MentorContract):
    """A mentor accompanies more or fewer students than before, 0 before a pause (T12)."""

    ce_type: ClassVar[str] = "relais.transfers.MentorCapacityChanged.v1"

    previous_capacity: Capacity = required("The capacity before.")
    capacity: Capacity = required("The capacity now.")


class StudentProfile(StudentContract):
    """A student's account, without who accompanies the student."""

    email: str = required("Account e-mail.", personal=True)
    name: str = required("The student's name.", personal=True)
    path: str = required("The path that the student follows.")
    project: str = required("The project that the student is on.")
    funding: Funding = required("Who pays for the course.")
    training_day: Weekday | None = optional("Apprenticeship: the planned training day (T7).")
    language: Language = required("The language in which the student reads e-mails.")


class StudentEnrolled(StudentProfile):
    """A student began, with a first mentor."""

    ce_type: ClassVar[str] = "relais.transfers.StudentEnrolled.v1"

    mentor_id: UUID = required("The first mentor.")
    enrolled_at: Instant = required("When the student began; the weekly rhythm counts from that week.")


class StudentUpdated(StudentProfile):
    """A student's account changed; the fields are the whole account as it is now."""

    ce_type: ClassVar[str] = "relais.transfers.StudentUpdated.v1"


class StudentTransferred(StudentContract):
    """A student went from one mentor to another, at once (T3)."""

    ce_type: ClassVar[str] = "relais.transfers.StudentTransferred.v1"

    from_mentor_id: UUID = required("The mentor until now.")
    to_mentor_id: UUID = required("The mentor from now on.")
    path: str = required("The student's path.")
    project: str = required("The student's current project.")
    funding: Funding = required("Who pays for the course.")
    kind: TransferKind = required("One-off, the way back from a one-off, or for good.")
    absence_id: UUID | None = optional("The absence for which it was done.")
    expected_return_on: date | None = optional("One-off: the day on which the mentor is expected back.")


class TransferRefused(StudentContract):
    """A transfer was tried and refused by its diagnoses (T18). Nothing changed; the attempt is a subject of its own."""

    ce_type: ClassVar[str] = "relais.transfers.TransferRefused.v1"

    from_mentor_id: UUID = required("The student's mentor, as before.")
    to_mentor_id: UUID | None = optional(
        "The mentor who would have taken over; absent where no account has the e-mail."
    )
    path: str = required("The student's path.")
    project: str = required("The student's current project.")
    funding: Funding = required("Who pays for the course.")
    kind: TransferKind = required("What the transfer would have been.")
    absence_id: UUID | None = optional("The absence for which it was tried.")
    diagnoses: tuple[Diagnosis, ...] = required("The diagnoses that failed, at least one.")
    refused_at: Instant = required("When it was refused.")


class PrivateCommentAdded(StudentContract):
    """A private comment was left on the student's dashboard (T10, T14). Its text never leaves the service."""

    ce_type: ClassVar[str] = "relais.transfers.PrivateCommentAdded.v1"

    comment_id: UUID = required("The comment.")
    hand_over: bool = required("True for the hand-over comment that a mentor leaves before an absence.")
    added_at: Instant = required("When it was left.")


class PrivateCommentsRead(StudentContract):
    """Somebody (the actor) read a student's private comments; once for each quarter of an hour. Its own subject."""

    ce_type: ClassVar[str] = "relais.transfers.PrivateCommentsRead.v1"

    read_at: Instant = required("When they were read.")


class AbsenceContract(MentorContract):
    """A published event of a mentor's absence."""

    absence_id: UUID = required("The absence.")


class AbsenceDeclared(AbsenceContract):
    """A mentor will be away and organises who takes over (T1)."""

    ce_type: ClassVar[str] = "relais.transfers.AbsenceDeclared.v1"

    from_at: Instant = required("When the absence begins.")
    to_at: Instant = required("When it ends; the mentor is back at that instant.")
    whole_days: bool = required("True where it was given as days.")
    timezone: str = required("IANA time zone of those days.")
    student_ids: tuple[UUID, ...] = required("The students whom the mentor accompanies.")
    declared_at: Instant = required("When it was declared.")


class AbsenceChanged(AbsenceContract):
    """The dates of an absence changed."""

    ce_type: ClassVar[str] = "relais.transfers.AbsenceChanged.v1"

    previous_from_at: Instant = required("When it would have begun.")
    previous_to_at: Instant = required("When it would have ended.")
    from_at: Instant = required("When the absence begins.")
    to_at: Instant = required("When it ends; the mentor is back at that instant.")
    whole_days: bool = required("True where it was given as days.")
    timezone: str = required("IANA time zone of those days.")
    changed_at: Instant = required("When it was changed.")


class AbsenceEnded(AbsenceContract):
    """The mentor is back, or does not leave after all."""

    ce_type: ClassVar[str] = "relais.transfers.AbsenceEnded.v1"

    early: bool = required("True where it ended before its date.")
    ended_at: Instant = required("When it ended.")


class HelpRequested(AbsenceContract):
    """No mentor was found for students of an absence, so support is asked and acts (T17)."""

    ce_type: ClassVar[str] = "relais.transfers.HelpRequested.v1"

    from_at: Instant = required("When the absence begins.")
    to_at: Instant = required("When it ends.")
    student_ids: tuple[UUID, ...] = required("The students for whom nobody was found.")
    message: str | None = optional("What the mentor writes to support.", personal=True)
    late: bool = required("True from 72 hours before departure on.")
    requested_at: Instant = required("When support was asked.")


class AbsenceReminderDue(AbsenceContract):
    """Somebody is to be reminded: of the 72 hours before departure (T17), or of the way back (T16)."""

    ce_type: ClassVar[str] = "relais.transfers.AbsenceReminderDue.v1"

    kind: ReminderKind = required("What the reminder is about.")
    from_at: Instant = required("When the absence begins.")
    to_at: Instant = required("When it ends; the mentor is back at that instant.")
    student_ids: tuple[UUID, ...] = required("The students who are still to be placed, or to come back.")
    replacement_ids: tuple[UUID, ...] = required("The mentors who accompany them now.")
    due_at: Instant = required("When the reminder fell due.")


EVENTS: tuple[type[Contract], ...] = (
    MentorRegistered,
    MentorUpdated,
    MentorCapacityChanged,
    StudentEnrolled,
    StudentUpdated,
    StudentTransferred,
    TransferRefused,
    PrivateCommentAdded,
    PrivateCommentsRead,
    AbsenceDeclared,
    AbsenceChanged,
    AbsenceEnded,
    HelpRequested,
    AbsenceReminderDue,
)
