"""The session: one type per stage, and how events build it. Nothing is checked here; a rule is checked when decided."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from services.sessions.domain.events import (
    Appointment,
    Cause,
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


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Did not or will not take place."""

    appointment: Appointment
    reason: Reason
    recoverable: bool | None
    cause: Cause | None
    note: str | None
    notice_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """Took place."""

    appointment: Appointment
    held_at: datetime


Session = Scheduled | Cancelled | Held


def evolve(session: Session | None, event: SessionEvent) -> Session:
    """The session after ``event``; None is a session that nothing was recorded of."""
    match event:
        case SessionScheduled() | SessionRescheduled() | SessionReassigned():
            return Scheduled(event.appointment)
        case SessionCancelled():
            return Cancelled(
                event.appointment, event.reason, event.recoverable, event.cause, event.note, event.notice_at
            )
        case SessionHeld():
            return Held(event.appointment, event.held_at)
        case SessionCorrected():
            return _corrected(event)
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


def _corrected(event: SessionCorrected) -> Session:
    match event.status:
        case Status.SCHEDULED:
            return Scheduled(event.appointment)
        case Status.CANCELLED:
            assert event.reason is not None, "a cancelled session has a reason"
            return Cancelled(
                event.appointment, event.reason, event.recoverable, event.cause, event.note, event.notice_at
            )
        case Status.HELD:
            return Held(event.appointment, event.corrected_at)
        case _:
            assert_never(event.status)
