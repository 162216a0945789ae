"""The read model of sessions in the file: table ``session_states``, one row an event, from relais.sessions."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from services.attendance.domain.attendance_file import Entry, Move, SessionState, entry_of
from services.attendance.domain.standing import Cause, Outcome
from services.chassis.at_once import CopyInto

ADD: Final = CopyInto(
    "session_states", student_id="uuid", session_id="uuid", sequence="int8", event_id="uuid", mentor_id="uuid",
    starts_at="timestamptz", duration_minutes="int4", outcome="text", cause="text", recoverable="bool",
    makes_up_for="uuid", moved_from="timestamptz", move_requested_by="text", move_late="bool",
    recorded_at="timestamptz",
)  # fmt: skip

STATES_OF_STUDENT: Final = """
SELECT session_id, event_id, mentor_id, starts_at, duration_minutes, outcome, cause, recoverable,
       makes_up_for, moved_from, move_requested_by, move_late
FROM session_states
WHERE student_id = %(student_id)s AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
ORDER BY session_id, sequence
"""

STATES_OF_EVENTS: Final = """
SELECT student_id, session_id, event_id, mentor_id, starts_at, duration_minutes, outcome, cause, recoverable,
       makes_up_for, moved_from, move_requested_by, move_late
FROM session_states
WHERE event_id = ANY(%(event_ids)s) AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
ORDER BY recorded_at, event_id
LIMIT %(limit)s
"""


def add_states(connection: Connection[DictRow], said: Iterable[tuple[CloudEvent, SessionState]]) -> None:
    """Adds what events say about sessions, one row an event."""
    ADD.add(connection, (_row(event, state) for event, state in said))


def _row(event: CloudEvent, state: SessionState) -> Sequence[object]:
    move = state.move
    return (
        getattr(event.data, "student_id"),  # noqa: B009 - every event of a session has one
        state.session_id,
        event.sequence,
        state.event_id,
        state.mentor_id,
        state.starts_at,
        state.duration_minutes,
        state.outcome.value,
        state.cause.value if state.cause is not None else None,
        state.recoverable,
        state.makes_up_for,
        move.previous_starts_at if move is not None else None,
        move.requested_by if move is not None else None,
        move.late if move is not None else None,
        event.time,
    )


def entries_of(connection: Connection[DictRow], student_id: UUID, *, as_of: datetime | None = None) -> list[Entry]:
    """All sessions of a student, each as its last event left it."""
    rows = connection.execute(STATES_OF_STUDENT, {"student_id": student_id, "as_of": as_of}).fetchall()
    by_session = groupby(map(_state, rows), key=lambda state: state.session_id)
    return [entry_of(list(states)) for _, states in by_session]


def of_events(
    connection: Connection[DictRow], event_ids: Sequence[UUID], *, limit: int, as_of: datetime | None = None
) -> list[tuple[UUID, Entry]]:
    """What each of these events said in the file, with the student whose file it is; one an event at most."""
    rows = connection.execute(
        STATES_OF_EVENTS, {"event_ids": list(event_ids), "limit": limit, "as_of": as_of}
    ).fetchall()
    return [(row["student_id"], entry_of_row(row)) for row in rows]


def entry_of_row(row: DictRow) -> Entry:
    """The entry as one row alone tells it."""
    return entry_of([_state(row)])


def _state(row: DictRow) -> SessionState:
    return SessionState(
        session_id=row["session_id"],
        event_id=row["event_id"],
        mentor_id=row["mentor_id"],
        starts_at=row["starts_at"],
        duration_minutes=row["duration_minutes"],
        outcome=Outcome(row["outcome"]),
        cause=Cause(row["cause"]) if row["cause"] is not None else None,
        recoverable=row["recoverable"],
        makes_up_for=row["makes_up_for"],
        move=Move(row["event_id"], row["moved_from"], row["move_requested_by"], row["move_late"])
        if row["moved_from"] is not None
        else None,
    )
