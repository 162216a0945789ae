"""Hand an upcoming session to the mentor to whom its student was transferred (T1, T3).

A transfer is immediate: what starts after it goes to the new mentor; what had started, or is documented, stays where
it was.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.sessions.domain.events import SessionEvent, SessionReassigned
from services.sessions.domain.refusals import session_unknown
from services.sessions.domain.session import Cancelled, Held, Scheduled, Session


@dataclass(frozen=True, slots=True)
class ReassignSession:
    """The student was transferred to ``to_mentor_id`` at ``transferred_at``."""

    to_mentor_id: UUID
    transferred_at: datetime


def decide(command: ReassignSession, session: Session | None) -> list[SessionEvent]:
    """Never refuses: a session that is over, or is the new mentor's already, stays as it is."""
    match session:
        case None:
            raise session_unknown()
        case Cancelled() | Held():
            return []
        case Scheduled(appointment):
            if appointment.starts_at <= command.transferred_at or appointment.mentor_id == command.to_mentor_id:
                return []
            return [
                SessionReassigned(
                    appointment=replace(appointment, mentor_id=command.to_mentor_id),
                    from_mentor_id=appointment.mentor_id,
                    reassigned_at=command.transferred_at,
                )
            ]
        case _:
            assert_never(session)
