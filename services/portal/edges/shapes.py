"""What the portal reads from the services' answers. Unknown fields are passed over, so a service may add some."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Mentor(Shape):
    mentor_id: str
    email: str
    name: str
    capacity: int = 0
    paths: Sequence[str] = ()
    projects: Sequence[str] = ()
    timezone: str = "Europe/Paris"
    students: int | None = None


class Student(Shape):
    student_id: str
    email: str
    name: str
    path: str = ""
    project: str = ""
    funding: str = ""
    training_day: str | None = None
    mentor_id: str | None = None
    mentor_name: str | None = None
    returns_to_mentor_id: str | None = None
    returns_to_mentor_name: str | None = None
    absence_id: str | None = None
    expected_return_on: date | None = None
    version: int = 0
    language: str = "fr"
    enrolled_at: datetime | None = None


class Session(Shape):
    session_id: str
    student_id: str
    mentor_id: str
    starts_at: datetime
    duration_minutes: int
    timezone: str = "Europe/Paris"
    status: Literal["scheduled", "cancelled", "held"]
    reason: str | None = None
    recoverable: bool | None = None
    cause: str | None = None
    note: str | None = None
    makes_up_for: str | None = None
    made_up_by: str | None = None
    version: int = 0

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.duration_minutes)

    @property
    def no_show_from(self) -> datetime:
        """From here on the student counts as absent: a third of the duration, not rounded (S5)."""
        return self.starts_at + timedelta(minutes=self.duration_minutes) / 3

    @property
    def to_make_up(self) -> bool:
        """Cancelled, recoverable, and nothing planned in its place yet."""
        return self.status == "cancelled" and self.recoverable is True and self.made_up_by is None


class ReasonEffects(Shape):
    """Codes for colours, sentences for people."""

    attendance: str = ""
    statement: str = ""
    attendance_text: str = ""
    statement_text: str = ""


class CauseEffects(Shape):
    """What « Autre » does with one cause."""

    cause: str
    label: str = ""
    recoverable: bool | None = None
    effects: ReasonEffects = ReasonEffects()


class Reason(Shape):
    """One of the four reasons, offered or not, and what it would do."""

    reason: str
    label: str
    available: bool
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    why_unavailable: str | None = None
    recoverable: bool | None = None
    effects: ReasonEffects = ReasonEffects()
    by_cause: Sequence[CauseEffects] = ()


class Dispute(Shape):
    """What a mentor said of a line, and the answer once there is one."""

    state: Literal["open", "settled"]
    reason: str
    disputed_at: datetime
    answer: str | None = None
    settled_at: datetime | None = None


class Line(Shape):
    """``key``: as much of the id as tells the lines of one statement apart, in less of a page."""

    line_id: str
    kind: str = "session"
    session_id: str | None = None
    event_id: str | None = None
    outcome: str = ""
    share_percent: int = 0
    amount_cents: int = 0
    rate_version: str | int | None = None
    student_id: str | None = None
    starts_at: datetime | None = None
    duration_minutes: int | None = None
    level: int | None = None
    rate_cents: int | None = None
    mentor_id: str | None = None
    month: str | None = None
    path: str | None = None
    dispute: Dispute | None = None

    @property
    def key(self) -> str:
        return self.line_id[-12:]


class Statement(Shape):
    mentor_id: str
    month: str
    status: Literal["open", "closed"] = "open"
    currency: str = "EUR"
    total_cents: int = 0
    lines: Sequence[Line] = ()


class Move(Shape):
    previous_starts_at: datetime
    requested_by: str
    late: bool = False


class WeekSession(Shape):
    session_id: str
    event_id: str | None = None
    outcome: str | None = None
    cause: str | None = None
    counts_as: str | None = None
    starts_at: datetime
    duration_minutes: int = 0
    makes_up_for: str | None = None
    event_ids: Sequence[str] = ()
    moves: Sequence[Move] = ()


class Week(Shape):
    week: str
    planned: int = 0
    attended: int = 0
    excused: int = 0
    unexcused: int = 0
    to_qualify: int = 0
    missing: bool = False
    caught_up: int = 0
    sessions: Sequence[WeekSession] = ()


class Attendance(Shape):
    student_id: str
    funding: str | None = None
    weeks: Sequence[Week] = ()


class Email(Shape):
    email_id: str
    to: str | None = None
    template: str = ""
    language: str | None = None
    subject: str | None = None
    text: str | None = None
    state: str
    last_error: str | None = None
    event_type: str = ""
    attempts: int = 0
    event_id: str | None = None
    message_id: str | None = None
    created_at: datetime | None = None
    sent_at: datetime | None = None


class Diagnosis(Shape):
    code: str
    passed: bool
    message: str = ""


class Comment(Shape):
    comment_id: str
    kind: str = "comment"
    text: str | None = None
    author: str | None = None
    author_name: str | None = None
    created_at: datetime | None = None
    mentor_name: str | None = None
    leave_from: date | None = None
    return_on: date | None = None
    about_the_student: str | None = None


def _day_or_instant(value: str) -> date | datetime:
    return date.fromisoformat(value) if len(value) == len("2026-11-03") else datetime.fromisoformat(value)


DayOrInstant = Annotated[date | datetime, BeforeValidator(_day_or_instant)]


class AbsentStudent(Shape):
    """What an absence asks for one student. ``why`` says the rule in words; ``mentor_id`` accompanies them now."""

    student_id: str
    name: str
    funding: str = ""
    training_day: str | None = None
    sessions_missed: int = 0
    sessions_left: int = 0
    advice: Literal["keep", "transfer"]
    why: str = ""
    may_keep: bool = False
    consent: str = "not_asked"
    done: bool = False
    mentor_id: str
    to_return: bool = False


class Step(Shape):
    item: str
    done: bool


class HelpRequest(Shape):
    message: str | None = None
    requested_at: datetime


class AbsenceItem(Shape):
    """``starts`` and ``ends`` are two days, the last one included, or two instants."""

    absence_id: str
    mentor_id: str
    starts: DayOrInstant = Field(validation_alias="from")
    ends: DayOrInstant = Field(validation_alias="to")
    return_on: date
    ended_at: datetime | None = None
    version: int = 0

    @property
    def whole_days(self) -> bool:
        return not isinstance(self.starts, datetime)


class Absence(AbsenceItem):
    status: Literal["planned", "ongoing", "returning", "ended"]
    help_deadline_at: datetime
    help_due: bool = False
    checklist: Sequence[Step] = ()
    students: Sequence[AbsentStudent] = ()
    help_requests: Sequence[HelpRequest] = ()

    @property
    def waiting(self) -> Sequence[AbsentStudent]:
        """For whom nothing is settled yet."""
        return [student for student in self.students if not student.done]

    @property
    def away(self) -> Sequence[AbsentStudent]:
        """Who is with a replacement and is to come back."""
        return [student for student in self.students if student.to_return]

    def did(self, item: str) -> bool:
        return any(step.done for step in self.checklist if step.item == item)


class CalendarLink(Shape):
    path: str | None = None
    created_at: datetime | None = None


class Said(dict[str, Any]):
    """The data of an event; what it does not say (an optional field, an older version) is None."""

    def __missing__(self, name: str) -> None:
        return None


class Event(Shape):
    """An event of a session's history, or of the audit log. ``type``: relais.sessions.SessionCancelled.v1."""

    event_id: str
    type: str = Field(validation_alias=AliasChoices("type", "event_type"))
    recorded_at: datetime = Field(validation_alias=AliasChoices("recorded_at", "occurred_at"))
    actor: str = ""
    subject: str | None = None
    student_id: str | None = None
    mentor_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    depth: int = 0
    version: int = 0
    data: dict[str, Any] = {}

    @property
    def short_name(self) -> str:
        """relais.sessions.SessionCancelled.v1 → SessionCancelled"""
        return next((part for part in self.type.split(".") if part[:1].isupper()), self.type)

    @property
    def family(self) -> str:
        """relais.sessions.SessionCancelled.v1 → relais.sessions"""
        return ".".join(self.type.split(".")[:2])

    @property
    def said(self) -> Said:
        return Said(self.data)

    def instant(self, name: str) -> datetime:
        """An instant of its data; where there is none, when it was recorded."""
        written = self.data.get(name)
        return datetime.fromisoformat(written) if isinstance(written, str) else self.recorded_at


class Entry(Shape):
    """What an event says in a student's file."""

    student_id: str
    week: str
    session_id: str
    event_id: str
    outcome: str
    counts_as: str
    starts_at: datetime
