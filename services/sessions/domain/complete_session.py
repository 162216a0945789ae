"""Document that a session took place (S1): only once it has started."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from services.sessions.domain.events import SessionEvent, SessionHeld
from services.sessions.domain.refusals import session_already_cancelled, session_not_started, session_unknown
from services.sessions.domain.session import Cancelled, Held, Scheduled, Session


@dataclass(frozen=True, slots=True)
class CompleteSession:
    """The session was held, as recorded at ``now``."""

    now: datetime


def decide(command: CompleteSession, session: Session | None) -> list[SessionEvent]:
    """Refuses before the start; says nothing where it is held already."""
    match session:
        case None:
            raise session_unknown()
        case Cancelled():
            raise session_already_cancelled()
        case Held():
            return []  # Said twice: already so.
        case Scheduled(appointment):
            if command.now < appointment.starts_at:
                raise session_not_started(appointment)
            return [SessionHeld(appointment, held_at=command.now)]
        case _:
            assert_never(session)
