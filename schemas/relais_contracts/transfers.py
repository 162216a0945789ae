"""Events of the service *transfers*, on the topic `relais.transfers`: mentors, students, and who accompanies whom."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from relais_contracts.contract import Contract, Instant, optional, required

TOPIC = "relais.transfers"

Funding = Literal["third_party", "apprenticeship", "self_funded"]
TransferKind = Literal["one_off", "return", "permanent"]
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


EVENTS: tuple[type[Contract], ...] = (
    MentorRegistered,
    MentorUpdated,
    MentorCapacityChanged,
    StudentEnrolled,
    StudentUpdated,
    StudentTransferred,
)
