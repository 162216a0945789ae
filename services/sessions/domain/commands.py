"""All commands of a session, in one place: each is decided in its own file."""

from typing import assert_never

from services.sessions.domain import (
    cancel_session,
    complete_session,
    correct_session,
    make_up_session,
    reassign_session,
    reschedule_session,
    schedule_session,
)
from services.sessions.domain.cancel_session import CancelSession
from services.sessions.domain.complete_session import CompleteSession
from services.sessions.domain.correct_session import CorrectSession
from services.sessions.domain.events import SessionEvent
from services.sessions.domain.make_up_session import PlanMakeUp, ReleaseMakeUp
from services.sessions.domain.reassign_session import ReassignSession
from services.sessions.domain.reschedule_session import RescheduleSession
from services.sessions.domain.schedule_session import ScheduleSession
from services.sessions.domain.session import Session

SessionCommand = (
    ScheduleSession
    | RescheduleSession
    | CancelSession
    | CompleteSession
    | ReassignSession
    | CorrectSession
    | PlanMakeUp
    | ReleaseMakeUp
)


def decide(command: SessionCommand, session: Session | None) -> list[SessionEvent]:
    """The events that ``command`` makes of ``session``; raises ``Refused``, or returns none where it is already so."""
    match command:
        case ScheduleSession():
            return schedule_session.decide(command, session)
        case RescheduleSession():
            return reschedule_session.decide(command, session)
        case CancelSession():
            return cancel_session.decide(command, session)
        case CompleteSession():
            return complete_session.decide(command, session)
        case ReassignSession():
            return reassign_session.decide(command, session)
        case CorrectSession():
            return correct_session.decide(command, session)
        case PlanMakeUp() | ReleaseMakeUp():
            return make_up_session.decide(command, session)
        case _:
            assert_never(command)
