"""The words in which the rules of a session are told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.sessions.domain.cancel_session import CancelSession
from services.sessions.domain.cancellation_reasons import is_recoverable
from services.sessions.domain.commands import SessionCommand, decide
from services.sessions.domain.complete_session import CompleteSession
from services.sessions.domain.correct_session import CorrectSession
from services.sessions.domain.events import (
    Appointment,
    Cause,
    Reason,
    RequestedBy,
    SessionCancelled,
    SessionCorrected,
    SessionEvent,
    SessionHeld,
    SessionReassigned,
    SessionRescheduled,
    SessionScheduled,
    Status,
)
from services.sessions.domain.reassign_session import ReassignSession
from services.sessions.domain.reschedule_session import RescheduleSession
from services.sessions.domain.schedule_session import ScheduleSession
from services.sessions.domain.session import Session, evolve
from tests.spec import Specification

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)

START = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)
NOW = START - HOUR
PLANNED_AT = START - 7 * DAY

ALICE = UUID(int=1)
BRUNO = UUID(int=2)
CHLOE = UUID(int=3)
EVENT_ID = UUID(int=9)

STUDENT_EARLY = Reason.STUDENT_EARLY
STUDENT_LATE = Reason.STUDENT_LATE
STUDENT_NO_SHOW = Reason.STUDENT_NO_SHOW
OTHER = Reason.OTHER

_SESSIONS: Specification[SessionCommand, Session | None, SessionEvent] = Specification(decide, evolve, initial=None)
given = _SESSIONS.given


def appointment(at: datetime = START, minutes: int = 45, mentor: UUID = ALICE) -> Appointment:
    return Appointment(CHLOE, mentor, at.astimezone(UTC), minutes, "Europe/Paris", "Développeur Python")


# What has happened.


def scheduled(at: datetime = START, minutes: int = 45, mentor: UUID = ALICE) -> SessionScheduled:
    return SessionScheduled(appointment(at, minutes, mentor), scheduled_at=PLANNED_AT)


def rescheduled(
    at: datetime, *, by: RequestedBy = RequestedBy.STUDENT, late: bool, was: datetime = START, on: datetime = NOW
) -> SessionRescheduled:
    return SessionRescheduled(appointment(at), was, by, late, on)


def cancelled(
    reason: Reason,
    *,
    recoverable: bool | None,
    notice_at: datetime | None = None,
    cause: Cause | None = None,
    note: str | None = None,
    on: datetime = NOW,
    of: Appointment | None = None,
) -> SessionCancelled:
    return SessionCancelled(of or appointment(), reason, recoverable, cause, note, notice_at or on, on)


def held(on: datetime = START + HOUR, of: Appointment | None = None) -> SessionHeld:
    return SessionHeld(of or appointment(), on)


def reassigned(to: UUID = BRUNO, *, on: datetime = NOW) -> SessionReassigned:
    return SessionReassigned(replace(appointment(), mentor_id=to), from_mentor_id=ALICE, reassigned_at=on)


def corrected(
    before: Status,
    after: Status,
    *,
    why: str = "Vu avec l’étudiant.",
    previous_reason: Reason | None = None,
    reason: Reason | None = None,
    recoverable: bool | None = None,
    cause: Cause | None = None,
    note: str | None = None,
    notice_at: datetime | None = None,
    on: datetime = START + DAY,
) -> SessionCorrected:
    return SessionCorrected(
        appointment=appointment(),
        previous_status=before,
        previous_reason=previous_reason,
        status=after,
        reason=reason,
        recoverable=is_recoverable(reason, cause) if reason and recoverable is None else recoverable,
        cause=cause,
        note=note,
        notice_at=notice_at,
        why=why,
        corrects_event_id=EVENT_ID,
        corrected_at=on,
    )


# What is asked.


def schedule(at: datetime = START, minutes: int = 45, mentor: UUID = ALICE) -> ScheduleSession:
    return ScheduleSession(Appointment(CHLOE, mentor, at, minutes, "Europe/Paris", "Développeur Python"), PLANNED_AT)


def reschedule(to: datetime, by: RequestedBy = RequestedBy.STUDENT, on: datetime = NOW) -> RescheduleSession:
    return RescheduleSession(to, by, on)


def cancel(
    reason: Reason,
    *,
    notice_at: datetime | None = None,
    cause: Cause | None = None,
    note: str | None = None,
    on: datetime = NOW,
) -> CancelSession:
    return CancelSession(reason, on, notice_at, cause, note)


def complete(on: datetime = START + HOUR) -> CompleteSession:
    return CompleteSession(on)


def reassign(to: UUID = BRUNO, on: datetime = NOW) -> ReassignSession:
    return ReassignSession(to, on)


def correct(
    status: Status,
    reason: Reason | None = None,
    *,
    why: str = "Vu avec l’étudiant.",
    cause: Cause | None = None,
    recoverable: bool | None = None,
    on: datetime = START + DAY,
) -> CorrectSession:
    return CorrectSession(status, why, on, reason, cause, recoverable, EVENT_ID)
