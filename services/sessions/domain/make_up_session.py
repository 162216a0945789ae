"""Make up for a missed session with another one (« rattrapage »; T2, T6, T8), and never twice.

A session can be made up for once it is cancelled and recoverable (« rattrapable »): S3, or « Autre » by its cause or by
support's word. S4 and S5 never (« non rattrapable »); « Autre » that nobody has qualified yet, not yet. The other
session is the same student's. It may come before or after the missed one: whoever will be away cancels first, and then
plans the week before (T6, T8).

Who makes up for a session is an event *of the missed session*, appended together with the other one's own event, at the
version at which this was decided. So of two that are planned at the same instant one meets the other's version, is
decided again, and is refused. A table with a unique key would do as well, but would say a second time, outside of
the events, what they have to say anyway.

A make-up that is cancelled, for whatever reason, leaves the missed session free again: its own cancellation stands in
the file for itself. It is therefore not made up for in turn, or one missed session would be caught up twice. Corrected
to planned or held, it takes its place again, and is a session like any other where that place is taken by then.
What support corrects on the missed session never undoes the other one, which may have been held: where the missed one
took place after all, or is not recoverable after all, the other one goes on and catches nothing up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.chassis.refusal import Conflict, Refused
from services.sessions.domain.events import MakeUpPlanned, MakeUpReleased, SessionEvent
from services.sessions.domain.session import Cancelled, Held, Scheduled, Session, evolve


@dataclass(frozen=True, slots=True)
class PlanMakeUp:
    """Said to the missed session: ``made_up_by``, a session of ``student_id``, makes up for it."""

    made_up_by: UUID
    student_id: UUID
    now: datetime


@dataclass(frozen=True, slots=True)
class ReleaseMakeUp:
    """Said to the missed session: ``made_up_by`` was cancelled."""

    made_up_by: UUID
    now: datetime


@dataclass(frozen=True, slots=True)
class Tied:
    """What happens to a session that makes up for another: its own events, and those of the missed one."""

    events: Sequence[SessionEvent]
    of_missed: Sequence[SessionEvent]


def decide(command: PlanMakeUp | ReleaseMakeUp, missed: Session | None) -> list[SessionEvent]:
    """Refuses what cannot be made up for; says nothing where it is so already, or the session has another make-up."""
    match command:
        case PlanMakeUp():
            if missed is not None and missed.made_up_by == command.made_up_by:
                return []
            refusal = why_not_made_up(missed, command.student_id)
            if refusal is not None:
                raise refusal
            return [MakeUpPlanned(command.made_up_by, planned_at=command.now)]
        case ReleaseMakeUp():
            if missed is None or missed.made_up_by != command.made_up_by:
                return []
            return [MakeUpReleased(command.made_up_by, released_at=command.now)]
        case _:
            assert_never(command)


def why_not_made_up(missed: Session | None, student_id: UUID) -> Refused | None:
    """Why no session of ``student_id`` can make up for ``missed``; None where one can."""
    match missed:
        case None:
            return Refused(
                "session_unknown",
                "La session à rattraper n’existe pas.",
                "There is no such session to be made up for.",
            )
        case Scheduled() | Held() | Cancelled() if missed.appointment.student_id != student_id:
            return Refused(
                "not_the_same_student",
                "La session à rattraper est celle d’un autre étudiant.",
                "The session to be made up for is another student's.",
            )
        case Scheduled() | Held():
            return Refused(
                "session_not_missed",
                "Seule une session annulée se rattrape ; annulez-la d’abord, avec son motif.",
                "Only a cancelled session is made up for; cancel it first, with its reason.",
            )
        case Cancelled(recoverable=False):
            return Refused(
                "not_recoverable",
                "Cette session n’est pas rattrapable, d’après le motif de son annulation.",
                "This session cannot be made up for, by the reason for which it was cancelled.",
            )
        case Cancelled(recoverable=None):
            return Refused(
                "recoverable_to_qualify",
                "Le support n’a pas encore dit si cette session est rattrapable ; demandez-le-lui.",
                "Support has not said yet whether this session can be made up for; ask them.",
            )
        case Cancelled() if missed.appointment.makes_up_for is not None:
            return Refused(
                "makes_up_itself",
                "Cette session en rattrapait elle-même une autre : c’est celle-là qui se rattrape.",
                "This session was itself to make up for another one: that one is made up for.",
            )
        case Cancelled() if missed.made_up_by is not None:
            return Conflict(
                "already_made_up",
                "Une autre session rattrape déjà celle-ci.",
                "Another session makes up for this one already.",
            )
        case Cancelled():
            return None
        case _:
            assert_never(missed)


def tied(
    session_id: UUID, before: Session, events: Sequence[SessionEvent], missed: Session | None, now: datetime
) -> Tied:
    """``events`` of the session ``session_id``, which makes up for ``missed``, with what they do to the missed one."""
    after = before
    for event in events:
        after = evolve(after, event)
    match before, after:
        case Scheduled() | Held(), Cancelled():
            return Tied(events, decide(ReleaseMakeUp(session_id, now), missed))
        case Cancelled(), Scheduled() | Held():
            if why_not_made_up(missed, before.appointment.student_id) is None:
                return Tied(events, decide(PlanMakeUp(session_id, before.appointment.student_id, now), missed))
            return Tied([_untied(event) for event in events], [])
        case _:
            return Tied(events, [])


def _untied(event: SessionEvent) -> SessionEvent:
    if isinstance(event, MakeUpPlanned | MakeUpReleased):
        return event
    return replace(event, appointment=replace(event.appointment, makes_up_for=None))
