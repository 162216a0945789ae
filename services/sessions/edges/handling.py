"""Commands of one session: load, decide, append, answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import Response
from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.access import Guard
from services.chassis.commands import CommandRequest, Commands, Decision, check_if_match
from services.chassis.event_store import Change, EventStore, Recorded
from services.chassis.ids import new_id
from services.chassis.refusal import Refused
from services.sessions.domain.commands import SessionCommand, decide
from services.sessions.domain.correct_session import CorrectSession
from services.sessions.domain.events import (
    Appointment,
    SessionCancelled,
    SessionCorrected,
    SessionEvent,
    SessionHeld,
    Status,
)
from services.sessions.domain.make_up_session import PlanMakeUp, tied
from services.sessions.domain.reassign_session import ReassignSession
from services.sessions.domain.refusals import session_unknown
from services.sessions.domain.schedule_session import ScheduleSession
from services.sessions.domain.session import Session, evolve, fold
from services.sessions.edges.access import CHANGE, PLAN
from services.sessions.edges.bodies import Correction, NewSession, session_body
from services.sessions.views.directory import Directory, KnownStudent, add_sessions, keep_with_mentor

ARRIVAL_PATIENCE_S = 5.0
"""How long a student is waited for who was enrolled a moment ago: the event is on its way to our directory."""
ARRIVAL_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session with its events; ``version`` is that of the last."""

    session: Session
    recorded: Sequence[Recorded]

    @property
    def version(self) -> int:
        return len(self.recorded)


class SessionHandling:
    """What the API does with sessions."""

    def __init__(self, commands: Commands, store: EventStore, directory: Directory, guard: Guard) -> None:
        self._commands = commands
        self._store = store
        self._directory = directory
        self._guard = guard

    def load(self, session_id: UUID, *, as_of: datetime | None = None) -> Loaded:
        """The session, as of an instant where one is given. Raises NotFound."""
        loaded = self._loaded(session_id, as_of=as_of)
        if loaded is None:
            raise session_unknown()
        return loaded

    def schedule(self, request: CommandRequest, body: NewSession) -> Response:
        """Plans a session with the student's present mentor, in that mentor's time zone.

        One that makes up for another is appended together with the missed one's own event: see ``make_up_session``.
        """
        session_id, now = new_id(), request.context.now

        def attempt() -> Decision:
            student = self._arrived(body.student_id)
            self._guard.check(PLAN, request.person, mentor_id=student.mentor_id)
            appointment = Appointment(
                student_id=student.student_id,
                mentor_id=student.mentor_id,
                starts_at=body.starts_at,
                duration_minutes=body.duration_minutes,
                timezone=student.timezone or "",
                path=student.path,
                makes_up_for=body.makes_up_for,
            )
            events = decide(ScheduleSession(appointment, now), None)
            changes = [Change(session_id, 0, events)]
            if body.makes_up_for is not None:
                missed = self._loaded(body.makes_up_for)
                claim = decide(PlanMakeUp(session_id, student.student_id, now), missed.session if missed else None)
                changes.append(Change(body.makes_up_for, missed.version if missed else 0, claim))
            return Decision(
                changes=changes,
                answer=_answer(session_id, None, 0, events),
                status=201,
                also=partial(place, session_id, appointment),
            )

        return self._commands.execute(request, attempt)

    def change(self, request: CommandRequest, session_id: UUID, command: SessionCommand) -> Response:
        """Decides ``command`` on the session as it is; ``If-Match`` is checked against its version."""

        def attempt() -> Decision:
            loaded = self.load(session_id)
            self._guard.check(CHANGE, request.person, mentor_id=loaded.session.appointment.mentor_id)
            check_if_match(request, loaded.version)
            return self._decision(session_id, loaded, decide(command, loaded.session), request.context.now)

        return self._commands.execute(request, attempt)

    def correct(self, request: CommandRequest, session_id: UUID, body: Correction) -> Response:
        """Corrects the session; one that is planned again goes to whoever is the student's mentor by now."""
        now = request.context.now

        def attempt() -> Decision:
            loaded = self.load(session_id)
            check_if_match(request, loaded.version)
            command = CorrectSession(
                status=body.status,
                why=body.why,
                now=now,
                reason=body.reason,
                cause=body.cause,
                recoverable=body.recoverable,
                corrects_event_id=_last_outcome(loaded.recorded),
            )
            events = decide(command, loaded.session)
            if not events or body.status is not Status.SCHEDULED:
                return self._decision(session_id, loaded, events, now)
            student = self._arrived(loaded.session.appointment.student_id)
            planned_again = _after(loaded.session, events)
            events += decide(ReassignSession(student.mentor_id, transferred_at=now), planned_again)
            keep = partial(keep_with_mentor, mentor_of={student.student_id: student.mentor_id})
            return self._decision(session_id, loaded, events, now, also=keep)

        return self._commands.execute(request, attempt)

    def _loaded(self, session_id: UUID, *, as_of: datetime | None = None) -> Loaded | None:
        recorded = self._store.load(session_id, as_of=as_of)
        session = fold(one.data for one in recorded)
        return None if session is None else Loaded(session, recorded)

    def _decision(
        self,
        session_id: UUID,
        loaded: Loaded,
        events: Sequence[SessionEvent],
        now: datetime,
        also: Callable[[Connection[DictRow]], None] | None = None,
    ) -> Decision:
        """The session's own events; where it makes up for another, that one's with them."""
        changes = [Change(session_id, loaded.version, events)] if events else []
        missed_id = loaded.session.appointment.makes_up_for
        if events and missed_id is not None:
            missed = self._loaded(missed_id)
            both = tied(session_id, loaded.session, events, missed.session if missed else None, now)
            events = both.events
            changes = [Change(session_id, loaded.version, events)]
            if missed is not None and both.of_missed:
                changes.append(Change(missed_id, missed.version, both.of_missed))
        return Decision(changes, _answer(session_id, loaded.session, loaded.version, events), also=also)

    def _arrived(self, student_id: UUID) -> KnownStudent:
        """The student with the mentor's time zone, waited for a little. Raises Refused."""
        deadline = time.monotonic() + ARRIVAL_PATIENCE_S
        while True:
            student = self._directory.student(student_id)
            if student is not None and student.timezone is not None:
                return student
            if time.monotonic() >= deadline:
                raise student_unknown() if student is None else mentor_unknown()
            time.sleep(ARRIVAL_POLL_S)


def student_unknown() -> Refused:
    return Refused("student_unknown", "Aucun étudiant n’a cet identifiant.", "No student has this id.")


def mentor_unknown() -> Refused:
    return Refused("mentor_unknown", "Aucun mentor n’a cet identifiant.", "No mentor has this id.")


def place(session_id: UUID, appointment: Appointment, connection: Connection[DictRow]) -> None:
    """What goes with a new session's first event, in its transaction."""
    keep_with_mentor(connection, {appointment.student_id: appointment.mentor_id})
    add_sessions(connection, [(appointment.student_id, session_id)])


def _answer(
    session_id: UUID, session: Session | None, version: int, events: Sequence[SessionEvent]
) -> Callable[[], dict[str, Any]]:
    after = _after(session, events)
    assert after is not None, "an answer is about a session that is there"
    return lambda: session_body(session_id, after, version + len(events))


def _after(session: Session | None, events: Sequence[SessionEvent]) -> Session | None:
    for event in events:
        session = evolve(session, event)
    return session


def _last_outcome(recorded: Sequence[Recorded]) -> UUID | None:
    """The event whose outcome holds now; None where nothing is documented yet."""
    outcomes = [one for one in recorded if isinstance(one.data, SessionCancelled | SessionHeld | SessionCorrected)]
    return outcomes[-1].event_id if outcomes else None
