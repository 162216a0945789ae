"""Letters: which e-mail an event causes, to whom, and what it must say. Pure; wording and delivery stand elsewhere."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

Fact = str | int | bool | None

SUPPORT_ID = UUID("5a1d0000-0000-4000-8000-000000000001")
"""Support in the directory of people: one address for all of them."""


class Template(StrEnum):
    """The kinds of letter; each has one template a language."""

    SESSION_RESCHEDULED = "session_rescheduled"
    SESSION_CANCELLED = "session_cancelled"
    SESSION_CORRECTED = "session_corrected"
    MENTOR_CHANGED = "mentor_changed"
    STUDENT_ARRIVED = "student_arrived"
    STUDENT_LEFT = "student_left"
    HELP_DEADLINE = "help_deadline"
    HELP_REQUESTED = "help_requested"
    HELP_ON_ITS_WAY = "help_on_its_way"
    RETURN_STUDENTS = "return_students"
    RETURN_OF_STUDENTS = "return_of_students"


class Calendar(StrEnum):
    """What the letter does to the recipient's calendar (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Letter:
    """``names`` are the people whose names or addresses it needs, by their part in it; the recipient may be one.

    ``facts`` are what else it says: texts, numbers, instants in RFC 3339. The letter waits until all people are known.
    """

    template: Template
    recipient_id: UUID
    names: Mapping[str, UUID]
    facts: Mapping[str, Fact]
    calendar: Calendar | None = None

    def needs(self) -> list[UUID]:
        """The people who must be known before the letter can be written."""
        return sorted({self.recipient_id, *self.names.values()})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the school's directory. ``timezone`` is known of mentors only."""

    person_id: UUID
    role: str
    email: str
    name: str
    language: str
    timezone: str | None = field(default=None)


def students_of(student_ids: Iterable[UUID]) -> dict[str, UUID]:
    """Several students of one letter, as parts ``student_1``, ``student_2``, …"""
    return {f"student_{number}": student_id for number, student_id in enumerate(student_ids, start=1)}
