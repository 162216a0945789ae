"""What is stored of a session. These events are private; ``edges/publish.py`` maps them to the published contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID


class Reason(StrEnum):
    """The closed list of four reasons for which a session does not take place (S2)."""

    STUDENT_EARLY = "student_early"
    STUDENT_LATE = "student_late"
    STUDENT_NO_SHOW = "student_no_show"
    OTHER = "other"


class Cause(StrEnum):
    """With « Autre »: on whose side the cause lies."""

    MENTOR = "mentor"
    PLATFORM = "platform"
    STUDENT = "student"
    FORCE_MAJEURE = "force_majeure"


class RequestedBy(StrEnum):
    """Who asked to move a session."""

    STUDENT = "student"
    MENTOR = "mentor"


class Status(StrEnum):
    """The stages of a session, as people name them."""

    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Appointment:
    """Who meets whom, when (UTC, with the IANA zone in which people are shown it) and for how long.

    Each event carries it whole, as it is after the event: so an event is published without looking anything up.
    ``path`` is the student's path on the day the session was planned. ``makes_up_for`` is the missed session in whose
    place this one is (T6, T8).
    """

    student_id: UUID
    mentor_id: UUID
    starts_at: datetime
    duration_minutes: int
    timezone: str
    path: str | None = None
    makes_up_for: UUID | None = None

    @property
    def duration(self) -> timedelta:
        return timedelta(minutes=self.duration_minutes)


@dataclass(frozen=True, slots=True)
class SessionScheduled:
    """A session was planned."""

    appointment: Appointment
    scheduled_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRescheduled:
    """A session was moved to another date without being cancelled (S9). ``late``: asked for inside the 24 hours."""

    appointment: Appointment
    previous_starts_at: datetime
    requested_by: RequestedBy
    late: bool
    rescheduled_at: datetime


@dataclass(frozen=True, slots=True)
class SessionCancelled:
    """A session will not take place, or did not. ``recoverable`` is None where support has yet to qualify it."""

    appointment: Appointment
    reason: Reason
    recoverable: bool | None
    cause: Cause | None
    note: str | None
    notice_at: datetime
    cancelled_at: datetime


@dataclass(frozen=True, slots=True)
class SessionHeld:
    """A session took place."""

    appointment: Appointment
    held_at: datetime


@dataclass(frozen=True, slots=True)
class SessionReassigned:
    """An upcoming session went to the mentor to whom its student was transferred."""

    appointment: Appointment
    from_mentor_id: UUID
    reassigned_at: datetime


@dataclass(frozen=True, slots=True)
class SessionCorrected:
    """Support corrected what was documented; from now on this holds, and what it corrects stays readable."""

    appointment: Appointment
    previous_status: Status
    previous_reason: Reason | None
    status: Status
    reason: Reason | None
    recoverable: bool | None
    cause: Cause | None
    note: str | None
    notice_at: datetime | None
    why: str
    corrects_event_id: UUID | None
    corrected_at: datetime


@dataclass(frozen=True, slots=True)
class MakeUpPlanned:
    """Of a missed session: another one, ``made_up_by``, makes up for it. Never published: that one's events say it."""

    made_up_by: UUID
    planned_at: datetime


@dataclass(frozen=True, slots=True)
class MakeUpReleased:
    """Of a missed session: ``made_up_by`` was cancelled and makes up for it no longer. Never published, as above."""

    made_up_by: UUID
    released_at: datetime


SessionEvent = (
    SessionScheduled
    | SessionRescheduled
    | SessionCancelled
    | SessionHeld
    | SessionReassigned
    | SessionCorrected
    | MakeUpPlanned
    | MakeUpReleased
)

EVENT_TYPES: Final[Mapping[str, type]] = {
    "sessions.SessionScheduled.v1": SessionScheduled,
    "sessions.SessionRescheduled.v1": SessionRescheduled,
    "sessions.SessionCancelled.v1": SessionCancelled,
    "sessions.SessionHeld.v1": SessionHeld,
    "sessions.SessionReassigned.v1": SessionReassigned,
    "sessions.SessionCorrected.v1": SessionCorrected,
    "sessions.MakeUpPlanned.v1": MakeUpPlanned,
    "sessions.MakeUpReleased.v1": MakeUpReleased,
}
"""Written-out stored names: code may move, history stays readable."""
