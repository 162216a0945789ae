"""The student's file, week by week.

*Planned* counts every session that was set for the week, whatever became of it: one to come, held, cancelled or missed
by the student. A session that was moved counts in the week to which it was moved, and no longer in the other.
So planned = attended + excused + unexcused + to qualify + those to come, and a week is *missing* where planned is 0
in a week of the student's enrolment, up to the current one: no session stands, or stood, for it.
*Caught up* counts the week's sessions that another session, which was held, made up for.
"""

from collections import Counter
from collections.abc import Sequence
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
    """What one event says about a session."""

    session_id: UUID
    event_id: UUID
    mentor_id: UUID
    starts_at: datetime
    duration_minutes: int
    outcome: Outcome
    cause: Cause | None = None
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
    makes_up_for: UUID | None
    moves: Sequence[Move]
    event_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class FileWeek:
    """One week of the file."""

    week: Week
    planned: int
    attended: int
    excused: int
    unexcused: int
    to_qualify: int
    missing: bool
    caught_up: int
    entries: Sequence[Entry]


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
        makes_up_for=next((state.makes_up_for for state in states if state.makes_up_for is not None), None),
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
    made_up = {entry.makes_up_for for entry in entries if entry.outcome is Outcome.HELD}
    return [
        _file_week(week, by_week.get(week, []), enrolled=enrolment is not None and week >= enrolment, made_up=made_up)
        for week in sorted(shown)
    ]


def _file_week(week: Week, entries: Sequence[Entry], *, enrolled: bool, made_up: set[UUID | None]) -> FileWeek:
    counts = Counter(entry.standing for entry in entries)
    return FileWeek(
        week=week,
        planned=len(entries),
        attended=counts[Standing.ATTENDED],
        excused=counts[Standing.EXCUSED],
        unexcused=counts[Standing.UNEXCUSED],
        to_qualify=counts[Standing.TO_QUALIFY],
        missing=enrolled and not entries,
        caught_up=sum(entry.session_id in made_up for entry in entries),
        entries=entries,
    )
