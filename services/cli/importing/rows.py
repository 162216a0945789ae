"""What the readers give: one small frozen record a row, and a problem where a row is not right."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

Funding = Literal["third_party", "apprenticeship", "self_funded"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
TransferKind = Literal["one_off", "return", "permanent"]
Reason = Literal["student_early", "student_late", "student_no_show", "other"]
Cause = Literal["mentor", "platform", "student", "force_majeure"]
Side = Literal["student", "mentor"]


Row = Mapping[str, Any]
"""A row as the bulk endpoints take it (JSON)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A row with the place that it is from."""

    file: str
    line: int
    row: Row


class Spooled:
    """Pickled by its values alone: what dataclasses do by themselves looks all fields up again, each time."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong on a line (counted from 1), in a sentence that says how to mend it, in French and in English."""

    file: str
    line: int
    fr: str
    en: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.fr}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was passed over on purpose and that the person should know (a column, private events)."""

    file: str
    fr: str
    en: str


@dataclass(frozen=True, slots=True)
class Mentor:
    line: int
    email: str
    name: str
    capacity: int
    paths: tuple[str, ...]
    projects: tuple[str, ...]
    timezone: str


@dataclass(frozen=True, slots=True)
class Student:
    """``mentor_email`` is the mentor they began with; transfers lead to the present one."""

    line: int
    email: str
    name: str
    path: str
    project: str
    funding: Funding
    training_day: Weekday | None
    mentor_email: str
    language: Literal["fr", "en"]
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer that has taken place (a transfer is never planned ahead, T3)."""

    line: int
    student_email: str
    mentor_email: str
    at: datetime
    kind: TransferKind
    expected_return_on: date | None


@dataclass(frozen=True, slots=True)
class Moved(Spooled):
    """The session was moved at ``at`` to ``starts_at``."""

    at: datetime
    starts_at: datetime
    requested_by: Side


@dataclass(frozen=True, slots=True)
class CancelledFor(Spooled):
    """The session was cancelled, or the student did not come (``student_no_show``); recorded at ``at``."""

    at: datetime
    reason: Reason
    notice_at: datetime | None
    cause: Cause | None
    note: str | None


@dataclass(frozen=True, slots=True)
class TookPlace(Spooled):
    """The session was held; recorded at ``at``."""

    at: datetime


Outcome = Moved | CancelledFor | TookPlace


@dataclass(frozen=True, slots=True)
class Session(Spooled):
    """One session. Instants are aware.

    ``addresses`` are the e-mails of which exactly one must be a student's: a calendar names attendees, not students.
    ``mentor_email`` is the mentor where the file says so; otherwise it is the mentor among the ``addresses``, else the
    student's own.
    ``key`` is what tells this session from the student's others and stays the same in a later export: the calendar's
    UID and recurrence id, a reference, or the instant that it was first planned for.
    """

    line: int
    addresses: tuple[str, ...]
    mentor_email: str | None
    key: tuple[str, ...]
    starts_at: datetime
    duration_minutes: int
    timezone: str | None
    scheduled_at: datetime
    history: tuple[Outcome, ...]
