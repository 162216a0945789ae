"""A whole import: everything or nothing, the same ids each time, and memory that does not grow with the file."""

import gc
import tracemalloc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.chassis.ids import derived_id
from services.cli.demo import generate
from services.cli.importing.accounts import Accounts, KnownMentor, KnownStudent
from services.cli.importing.rows import Placed, Problem, Row
from services.cli.importing.running import Interrupted, Report, run_import
from services.cli.importing.sending import Counts, Endpoint, RefusedRow, chunks_of_people

SAMPLES = Path(__file__).parent / "samples"
SAMPLE_FILES = [SAMPLES / name for name in ("people.csv", "sessions.csv", "google.ics", "outlook.ics")]
PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Remembering:
    """A Relais that takes every row, except those whose id it is told to refuse, and knows again what it has."""

    known: Accounts = field(default_factory=Accounts)
    refused: set[str] = field(default_factory=set)
    refused_in_earnest: set[str] = field(default_factory=set)
    rows: dict[str, Row] = field(default_factory=dict)
    dry_runs: int = 0
    longest_chunk: int = 0

    def lookup(self, addresses: Iterable[str]) -> Accounts:
        wanted = set(addresses)
        return Accounts(
            {email: known for email, known in self.known.mentors.items() if email in wanted},
            {email: known for email, known in self.known.students.items() if email in wanted},
        )

    def post(self, endpoint: Endpoint, chunk: Sequence[Placed], *, dry_run: bool) -> Counts | list[RefusedRow]:
        self.longest_chunk = max(self.longest_chunk, len(chunk))
        refused = self.refused | (set() if dry_run else self.refused_in_earnest)
        problems = [
            RefusedRow(index, "no", Problem(placed.file, placed.line, "non", "no"))
            for index, placed in enumerate(chunk)
            if id_of(placed.row) in refused
        ]
        if problems:
            return problems
        self.dry_runs += dry_run
        unchanged = sum(self.rows.get(id_of(placed.row)) == placed.row for placed in chunk)
        if not dry_run:
            self.rows |= {id_of(placed.row): placed.row for placed in chunk}
        return Counts(len(chunk) - unchanged, 0, unchanged)


def id_of(row: Row) -> str:
    if row.get("kind") == "transfer":
        return f"{row['student_id']} {row['at']}"
    return str(row.get("session_id") or row.get("student_id") or row["mentor_id"])


def imported(paths: Sequence[Path], relais: Remembering, *, skip_invalid: bool = False) -> Report:
    return run_import(paths, relais, timezone=PARIS, now=NOW, skip_invalid=skip_invalid, horizon=timedelta(weeks=2))


def sessions_file(folder: Path, *students: str) -> Path:
    path = folder / "sessions.csv"
    lines = [f"{student},2026-12-0{1 + index} 18:00,50" for index, student in enumerate(students)]
    path.write_text("\n".join(("student,starts_at,duration_minutes", *lines)) + "\n")
    return path


def test_all_samples_together_are_imported_whole() -> None:
    relais = Remembering()
    report = imported(SAMPLE_FILES, relais)
    assert report.problems == []
    assert (report.people, report.sessions) == (Counts(created=7), Counts(created=26))


def test_the_same_files_again_change_nothing() -> None:
    relais = Remembering()
    imported(SAMPLE_FILES, relais)
    before = dict(relais.rows)
    report = imported(SAMPLE_FILES, relais)
    assert (report.people, report.sessions) == (Counts(unchanged=7), Counts(unchanged=26))
    assert relais.rows == before


def test_one_bad_line_in_any_file_and_nothing_is_written(tmp_path: Path) -> None:
    relais = Remembering()
    bad = sessions_file(tmp_path, "alice.bernard@example.org", "nobody@example.org")
    report = imported([SAMPLES / "people.csv", bad], relais)
    assert not report.written
    assert relais.rows == {}
    assert [str(problem) for problem in report.problems] == [
        "sessions.csv:3: Aucun étudiant n’a cette adresse : nobody@example.org. "
        "Corrigez-la, ou ajoutez la personne à people.csv."
    ]


def test_with_skip_invalid_the_other_lines_are_written(tmp_path: Path) -> None:
    relais = Remembering()
    bad = sessions_file(tmp_path, "alice.bernard@example.org", "nobody@example.org", "bruno.petit@example.org")
    report = imported([SAMPLES / "people.csv", bad], relais, skip_invalid=True)
    assert (report.written, report.sessions.created, len(report.problems)) == (True, 2, 1)


def test_what_relais_refuses_in_the_dry_run_is_named_by_its_line_and_nothing_is_written(tmp_path: Path) -> None:
    student_id = derived_id("student", "emma.faure@example.org")
    relais = Remembering(refused={str(student_id)})
    sessions = sessions_file(tmp_path, "alice.bernard@example.org", "emma.faure@example.org")
    report = imported([SAMPLES / "people.csv", sessions], relais)
    assert relais.rows == {}
    assert [(problem.file, problem.line) for problem in report.problems] == [("people.csv", 5), ("sessions.csv", 3)]


def test_an_account_that_is_there_already_keeps_its_id(tmp_path: Path) -> None:
    mentor_id, student_id = UUID(int=1), UUID(int=2)
    relais = Remembering(
        Accounts(
            {"karim@example.org": KnownMentor(mentor_id, "Indian/Reunion")},
            {"alice.bernard@example.org": KnownStudent(student_id, mentor_id)},
        )
    )
    imported([sessions_file(tmp_path, "alice.bernard@example.org")], relais)
    (row,) = relais.rows.values()
    assert (row["student_id"], row["mentor_id"]) == (str(student_id), str(mentor_id))
    assert row["session_id"] == str(derived_id("session", "alice.bernard@example.org", "2026-12-01T17:00:00+00:00"))


def test_a_session_without_a_mentor_is_the_one_of_its_day() -> None:
    relais = Remembering()
    imported(SAMPLE_FILES, relais)
    claire, karim = (
        str(derived_id("mentor", email)) for email in ("claire.moreau@example.org", "karim.haddad@example.org")
    )
    alice = str(derived_id("student", "alice.bernard@example.org"))
    of_alice = {
        str(row["starts_at"]): row["mentor_id"]
        for row in relais.rows.values()
        if row.get("student_id") == alice and "session_id" in row
    }
    assert of_alice["2026-11-04T17:00:00Z"] == claire
    assert of_alice["2026-11-18T17:00:00Z"] == karim  # Transferred on the 9th.


def test_what_relais_refuses_only_in_earnest_stops_the_import() -> None:
    relais = Remembering(refused_in_earnest={str(derived_id("student", "emma.faure@example.org"))})
    with pytest.raises(Interrupted) as stopped:
        imported(SAMPLE_FILES, relais)
    assert [problem.line for problem in stopped.value.report.problems] == [5]


def test_a_student_is_never_sent_apart_from_their_transfers() -> None:
    def placed(student_id: str | None) -> Placed:
        return Placed("people.csv", 1, {"kind": "mentor"} if student_id is None else {"student_id": student_id})

    rows = [placed(None), placed(None), placed(None), placed("a"), placed("b"), placed("b"), placed("c")]
    sizes = [[row.row.get("student_id") for row in chunk] for chunk in chunks_of_people(rows, 2)]
    assert sizes == [[None, None], [None, "a"], ["b", "b"], ["c"]]


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 22, 20, tzinfo=UTC),
        datetime(2026, 4, 1, 8, tzinfo=UTC),
        datetime(2027, 1, 4, 0, 30, tzinfo=UTC),
        datetime(2028, 2, 29, 23, 30, tzinfo=UTC),
    ],
)
def test_the_demonstration_school_has_no_problem_on_any_day(tmp_path: Path, now: datetime) -> None:
    files = generate(tmp_path, now=now)
    relais = Remembering()
    report = run_import(files, relais, timezone=PARIS, now=now)
    assert report.problems == []
    kinds = [row["kind"] for row in relais.rows.values() if "kind" in row]
    assert (kinds.count("mentor"), kinds.count("student")) == (12, 150)
    assert {row["funding"] for row in relais.rows.values() if row.get("kind") == "student"} == {
        "third_party",
        "apprenticeship",
        "self_funded",
    }
    reasons = {entry.get("reason", entry["type"]) for row in relais.rows.values() for entry in row.get("history", ())}
    assert reasons == {"held", "rescheduled", "student_early", "student_late", "student_no_show", "other"}


def test_the_demonstration_school_is_the_same_for_the_same_day(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in generate(tmp_path / "a", now=NOW)]
    again = [path.read_bytes() for path in generate(tmp_path / "b", now=NOW)]
    assert first == again


def test_memory_does_not_grow_with_the_number_of_sessions(tmp_path: Path) -> None:
    class Forgetting(Remembering):
        def post(self, endpoint: Endpoint, chunk: Sequence[Placed], *, dry_run: bool) -> Counts | list[RefusedRow]:
            self.longest_chunk = max(self.longest_chunk, len(chunk))
            return Counts(created=len(chunk))

    def peak_bytes(count: int) -> int:
        path = tmp_path / "many.csv"
        with path.open("w") as file:
            file.write("student,starts_at,duration_minutes,status\n")
            for n in range(count):
                file.write(f"a@example.org,{(NOW - timedelta(hours=n + 2)).isoformat()},50,held\n")
        known = Accounts(students={"a@example.org": KnownStudent(UUID(int=2), UUID(int=1))})
        relais = Forgetting(known)
        gc.collect()  # What earlier tests left behind must not be freed, or found, half way.
        tracemalloc.start()
        report = imported([path], relais)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.sessions.created == count
        assert relais.longest_chunk == 1_000
        return peak

    peak_bytes(1_000)  # What is imported and cached at the first run is not a session's.
    small, large = peak_bytes(5_000), peak_bytes(7_000)
    per_session = (large - small) / 2_000
    assert per_session < 400, f"{per_session:.0f} bytes a session"  # A digest in a set; a row would take 2,000.
