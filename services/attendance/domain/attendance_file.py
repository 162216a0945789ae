"""The student's file, week by week.

*Planned* counts every session that was set for the week, whatever became of it: one to come, held, cancelled or missed
by the student. A session that was moved counts in the week to which it was moved, and no longer in the other.
So planned = attended + excused + unexcused + to qualify + those to come, and a week is *missing* where planned is 0
in a week of the student's enrolment, up to the current one: no session stands, or stood, for it.
*Caught up* counts those of the week's cancelled sessions in whose place another one was held, in whatever week: they
are recoverable, and the other one makes up for them. The other one is planned and attended in the week in which it was
held. So over the whole file, what was owed and not attended is excused + unexcused + to qualify − caught up. A week may
be caught up and yet have had no session of its own: *caught up* takes nothing away from what the week shows otherwise.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from uuid import UUID

from services.attendance.domain.standing import Cause, Outcome, Standing, standing_of
from services.attendance.domain.week import Week, from_to


@dataclass(frozen=True, slots=True)
class Move:
    """The session was moved without being cancelled (S9); a late move that the student asked for stays visible."""

    event_id: UUID
    previous_starts_at: datetime
    requested_by: str
    late: bool


@dataclass(frozen=True, slots=True)
class SessionState:
    """What one event says about a session. ``recoverable`` is None unless it is cancelled and qualified."""

    session_id: UUID
    event_id: UUID
    mentor_id: UUID
    starts_at: datetime
    duration_minutes: int
    outcome: Outcome
    cause: Cause | None = None
    recoverable: bool | None = None
    makes_up_for: UUID | None = None
    move: Move | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A session in the file: its last state, with what led there. ``event_id`` is the last event."""

    session_id: UUID
    event_id: UUID
    mentor_id: UUID
    starts_at: datetime
    duration_minutes: int
    outcome: Outcome
    cause: Cause | None
    standing: Standing
    recoverable: bool | None
    makes_up_for: UUID | None
    moves: Sequence[Move]
    event_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class FileWeek:
    """One week of the file. ``caught_up_by``: missed session of the week -> the one that was held in its place."""

    week: Week
    planned: int
    attended: int
    excused: int
    unexcused: int
    to_qualify: int
    missing: bool
    caught_up_by: Mapping[UUID, UUID]
    entries: Sequence[Entry]

    @property
    def caught_up(self) -> int:
        return len(self.caught_up_by)

    @property
    def late_requests(self) -> int:
        """How often the student asked, inside the 24 h, to move one of the week's sessions (S9)."""
        return sum(move.late and move.requested_by == "student" for entry in self.entries for move in entry.moves)


def entry_of(states: Sequence[SessionState]) -> Entry:
    """The entry of one session from its states in order; at least one."""
    last = states[-1]
    return Entry(
        session_id=last.session_id,
        event_id=last.event_id,
        mentor_id=last.mentor_id,
        starts_at=last.starts_at,
        duration_minutes=last.duration_minutes,
        outcome=last.outcome,
        cause=last.cause,
        standing=standing_of(last.outcome, last.cause),
        recoverable=last.recoverable,
        makes_up_for=last.makes_up_for,
        moves=[state.move for state in states if state.move is not None],
        event_ids=[state.event_id for state in states],
    )


def weeks_of(entries: Sequence[Entry], enrolled_at: datetime | None, now: datetime, zone: tzinfo) -> list[FileWeek]:
    """Each week from the enrolment (or the first session, if earlier) to the current one; later ones with sessions.

    ``enrolled_at`` is None while nothing is known of the student but sessions; then no week is missing.
    """
    current = Week.of(now, zone)
    enrolment = Week.of(enrolled_at, zone) if enrolled_at is not None else None
    by_week: dict[Week, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.starts_at, entry.session_id)):
        by_week.setdefault(Week.of(entry.starts_at, zone), []).append(entry)
    begun = [week for week in (enrolment, *by_week) if week is not None]
    shown = set(by_week)
    if begun:
        shown.update(from_to(min(begun), current))
    caught_up_by = _caught_up_by(entries)
    return [
        _file_week(week, by_week.get(week, []), caught_up_by, enrolled=enrolment is not None and week >= enrolment)
        for week in sorted(shown)
    ]


def _caught_up_by(entries: Sequence[Entry]) -> Mapping[UUID, UUID]:
    """Missed session -> the one held in its place. What was held after all, or is not recoverable, is not missed."""
    held_for = {
        entry.makes_up_for: entry.session_id
        for entry in entries
        if entry.makes_up_for is not None and entry.outcome is Outcome.HELD
    }
    return {
        entry.session_id: held_for[entry.session_id]
        for entry in entries
        if entry.recoverable and entry.session_id in held_for
    }


def _file_week(week: Week, entries: Sequence[Entry], caught_up_by: Mapping[UUID, UUID], *, enrolled: bool) -> FileWeek:
    counts = Counter(entry.standing for entry in entries)
    return FileWeek(
        week=week,
        planned=len(entries),
        attended=counts[Standing.ATTENDED],
        excused=counts[Standing.EXCUSED],
        unexcused=counts[Standing.UNEXCUSED],
        to_qualify=counts[Standing.TO_QUALIFY],
        missing=enrolled and not entries,
        caught_up_by={
            entry.session_id: caught_up_by[entry.session_id] for entry in entries if entry.session_id in caught_up_by
        },
        entries=entries,
    )
