"""An absence of a mentor: its dates, what was prepared, who agreed to what, and whether it is over.

Which students it concerns and how many sessions they miss is not kept here: that follows from who accompanies them and
from what is planned (see absence_plan).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

HELP_BEFORE_DEPARTURE: Final = timedelta(hours=72)  # T17


@dataclass(frozen=True, slots=True)
class Period:
    """From `from_at` until before `to_at`. `whole_days`: given as dates in `timezone`, the last one included."""

    from_at: datetime
    to_at: datetime
    whole_days: bool
    timezone: str

    @property
    def first_day(self) -> date:
        return self.from_at.astimezone(ZoneInfo(self.timezone)).date()

    @property
    def last_day(self) -> date:
        """The last day of an absence of whole days."""
        return self.to_at.astimezone(ZoneInfo(self.timezone)).date() - timedelta(days=1)

    @property
    def return_on(self) -> date:
        """The day on which the mentor is back."""
        return self.to_at.astimezone(ZoneInfo(self.timezone)).date()

    def overlaps(self, from_at: datetime, to_at: datetime) -> bool:
        """What ends when the absence begins, or begins when it ends, does not touch it."""
        return self.from_at < to_at and from_at < self.to_at


class Consent(StrEnum):
    NOT_ASKED = "not_asked"
    ASKED = "asked"
    GIVEN = "given"
    REFUSED = "refused"


class Preparation(StrEnum):
    """The steps before an absence, in the article's order (T12–T15)."""

    CAPACITY_ZERO = "capacity_zero"
    PEERS_ASKED = "peers_asked"
    STUDENTS_WARNED = "students_warned"
    HANDOVER_COMMENTS = "handover_comments"
    TRANSFERS = "transfers"


class ReminderKind(StrEnum):
    HELP_DEADLINE = "help_deadline"  # T17: 72 h before departure, and students are still waiting
    RETURN = "return"  # T16: the recorded date has come


@dataclass(frozen=True, slots=True)
class AbsenceDeclared:
    """`students`: whom the mentor accompanied then."""

    mentor_id: UUID
    period: Period
    students: tuple[UUID, ...]
    declared_at: datetime


@dataclass(frozen=True, slots=True)
class AbsenceChanged:
    mentor_id: UUID
    previous: Period
    period: Period
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class AbsenceEnded:
    """`students`: whom the mentor accompanied at the end; who joined since the declaration is among them."""

    mentor_id: UUID
    early: bool
    ended_at: datetime
    students: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsentRecorded:
    """`sessions_missed` at that moment: what the student was asked about."""

    student_id: UUID
    consent: Consent
    sessions_missed: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class PreparationTicked:
    item: Preparation
    done: bool
    ticked_at: datetime


@dataclass(frozen=True, slots=True)
class HelpRequested:
    """`late`: 72 h before departure, or later."""

    mentor_id: UUID
    period: Period
    students: tuple[UUID, ...]
    message: str | None
    late: bool
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class AbsenceReminderDue:
    """`students`: those still to be placed, or to come back; `replacements`: who accompanies them now."""

    mentor_id: UUID
    kind: ReminderKind
    period: Period
    students: tuple[UUID, ...]
    replacements: tuple[UUID, ...]
    due_at: datetime


AbsenceEvent = (
    AbsenceDeclared
    | AbsenceChanged
    | AbsenceEnded
    | ConsentRecorded
    | PreparationTicked
    | HelpRequested
    | AbsenceReminderDue
)


@dataclass(frozen=True, slots=True)
class NotDeclared:
    """No such absence."""


@dataclass(frozen=True, slots=True)
class Declared:
    """An absence that is to come or under way."""

    mentor_id: UUID
    period: Period
    students: tuple[UUID, ...]
    declared_at: datetime
    consents: Mapping[UUID, ConsentRecorded] = field(default_factory=dict)
    ticked: frozenset[Preparation] = frozenset()
    help_requests: tuple[HelpRequested, ...] = ()
    reminded: frozenset[ReminderKind] = frozenset()

    @property
    def help_deadline_at(self) -> datetime:
        return self.period.from_at - HELP_BEFORE_DEPARTURE


@dataclass(frozen=True, slots=True)
class Ended:
    """An absence that is over; students may still be with their replacements. `students`: those at its end."""

    absence: Declared
    ended_at: datetime
    students: tuple[UUID, ...] = ()


Absence = NotDeclared | Declared | Ended


def declaration(absence: Declared | Ended) -> Declared:
    """What was declared, also of an absence that is over."""
    return absence.absence if isinstance(absence, Ended) else absence


def evolve(absence: Absence, event: AbsenceEvent) -> Absence:
    match absence:
        case NotDeclared():
            if isinstance(event, AbsenceDeclared):
                return Declared(event.mentor_id, event.period, event.students, event.declared_at)
            return absence
        case Ended():
            if isinstance(event, AbsenceReminderDue):
                return replace(absence, absence=_reminded(absence.absence, event))
            return absence
        case Declared():
            return _evolve_declared(absence, event)
        case _:
            assert_never(absence)


def _evolve_declared(absence: Declared, event: AbsenceEvent) -> Absence:
    match event:
        case AbsenceDeclared():
            return absence
        case AbsenceChanged():
            # Reminders of dates that no longer hold are due anew.
            return replace(absence, period=event.period, reminded=frozenset())
        case AbsenceEnded():
            return Ended(absence, event.ended_at, event.students)
        case ConsentRecorded():
            return replace(absence, consents={**absence.consents, event.student_id: event})
        case PreparationTicked():
            return replace(
                absence, ticked=absence.ticked | {event.item} if event.done else absence.ticked - {event.item}
            )
        case HelpRequested():
            return replace(absence, help_requests=(*absence.help_requests, event))
        case AbsenceReminderDue():
            return _reminded(absence, event)
        case _:
            assert_never(event)


def _reminded(absence: Declared, event: AbsenceReminderDue) -> Declared:
    return replace(absence, reminded=absence.reminded | {event.kind})


def fold(events: Iterable[AbsenceEvent]) -> Absence:
    absence: Absence = NotDeclared()
    for event in events:
        absence = evolve(absence, event)
    return absence
