"""The words in which the tests of attendance are written."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.attendance.domain.attendance_file import Entry, FileWeek, Move, SessionState, entry_of, weeks_of
from services.attendance.domain.standing import Cause, Outcome

PARIS = ZoneInfo("Europe/Paris")
STUDENT = UUID("00000000-0000-7000-8000-0000000000b1")
MENTOR = UUID("00000000-0000-7000-8000-0000000000a1")
REPLACEMENT = UUID("00000000-0000-7000-8000-0000000000a2")


def session_id(number: int) -> UUID:
    return UUID(int=0x5000 << 64 | number)


def event_id(number: int) -> UUID:
    return UUID(int=0xE000 << 64 | number)


def paris(year: int, month: int, day: int, hour: int = 18, minute: int = 0) -> datetime:
    """An instant by the clock in Paris, in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=PARIS).astimezone(UTC)


def state(
    session: int,
    outcome: Outcome,
    starts_at: datetime,
    *,
    event: int = 1,
    cause: Cause | None = None,
    recoverable: bool | None = None,
    makes_up_for: UUID | None = None,
    move: Move | None = None,
) -> SessionState:
    return SessionState(
        session_id=session_id(session),
        event_id=event_id(event),
        mentor_id=MENTOR,
        starts_at=starts_at,
        duration_minutes=45,
        outcome=outcome,
        cause=cause,
        recoverable=recoverable,
        makes_up_for=makes_up_for,
        move=move,
    )


def entry(
    session: int,
    outcome: Outcome,
    starts_at: datetime,
    *,
    cause: Cause | None = None,
    recoverable: bool | None = None,
    makes_up_for: UUID | None = None,
) -> Entry:
    return entry_of(
        [state(session, outcome, starts_at, cause=cause, recoverable=recoverable, makes_up_for=makes_up_for)]
    )


def file_of(*entries: Entry, enrolled_at: datetime | None, now: datetime) -> dict[str, FileWeek]:
    """The file by week, as ``2026-W47``."""
    return {str(week.week): week for week in weeks_of(entries, enrolled_at, now, PARIS)}


def counts(week: FileWeek) -> dict[str, int]:
    """What a week counts, where it is not 0."""
    all_counts = {
        "planned": week.planned,
        "attended": week.attended,
        "excused": week.excused,
        "unexcused": week.unexcused,
        "to_qualify": week.to_qualify,
        "missing": int(week.missing),
        "caught_up": week.caught_up,
    }
    return {name: count for name, count in all_counts.items() if count}
