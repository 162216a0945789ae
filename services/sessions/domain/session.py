"""The session: one type per stage, and how events build it. Nothing is checked here; a rule is checked when decided.

``made_up_by``, in every stage, is the session that makes up for this one and is not cancelled; corrections keep it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.sessions.domain.events import (
    Appointment,
    Cause,
    MakeUpPlanned,
    MakeUpReleased,
    Reason,
    SessionCancelled,
    SessionCorrected,
    SessionEvent,
    SessionHeld,
    SessionReassigned,
    SessionRescheduled,
    SessionScheduled,
    Status,
)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Planned, and not yet documented."""

    appointment: Appointment
    made_up_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Did not or will not take place."""

    appointment: Appointment
    reason: Reason
    recoverable: bool | None
    cause: Cause | None
    note: str | None
    notice_at: datetime | None
    made_up_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Took place."""

    appointment: Appointment
    held_at: datetime
    made_up_by: UUID | None = None


Session = Scheduled | Cancelled | Held


def evolve(session: Session | None, event: SessionEvent) -> Session:
    """The session after ``event``; None is a session that nothing was recorded of."""
    made_up_by = session.made_up_by if session is not None else None
    match event:
        case SessionScheduled() | SessionRescheduled() | SessionReassigned():
            return Scheduled(event.appointment, made_up_by)
        case SessionCancelled():
            return Cancelled(
                event.appointment, event.reason, event.recoverable, event.cause, event.note, event.notice_at, made_up_by
            )
        case SessionHeld():
            return Held(event.appointment, event.held_at, made_up_by)
        case SessionCorrected():
            return _corrected(event, made_up_by)
        case MakeUpPlanned():
            assert session is not None, "only a session that is there is made up for"
            return replace(session, made_up_by=event.made_up_by)
        case MakeUpReleased():
            assert session is not None, "only a session that is there is made up for"
            return replace(session, made_up_by=None)
        case _:
            assert_never(event)


def fold(events: Iterable[SessionEvent]) -> Session | None:
    """The session that ``events`` made; None where there are none."""
    session: Session | None = None
    for event in events:
        session = evolve(session, event)
    return session


def status_of(session: Session) -> Status:
    match session:
        case Scheduled():
            return Status.SCHEDULED
        case Cancelled():
            return Status.CANCELLED
        case Held():
            return Status.HELD
        case _:
            assert_never(session)


def _corrected(event: SessionCorrected, made_up_by: UUID | None) -> Session:
    match event.status:
        case Status.SCHEDULED:
            return Scheduled(event.appointment, made_up_by)
        case Status.CANCELLED:
            assert event.reason is not None, "a cancelled session has a reason"
            return Cancelled(
                event.appointment, event.reason, event.recoverable, event.cause, event.note, event.notice_at, made_up_by
            )
        case Status.HELD:
            return Held(event.appointment, event.corrected_at, made_up_by)
        case _:
            assert_never(event.status)
