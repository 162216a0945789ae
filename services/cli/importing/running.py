"""One import from beginning to end: read whole, looked up, tried dry, and only then written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from services.cli.importing.accounts import Accounts, place_people, place_session
from services.cli.importing.calendars import HORIZON
from services.cli.importing.gathering import Gathered, gather
from services.cli.importing.rows import Note, Placed, Problem
from services.cli.importing.sending import (
    AT_ONCE,
    CHUNK_ROWS,
    Counts,
    Destination,
    Endpoint,
    RefusedRow,
    chunks,
    chunks_of_people,
    in_order,
)
from services.cli.importing.spooling import Tried

PEOPLE: Endpoint = "/api/students/import"
SESSIONS: Endpoint = "/api/sessions/import"


class Progress(Protocol):
    """Told how far the import is; rows are counted once in the dry run and once for real."""

    def begin(self, fr: str, rows: int) -> None: ...

    def advance(self, rows: int) -> None: ...


class Silent:
    """A progress that nobody watches."""

    def begin(self, fr: str, rows: int) -> None:
        """Nothing to show."""

    def advance(self, rows: int) -> None:
        """Nothing to show."""


@dataclass
class Report:
    """What came of it. ``written`` is false where nothing was sent for real."""

    written: bool = False
    seconds: float = 0.0
    peak_memory_mb: int = 0
    people: Counts = field(default_factory=Counts)
    sessions: Counts = field(default_factory=Counts)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def run_import(
    paths: Sequence[Path],
    destination: Destination,
    *,
    timezone: ZoneInfo,
    now: datetime,
    skip_invalid: bool = False,
    horizon: timedelta = HORIZON,
    progress: Progress | None = None,
) -> Report:
    """Imports ``paths``: all of it, or nothing where any line has a problem (with ``skip_invalid``: all other lines).

    Run twice, the second time changes nothing: ids are derived, and Relais takes only what is later than it knows.
    """
    progress = progress or Silent()
    gathered = gather(paths, timezone=timezone, now=now, horizon=horizon)
    try:
        return _Run(gathered, destination, skip_invalid, progress).run()
    finally:
        gathered.sessions.close()


@dataclass
class _Run:
    gathered: Gathered
    destination: Destination
    skip_invalid: bool
    progress: Progress
    report: Report = field(default_factory=Report)
    accounts: Accounts = field(default_factory=Accounts)
    sessions: Tried = field(default_factory=Tried)
    refused_sessions: set[str] = field(default_factory=set)

    def run(self) -> Report:
        try:
            return self._run()
        finally:
            self.sessions.close()

    def _run(self) -> Report:
        report = self.report
        report.problems, report.notes = self.gathered.problems, self.gathered.notes
        self.accounts = self.destination.lookup(sorted(self.gathered.addresses))
        people = self._try_people(list(place_people(self.gathered, self.accounts, report.problems.append)))
        self._try_sessions()
        report.problems.sort(key=lambda problem: (problem.file, problem.line))
        if report.problems and not self.skip_invalid:
            return report
        report.written = True
        self.progress.begin("Comptes et transferts", len(people))
        report.people = self._write(PEOPLE, chunks_of_people(people, CHUNK_ROWS), at_once=1)
        self.progress.begin("Sessions", self.gathered.sessions.count)
        report.sessions = self._write(SESSIONS, chunks(self._right_sessions(), CHUNK_ROWS), at_once=AT_ONCE)
        return report

    def _try_people(self, people: list[Placed]) -> list[Placed]:
        self.progress.begin("Vérification des comptes", len(people))
        rows = self._tried(PEOPLE, chunks_of_people(people, CHUNK_ROWS), at_once=1)
        refused = [chunk[row.index] for chunk, row in rows]
        for placed in refused:
            self.accounts.forget(placed.row)
        return [placed for placed in people if placed not in refused]

    def _try_sessions(self) -> None:
        self.progress.begin("Vérification des sessions", self.gathered.sessions.count)
        for chunk, row in self._tried(SESSIONS, chunks(self._placed_sessions(), CHUNK_ROWS), at_once=AT_ONCE):
            self.refused_sessions.add(chunk[row.index].row["session_id"])

    def _tried(
        self, endpoint: Endpoint, rows: Iterator[list[Placed]], *, at_once: int
    ) -> Iterator[tuple[list[Placed], RefusedRow]]:
        for chunk, answer in in_order(lambda chunk: self._post(endpoint, chunk, dry_run=True), rows, at_once=at_once):
            if not isinstance(answer, Counts):
                for row in answer:
                    self.report.problems.append(row.problem)
                    yield chunk, row
            self.progress.advance(len(chunk))

    def _placed_sessions(self) -> Iterator[Placed]:
        """Each session with its ids, kept to be sent again; what can't be placed is a problem."""
        zones = self.accounts.zones()
        for file, session in self.gathered.sessions:
            match place_session(file, session, self.accounts, zones):
                case Placed() as placed:
                    self.sessions.add(placed)
                    yield placed
                case Problem() as problem:
                    self.report.problems.append(problem)

    def _right_sessions(self) -> Iterator[Placed]:
        return (placed for placed in self.sessions if placed.row["session_id"] not in self.refused_sessions)

    def _write(self, endpoint: Endpoint, rows: Iterator[list[Placed]], *, at_once: int) -> Counts:
        """What the dry run let pass and the real one refuses (something changed in between) stops the import."""
        counts = Counts()
        for chunk, answer in in_order(lambda chunk: self._written(endpoint, chunk), rows, at_once=at_once):
            if not isinstance(answer, Counts):
                raise Interrupted(self.report, [row.problem for row in answer])
            counts += answer
            self.progress.advance(len(chunk))
        return counts

    def _written(self, endpoint: Endpoint, chunk: list[Placed]) -> Counts | list[RefusedRow]:
        answer = self._post(endpoint, chunk, dry_run=False)
        if isinstance(answer, Counts) or not self.skip_invalid:
            return answer
        self.report.problems += [row.problem for row in answer]
        refused = {row.index for row in answer}
        right = [placed for index, placed in enumerate(chunk) if index not in refused]
        return self._post(endpoint, right, dry_run=False) if right else Counts()

    def _post(self, endpoint: Endpoint, chunk: list[Placed], *, dry_run: bool) -> Counts | list[RefusedRow]:
        return self.destination.post(endpoint, chunk, dry_run=dry_run)


class Interrupted(Exception):
    """Relais refused in earnest what it had taken in the dry run. What was written before stays; run it again."""

    def __init__(self, report: Report, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} rows were refused")
        self.report = report
        report.problems += problems
