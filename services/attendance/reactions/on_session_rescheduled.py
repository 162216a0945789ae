"""A session was moved: it counts in its new week, and the file shows who asked for it, and whether late (S9)."""

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionRescheduled
from services.attendance.domain.attendance_file import Move, SessionState
from services.attendance.domain.standing import Outcome
from services.attendance.views import sessions


def on_session_rescheduled(connection: Connection[DictRow], event: CloudEvent) -> None:
    """The reaction to SessionRescheduled."""
    moved = event.data
    assert isinstance(moved, SessionRescheduled)
    state = SessionState(
        session_id=moved.session_id,
        event_id=event.id,
        mentor_id=moved.mentor_id,
        starts_at=moved.starts_at,
        duration_minutes=moved.duration_minutes,
        outcome=Outcome.PLANNED,
        move=Move(event.id, moved.previous_starts_at, moved.requested_by, moved.late),
        makes_up_for=moved.makes_up_for,
    )
    sessions.add_state(connection, moved.student_id, state, sequence=event.sequence, recorded_at=event.time)
