"""Many sessions at once, each with what has become of it: decided by the same rules, at each entry's own instant.

Ids are the sender's (derived, so the same each time): of a session that is there already only what is later than its
last documented event is taken, so that the same rows twice change nothing. All rows are taken, or none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, assert_never
from uuid import UUID

from fastapi import Response
from psycopg import Connection
from psycopg.rows import DictRow
from pydantic import ValidationError

from services.chassis.commands import CommandRequest, Commands, Decision
from services.chassis.event_store import Change, EventStore, Recorded
from services.chassis.problem import validation_errors
from services.chassis.refusal import Refused
from services.sessions.domain.cancel_session import CancelSession
from services.sessions.domain.commands import SessionCommand, decide
from services.sessions.domain.complete_session import CompleteSession
from services.sessions.domain.events import (
    Appointment,
    MakeUpPlanned,
    MakeUpReleased,
    SessionCancelled,
    SessionCorrected,
    SessionEvent,
    SessionHeld,
    SessionReassigned,
    SessionRescheduled,
    SessionScheduled,
)
from services.sessions.domain.reschedule_session import RescheduleSession
from services.sessions.domain.schedule_session import ScheduleSession
from services.sessions.domain.session import Scheduled, Session, evolve, fold
from services.sessions.edges.bodies import (
    MAX_ROWS,
    CancelledEntry,
    Entry,
    HeldEntry,
    Import,
    ImportedSession,
    MovedEntry,
)
from services.sessions.edges.handling import mentor_unknown, student_unknown
from services.sessions.edges.importing_make_ups import with_make_ups
from services.sessions.views.directory import Directory, KnownStudent, add_sessions, keep_with_mentor

TO_COME = UUID(int=0)
"""Stands for the mentor of a student who is yet to come, in a dry run; never stored."""


@dataclass(frozen=True, slots=True)
class People:
    """Those of the rows' students and mentors who are known. ``taken_on_trust``: a dry run, they may come yet."""

    students: Mapping[UUID, KnownStudent]
    zones: Mapping[UUID, str]
    taken_on_trust: bool
    school_zone: str


@dataclass
class Outcome:
    """What the rows come to."""

    changes: Sequence[Change] = field(default_factory=list)
    new: list[tuple[UUID, UUID]] = field(default_factory=list)
    mentor_of: dict[UUID, UUID] = field(default_factory=dict)
    changed: int = 0
    unchanged: int = 0
    problems: list[dict[str, object]] = field(default_factory=list)


class SessionImport:
    """Takes rows in, at most ``MAX_ROWS`` a call, in one append."""

    def __init__(
        self,
        commands: Commands,
        store: EventStore,
        directory: Directory,
        school_zone: str,
        more_to_come: Callable[[], None] = lambda: None,
    ) -> None:
        """``more_to_come`` is called with each part of an import: what follows the events had better wait a moment."""
        self._more_to_come = more_to_come
        self._commands = commands
        self._store = store
        self._directory = directory
        self._school_zone = school_zone

    def run(self, request: CommandRequest, body: Import) -> Response:
        """Counts of created, changed, unchanged; refused with every row's problem where one is not right."""
        _, _, email = request.context.actor.partition(":")
        request = replace(request, context=replace(request.context, actor=f"import:{email}"))
        rows, problems = _read(body.rows)
        if not body.dry_run and len(rows) == MAX_ROWS:
            self._more_to_come()

        def attempt() -> Decision:
            outcome = self._decide(rows, request.context.now, taken_on_trust=body.dry_run)
            found = sorted(problems + outcome.problems, key=lambda problem: int(str(problem["row"])))
            if found:
                raise _refused(found)
            counts = {
                "dry_run": body.dry_run,
                "created": len(outcome.new),
                "changed": outcome.changed,
                "unchanged": outcome.unchanged,
            }
            if body.dry_run or not outcome.changes:
                return Decision([], lambda: counts)
            return Decision(outcome.changes, lambda: counts, also=partial(_place, outcome))

        return self._commands.execute(request, attempt)

    def _decide(self, rows: Sequence[tuple[int, ImportedSession]], now: datetime, *, taken_on_trust: bool) -> Outcome:
        people = People(
            students=self._directory.students({row.student_id for _, row in rows}),
            zones=self._directory.timezones({row.mentor_id for _, row in rows if row.mentor_id is not None}),
            taken_on_trust=taken_on_trust,
            school_zone=self._school_zone,
        )
        streams = self._store.load_many([row.session_id for _, row in rows])
        outcome, seen, decided = Outcome(), set[UUID](), dict[int, Change]()
        for index, row in rows:
            try:
                if row.session_id in seen:
                    raise _named_twice()
                seen.add(row.session_id)
                change = _decide_row(row, streams[row.session_id], people, now, outcome)
                if change is not None:
                    decided[index] = change
            except Refused as refusal:
                outcome.problems.append(_problem(index, refusal.code, refusal.fr, refusal.en))
        outcome.changes, refused = with_make_ups(decided, streams, self._store, now, taken_on_trust=taken_on_trust)
        outcome.problems += [_problem(index, one.code, one.fr, one.en) for index, one in refused]
        return outcome


def _decide_row(
    row: ImportedSession, recorded: Sequence[Recorded], people: People, now: datetime, outcome: Outcome
) -> Change | None:
    """What the row changes of its session; None where all of it is known."""
    _refuse_unless_in_order(row, now)
    if recorded:
        events = _later_events(row, recorded)
        if not events:
            outcome.unchanged += 1
            return None
        outcome.changed += 1
        return Change(row.session_id, len(recorded), events)
    events = _first_events(row, people, now)
    outcome.new.append((row.student_id, row.session_id))
    session = fold(events)
    if isinstance(session, Scheduled) and _is_upcoming(session, now):
        outcome.mentor_of[row.student_id] = session.appointment.mentor_id
    return Change(row.session_id, 0, events)


def _first_events(row: ImportedSession, people: People, now: datetime) -> list[SessionEvent]:
    student = people.students.get(row.student_id)
    if student is None and not people.taken_on_trust:
        raise student_unknown()
    mentor_id = row.mentor_id or (student.mentor_id if student else TO_COME)
    zone = row.timezone or people.zones.get(mentor_id) or (student and student.timezone) or people.school_zone
    if row.mentor_id is not None and row.mentor_id not in people.zones and not people.taken_on_trust:
        raise mentor_unknown()
    appointment = Appointment(
        student_id=row.student_id,
        mentor_id=mentor_id,
        starts_at=row.starts_at,
        duration_minutes=row.duration_minutes,
        timezone=zone,
        path=student.path if student else None,
        makes_up_for=row.makes_up_for,
    )
    events = _told(appointment, row, now)
    if student is not None and student.mentor_id != mentor_id and _is_upcoming(fold(events), now):
        # What is yet to come is always the present mentor's: transfers decide that, not a calendar.
        events = _told(replace(appointment, mentor_id=student.mentor_id), row, now)
    return events


def _told(appointment: Appointment, row: ImportedSession, now: datetime) -> list[SessionEvent]:
    """The events that the row tells of a session that is not there yet."""
    planned_at = row.scheduled_at or min(now, row.starts_at)
    events = decide(ScheduleSession(appointment, planned_at), None)
    return events + _decided(fold(events), row.history)


def _later_events(row: ImportedSession, recorded: Sequence[Recorded]) -> list[SessionEvent]:
    """What the row tells beyond what is known of the session."""
    session = fold(one.data for one in recorded)
    assert session is not None
    if session.appointment.student_id != row.student_id:
        raise Refused(
            "session_already_scheduled",
            "Cette session est déjà celle d’un autre étudiant.",
            "This session is another student's already.",
        )
    known_until = max((at for one in recorded if (at := _documented_at(one.data)) is not None), default=None)
    return _decided(session, [entry for entry in row.history if known_until is None or entry.at > known_until])


def _decided(session: Session | None, history: Sequence[Entry]) -> list[SessionEvent]:
    events: list[SessionEvent] = []
    for entry in history:
        for event in decide(_command(entry), session):
            events.append(event)
            session = evolve(session, event)
    return events


def _command(entry: Entry) -> SessionCommand:
    match entry:
        case MovedEntry():
            return RescheduleSession(entry.starts_at, entry.requested_by, entry.at)
        case CancelledEntry():
            return CancelSession(entry.reason, entry.at, entry.notice_at, entry.cause, entry.note)
        case HeldEntry():
            return CompleteSession(entry.at)
        case _:
            assert_never(entry)


def _documented_at(event: SessionEvent) -> datetime | None:
    """When the mentor or support documented something; planning and handing over are not documented by hand."""
    match event:
        case SessionRescheduled():
            return event.rescheduled_at
        case SessionCancelled():
            return event.cancelled_at
        case SessionHeld():
            return event.held_at
        case SessionCorrected():
            return event.corrected_at
        case SessionScheduled() | SessionReassigned() | MakeUpPlanned() | MakeUpReleased():
            return None
        case _:
            assert_never(event)


def _is_upcoming(session: Session | None, now: datetime) -> bool:
    return isinstance(session, Scheduled) and session.appointment.starts_at > now


def _refuse_unless_in_order(row: ImportedSession, now: datetime) -> None:
    instants = [entry.at for entry in row.history]
    if row.scheduled_at is not None:
        instants.insert(0, row.scheduled_at)
    if instants != sorted(instants):
        raise Refused(
            "history_out_of_order",
            "Les événements de cette session ne sont pas dans l’ordre du temps.",
            "The events of this session are not in the order of time.",
        )
    if instants and instants[-1] > now:
        raise Refused(
            "history_in_the_future",
            "Un événement de cette session est daté d’après maintenant.",
            "An event of this session is dated later than now.",
        )


def _place(outcome: Outcome, connection: Connection[DictRow]) -> None:
    if outcome.mentor_of:
        keep_with_mentor(connection, outcome.mentor_of)
    if outcome.new:
        add_sessions(connection, outcome.new)


def _read(rows: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[int, ImportedSession]], list[dict[str, object]]]:
    """The rows that can be read, with their places; and what is wrong with the others."""
    read: list[tuple[int, ImportedSession]] = []
    problems: list[dict[str, object]] = []
    for index, row in enumerate(rows):
        try:
            read.append((index, ImportedSession.model_validate(row)))
        except ValidationError as error:
            found = [{**finding, "loc": ("row", *finding["loc"])} for finding in error.errors()]
            french, english = validation_errors(found, "fr"), validation_errors(found, "en")
            problems.append(
                _problem(
                    index,
                    "invalid_row",
                    " ; ".join(f"{one['field']} : {one['message']}" for one in french),
                    "; ".join(f"{one['field']}: {one['message']}" for one in english),
                )
            )
    return read, problems


def _problem(index: int, code: str, fr: str, en: str) -> dict[str, object]:
    return {"row": index, "code": code, "detail": {"fr": fr, "en": en}, "detail_en": en}


def _named_twice() -> Refused:
    return Refused(
        "session_named_twice",
        "Cette session figure déjà dans une ligne précédente.",
        "This session stands in an earlier row already.",
    )


def _refused(problems: Sequence[Mapping[str, object]]) -> Refused:
    return Refused(
        "import_refused",
        "Rien n’a été importé : certaines lignes ne sont pas valables ; chacune est indiquée avec sa raison.",
        "Nothing was imported: some rows are not valid; each is listed with its reason.",
        errors=problems,
    )
