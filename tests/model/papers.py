"""Statements, files and weeks as Relais makes them of events: what the reactions and views do, in memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from services.attendance.domain.attendance_file import Entry, Move, SessionState, entry_of, weeks_of
from services.attendance.domain.continuity import state_of, what_stands
from services.attendance.domain.standing import Cause, Outcome
from services.attendance.domain.week import Week
from services.billing.domain import close_statement
from services.billing.domain.close_statement import ClosedStatement, CloseStatement, LineToClose, OpenStatement
from services.billing.domain.month import Month
from services.billing.domain.statement import Documented, EarlierLine, post
from services.billing.domain.tariff import Outcome as Billed
from services.billing.domain.tariff import Tariff, TariffVersion
from services.sessions.domain.events import (
    MakeUpPlanned,
    MakeUpReleased,
    SessionCancelled,
    SessionCorrected,
    SessionEvent,
    SessionHeld,
    SessionRescheduled,
    Status,
)
from tests.model.plain_papers import LEVELS, RATES, SHARES

PARIS = ZoneInfo("Europe/Paris")
TARIFF = Tariff(
    currency="EUR",
    versions=[
        TariffVersion(
            str(since), since, rates, {Billed(of): dict.fromkeys(rates, share) for of, share in SHARES.items()}
        )
        for since, rates in sorted(RATES, key=lambda entry: entry[0], reverse=True)
    ],
    level_by_path=LEVELS,
    default_level=1,
)


@dataclass(frozen=True)
class Line:
    mentor_id: UUID
    session_id: UUID
    line: EarlierLine


@dataclass
class Statements:
    """Lines that stand, and the months that are closed."""

    lines: list[Line] = field(default_factory=list)
    closed: set[tuple[UUID, Month]] = field(default_factory=set)
    frozen: dict[tuple[UUID, Month], list[Line]] = field(default_factory=dict)

    def record(self, session_id: UUID, event: SessionEvent) -> None:
        if not isinstance(event, SessionHeld | SessionCancelled | SessionCorrected):
            return
        appointment = event.appointment
        event_id = uuid5(session_id, str(len(self.lines)))
        documented = Documented(
            event_id=event_id,
            session_id=session_id,
            student_id=appointment.student_id,
            mentor_id=appointment.mentor_id,
            starts_at=appointment.starts_at,
            duration_minutes=appointment.duration_minutes,
            path=appointment.path,
            outcome=_billed(event),
        )
        own = [line for line in self.lines if (line.mentor_id, line.session_id) == (appointment.mentor_id, session_id)]
        closed = {month for mentor_id, month in self.closed if mentor_id == appointment.mentor_id}
        posting = post(documented, [line.line for line in own], closed, TARIFF, PARIS)
        self.lines = [line for line in self.lines if line.line.line_id not in posting.superseded]
        if (new := posting.line) is not None:
            of = Month.of(appointment.starts_at, PARIS)
            line_id = uuid5(event_id, str(len(self.lines)) + str(new))
            self.lines.append(
                Line(
                    appointment.mentor_id,
                    session_id,
                    EarlierLine(line_id, new.month, of, new.outcome, new.amount_cents),
                )
            )

    def close(self, mentor_id: UUID, month: Month, now: datetime) -> bool:
        """False where it is closed already. Raises Refused."""
        on_it = [line for line in self.lines if (line.mentor_id, line.line.month) == (mentor_id, month)]
        command = CloseStatement(
            mentor_id=mentor_id,
            month=month,
            currency="EUR",
            lines=[LineToClose(line.line.line_id, line.line.amount_cents) for line in on_it],
            now=now,
            zone=PARIS,
        )
        events = close_statement.decide(command, OpenStatement())
        if (mentor_id, month) in self.closed:
            return bool(close_statement.decide(command, ClosedStatement(events[0])))
        self.closed.add((mentor_id, month))
        self.frozen[mentor_id, month] = on_it
        return True

    def view(self) -> dict[tuple[UUID, str], dict[UUID, int]]:
        for (mentor_id, month), lines in self.frozen.items():
            present = [line for line in self.lines if (line.mentor_id, line.line.month) == (mentor_id, month)]
            assert present == lines, "a closed statement has changed"
        seen: dict[tuple[UUID, str], dict[UUID, int]] = {}
        for line in self.lines:
            of_session = seen.setdefault((line.mentor_id, str(line.line.month)), {})
            of_session[line.session_id] = of_session.get(line.session_id, 0) + line.line.amount_cents
        without_0 = {
            statement: {which: cents for which, cents in lines.items() if cents} for statement, lines in seen.items()
        }
        return {statement: lines for statement, lines in without_0.items() if lines}


def file_of(entries: list[Entry], enrolled_at: datetime, now: datetime) -> dict[str, tuple[int | bool, ...]]:
    return {
        str(week.week): (
            *(week.planned, week.attended, week.excused, week.unexcused, week.to_qualify),
            *(week.missing, week.caught_up, week.late_requests),
        )
        for week in weeks_of(entries, enrolled_at, now, PARIS)
    }


def continuity_of(entries: list[Entry], now: datetime) -> dict[str, str]:
    current = Week.of(now, PARIS)
    last = Week.of(current.starts_at(PARIS) - timedelta(seconds=1), PARIS)
    weeks = {}
    for week in (last, current, current.next()):
        outcomes = [entry.outcome for entry in entries if Week.of(entry.starts_at, PARIS) == week]
        weeks[str(week)] = state_of(what_stands(outcomes), ends_at=week.ends_at(PARIS), now=now).value
    return weeks


def entry_from(session_id: UUID, events: Iterable[SessionEvent]) -> Entry:
    """The session's entry, as its published events make it."""
    published = [event for event in events if not isinstance(event, MakeUpPlanned | MakeUpReleased)]
    states = []
    for number, event in enumerate(published):
        appointment, event_id = event.appointment, uuid5(session_id, str(number))
        cancelled = event if isinstance(event, SessionCancelled | SessionCorrected) else None
        moved = event if isinstance(event, SessionRescheduled) else None
        states.append(
            SessionState(
                session_id=session_id,
                event_id=event_id,
                mentor_id=appointment.mentor_id,
                starts_at=appointment.starts_at,
                duration_minutes=appointment.duration_minutes,
                outcome=_counted(event),
                cause=Cause(cancelled.cause) if cancelled and cancelled.cause else None,
                recoverable=cancelled.recoverable if cancelled else None,
                makes_up_for=appointment.makes_up_for,
                move=Move(event_id, moved.previous_starts_at, moved.requested_by.value, moved.late) if moved else None,
            )
        )
    return entry_of(states)


def _billed(event: SessionHeld | SessionCancelled | SessionCorrected) -> Billed | None:
    counted = _counted(event)
    return None if counted is Outcome.PLANNED else Billed(counted.value)


def _counted(event: SessionEvent) -> Outcome:
    match event:
        case SessionHeld() | SessionCorrected(status=Status.HELD):
            return Outcome.HELD
        case SessionCancelled(reason=reason) | SessionCorrected(status=Status.CANCELLED, reason=reason) if reason:
            return Outcome(reason.value)
        case _:
            return Outcome.PLANNED
