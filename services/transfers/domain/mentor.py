"""A mentor: an account, a capacity, and the students who hold a place with them.

Every current student is a reservation in the mentor's own stream. A transfer appends to the student and to both mentors
at once, so a mentor's version moves with each place taken, and two transfers can never share the last one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID


@dataclass(frozen=True, slots=True)
class MentorProfile:
    """What the school's directory says of a mentor. `paths` and `projects` are those that the mentor accompanies."""

    email: str
    name: str
    paths: tuple[str, ...]
    projects: tuple[str, ...]
    timezone: str


@dataclass(frozen=True, slots=True)
class MentorRegistered:
    profile: MentorProfile
    capacity: int


@dataclass(frozen=True, slots=True)
class MentorUpdated:
    profile: MentorProfile
    capacity: int


@dataclass(frozen=True, slots=True)
class MentorCapacityChanged:
    previous_capacity: int
    capacity: int


@dataclass(frozen=True, slots=True)
class StudentAssigned:
    """A place is taken. Private: the outside reads StudentEnrolled and StudentTransferred."""

    student_id: UUID


@dataclass(frozen=True, slots=True)
class StudentReleased:
    """A place is free again. `returns`: handed over for a while only. Private, like StudentAssigned."""

    student_id: UUID
    returns: bool = False


@dataclass(frozen=True, slots=True)
class LeavePlanned:
    """An absence stands in the mentor's calendar, with its latest dates. Private: the outside reads AbsenceDeclared."""

    absence_id: UUID
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class LeaveOver:
    """An absence is over. Private, like LeavePlanned."""

    absence_id: UUID


MentorEvent = (
    MentorRegistered
    | MentorUpdated
    | MentorCapacityChanged
    | StudentAssigned
    | StudentReleased
    | LeavePlanned
    | LeaveOver
)


@dataclass(frozen=True, slots=True)
class NotRegistered:
    """No account has come from the directory yet."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A mentor account. `capacity` counts all places, those that are taken too.

    `lent`: students handed over for a while. They may have gone on to somebody for good since.
    """

    profile: MentorProfile
    capacity: int
    students: frozenset[UUID] = frozenset()
    leaves: tuple[LeavePlanned, ...] = ()
    lent: frozenset[UUID] = frozenset()

    @property
    def free_places(self) -> int:
        """Never below zero: a capacity that is lowered keeps the current students (T12)."""
        return max(0, self.capacity - len(self.students))


Mentor = NotRegistered | Registered


def evolve(mentor: Mentor, event: MentorEvent) -> Mentor:
    if isinstance(mentor, NotRegistered):
        return Registered(event.profile, event.capacity) if isinstance(event, MentorRegistered) else mentor
    match event:
        case MentorRegistered() | MentorUpdated():
            return replace(mentor, profile=event.profile, capacity=event.capacity)
        case MentorCapacityChanged():
            return replace(mentor, capacity=event.capacity)
        case StudentAssigned():
            who = {event.student_id}
            return replace(mentor, students=mentor.students | who, lent=mentor.lent - who)
        case StudentReleased():
            who = {event.student_id}
            lent = mentor.lent | who if event.returns else mentor.lent - who
            return replace(mentor, students=mentor.students - who, lent=lent)
        case LeavePlanned():
            return replace(mentor, leaves=(*_other_leaves(mentor, event.absence_id), event))
        case LeaveOver():
            return replace(mentor, leaves=_other_leaves(mentor, event.absence_id))
        case _:
            assert_never(event)


def _other_leaves(mentor: Registered, absence_id: UUID) -> tuple[LeavePlanned, ...]:
    return tuple(leave for leave in mentor.leaves if leave.absence_id != absence_id)


def fold(events: Iterable[MentorEvent]) -> Mentor:
    mentor: Mentor = NotRegistered()
    for event in events:
        mentor = evolve(mentor, event)
    return mentor
