"""Move a session to another date without cancelling it (S9).

Moving a session inside the 24 h is allowed; who asked for it is recorded, so that a late request by the student is
visible in the file. The student then receives an e-mail with the new date and time (S10).
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import assert_never

from services.chassis.refusal import Refused
from services.sessions.domain.cancellation_reasons import late_from
from services.sessions.domain.events import RequestedBy, SessionEvent, SessionRescheduled
from services.sessions.domain.refusals import (
    said,
    session_already_cancelled,
    session_already_held,
    session_unknown,
)
from services.sessions.domain.session import Cancelled, Held, Scheduled, Session


@dataclass(frozen=True, slots=True)
class RescheduleSession:
    """Move the session to ``starts_at``, as ``requested_by`` asked at ``now``."""

    starts_at: datetime
    requested_by: RequestedBy
    now: datetime


def decide(command: RescheduleSession, session: Session | None) -> list[SessionEvent]:
    """Refuses a session that has started, and a date that has passed; says nothing where it stands at that date."""
    match session:
        case None:
            raise session_unknown()
        case Cancelled():
            raise session_already_cancelled()
        case Held():
            raise session_already_held()
        case Scheduled(appointment):
            starts_at = command.starts_at.astimezone(UTC)
            if starts_at == appointment.starts_at:
                return []  # Said twice: already so.
            if command.now >= appointment.starts_at:
                fr, en = said(appointment.starts_at, appointment.timezone)
                raise Refused(
                    "session_already_started",
                    f"Cette session a commencé {fr} : elle ne se déplace plus.",
                    f"This session started {en}: it can no longer be moved.",
                )
            if starts_at <= command.now:
                raise Refused(
                    "new_date_in_the_past",
                    "La nouvelle date est passée ; choisissez une date à venir.",
                    "The new date has passed; choose one to come.",
                )
            return [
                SessionRescheduled(
                    appointment=replace(appointment, starts_at=starts_at),
                    previous_starts_at=appointment.starts_at,
                    requested_by=command.requested_by,
                    late=command.now > late_from(appointment),
                    rescheduled_at=command.now,
                )
            ]
        case _:
            assert_never(session)
