"""Plan a session between a student and the student's mentor.

A start in the past is allowed, since a session may be documented afterwards (S1). Where it makes up for a missed one,
that one is asked as well: ``make_up_session``.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from services.chassis.refusal import Conflict
from services.sessions.domain.events import Appointment, SessionEvent, SessionScheduled
from services.sessions.domain.session import Session


@dataclass(frozen=True, slots=True)
class ScheduleSession:
    """Plan ``appointment``."""

    appointment: Appointment
    now: datetime


def decide(command: ScheduleSession, session: Session | None) -> list[SessionEvent]:
    """Refuses a second session under the same id; says nothing where the same one is there already."""
    appointment = replace(command.appointment, starts_at=command.appointment.starts_at.astimezone(UTC))
    if session is None:
        return [SessionScheduled(appointment, scheduled_at=command.now)]
    if session.appointment == appointment:
        return []  # Said twice: already so.
    raise Conflict(
        "session_already_scheduled",
        "Une autre session porte déjà cet identifiant.",
        "Another session already has this id.",
    )
