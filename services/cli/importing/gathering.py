"""Reading all files of one import: people are kept, sessions go to a temporary file, since they may be very many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from services.cli.importing import calendars, people, sessions
from services.cli.importing.rows import Mentor, Note, Problem, Session, Student, Transfer
from services.cli.importing.spooling import Spool
from services.cli.importing.tables import has_column, headers_of


@dataclass
class Gathered:
    """Everything that the files hold, and all that is wrong in them."""

    mentors: dict[str, tuple[str, Mentor]] = field(default_factory=dict)
    students: dict[str, tuple[str, Student]] = field(default_factory=dict)
    transfers: list[tuple[str, Transfer]] = field(default_factory=list)
    sessions: Spool = field(default_factory=Spool)
    addresses: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def gather(
    paths: Sequence[Path], *, timezone: ZoneInfo, now: datetime, horizon: timedelta = calendars.HORIZON
) -> Gathered:
    """Reads ``paths`` whole, each by what it holds. The caller closes ``sessions``."""
    gathered = Gathered()
    seen_people, seen_sessions = people.Seen(), sessions.Seen()
    for path in paths:
        rows: Iterator[Mentor | Student | Transfer | Session | Problem | Note]
        headers = headers_of(path)
        if path.suffix.lower() in (".ics", ".ical", ".ifb", ".icalendar"):
            rows = calendars.read_calendar(path, timezone=timezone, now=now, seen=seen_sessions, horizon=horizon)
        elif has_column(headers, sessions.COLUMNS, "student") and has_column(headers, sessions.COLUMNS, "starts_at"):
            rows = sessions.read_sessions(path, timezone=timezone, now=now, seen=seen_sessions)
        else:
            rows = people.read_people(path, timezone=timezone, now=now, seen=seen_people)
        for row in rows:
            _keep(gathered, path.name, row)
    gathered.transfers.sort(key=lambda each: each[1].at)
    return gathered


def _keep(gathered: Gathered, file: str, row: Mentor | Student | Transfer | Session | Problem | Note) -> None:
    match row:
        case Problem():
            gathered.problems.append(row)
        case Note():
            gathered.notes.append(row)
        case Mentor():
            gathered.mentors[row.email] = (file, row)
            gathered.addresses.add(row.email)
        case Student():
            gathered.students[row.email] = (file, row)
            gathered.addresses |= {row.email, row.mentor_email}
        case Transfer():
            gathered.transfers.append((file, row))
            gathered.addresses |= {row.student_email, row.mentor_email}
        case Session():
            gathered.sessions.add(file, row)
            gathered.addresses.update(row.addresses)
            if row.mentor_email is not None:
                gathered.addresses.add(row.mentor_email)
