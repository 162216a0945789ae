"""sessions.csv: sessions with what has become of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.cli.importing import cells
from services.cli.importing.rows import CancelledFor, Moved, Note, Outcome, Problem, Session, TookPlace
from services.cli.importing.sessions import Seen, read_sessions

SAMPLES = Path(__file__).parent / "samples"
PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = "student,starts_at,duration_minutes,status,reason,notice_at,note,recorded_at,moved_from,moved_at,timezone"


def read(path: Path) -> list[Session | Problem | Note]:
    return list(read_sessions(path, timezone=PARIS, now=NOW, seen=Seen()))


def one(folder: Path, line: str) -> Session:
    (session,) = read(write(folder, line))
    assert isinstance(session, Session), session
    return session


def refused(folder: Path, *lines: str) -> list[tuple[int, str]]:
    return [(each.line, each.en) for each in read(write(folder, *lines)) if isinstance(each, Problem)]


def write(folder: Path, *lines: str) -> Path:
    path = folder / "sessions.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
    return path


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_all_outcomes_are_read_with_their_instants() -> None:
    sessions = [each for each in read(SAMPLES / "sessions.csv") if isinstance(each, Session)]
    histories: list[tuple[Outcome, ...]] = [session.history for session in sessions]
    assert histories == [
        (TookPlace(at(4, 17, 50)),),
        (CancelledFor(at(3, 8), "student_early", at(3, 8), None, None),),
        (CancelledFor(at(12, 7), "student_late", at(12, 7), None, None),),
        (CancelledFor(at(12, 13, 45), "student_no_show", None, None, None),),
        (
            CancelledFor(
                at(18, 17, 40), "other", None, "platform", "Visioconférence en panne,\naucune reprise possible"
            ),
        ),
        (Moved(at(18, 9), at(20, 14), "student"), TookPlace(at(20, 14, 45))),
        (),
    ]
    assert [session.line for session in sessions] == [2, 3, 4, 5, 6, 8, 9]


def test_a_moved_session_is_planned_where_it_was_first_and_keeps_its_key() -> None:
    moved = [each for each in read(SAMPLES / "sessions.csv") if isinstance(each, Session)][5]
    assert (moved.starts_at, moved.key) == (at(19, 13), ("2026-11-19T13:00:00+00:00",))


def test_a_reference_is_the_key_where_there_is_one() -> None:
    last = [each for each in read(SAMPLES / "sessions.csv") if isinstance(each, Session)][-1]
    assert last.key == ("reference", "PREP-12")


def test_what_the_file_does_not_say_was_recorded_in_order(tmp_path: Path) -> None:
    session = one(
        tmp_path, "a@example.org,2026-11-20 18:00,50,cancelled,student_early,2026-11-01 10:00,,,2026-11-19 18:00"
    )
    moments = [session.scheduled_at, *(entry.at for entry in session.history)]
    assert moments == sorted(moments)
    assert session.scheduled_at == at(1, 9)


def test_local_times_follow_summer_time(tmp_path: Path) -> None:
    assert one(tmp_path, "a@example.org,24/10/2026 18:00,50").starts_at == datetime(2026, 10, 24, 16, tzinfo=UTC)
    assert one(tmp_path, "a@example.org,26/10/2026 18h,50").starts_at == datetime(2026, 10, 26, 17, tzinfo=UTC)


def test_of_an_hour_that_comes_twice_it_is_the_first(tmp_path: Path) -> None:
    assert one(tmp_path, "a@example.org,2026-10-25 02:30,50").starts_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_an_hour_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    assert refused(tmp_path, "a@example.org,2027-03-28 02:30,50") == [
        (
            2,
            "starts_at: “2027-03-28 02:30” does not exist in Europe/Paris: summer time begins that night. "
            "Mend the time.",
        )
    ]


def test_a_row_may_have_a_zone_of_its_own(tmp_path: Path) -> None:
    session = one(tmp_path, "a@example.org,2026-11-30 18:00,50,,,,,,,,Indian/Reunion")
    assert (session.starts_at, session.timezone) == (at(30, 14), "Indian/Reunion")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a@example.org,2026-11-16,50", "write 2026-11-16 18:00"),
        ("a@example.org,2026-11-16 25:00,50", "write 2026-11-16 18:00"),
        ("a@example.org,2026-11-16 18:00,0", "whole number from 1 to 480"),
        ("a@example.org,2026-11-16 18:00,481", "whole number from 1 to 480"),
        ("a@example.org,2026-11-16 18:00,50,perhaps", "is not one of scheduled, held, cancelled, no_show"),
        ("a@example.org,2026-11-16 18:00,50,cancelled", "A cancelled session has a reason"),
        ("a@example.org,2026-11-16 18:00,50,cancelled,student_early", "Say when the student gave notice"),
        ("a@example.org,2026-11-16 18:00,50,cancelled,student_late", "Say when the student gave notice"),
        ("a@example.org,2026-11-16 18:00,50,cancelled,other", "written by hand"),
        ("a@example.org,2026-11-16 18:00,50,held,other", ""),
        ("a@example.org,2026-11-16 18:00,50,,other", "There is a reason but no cancellation"),
        ("a@example.org,2026-11-23 18:00,50,held", "This hasn't happened yet"),
        ("a@example.org,2026-11-23 18:00,50,no_show", "This hasn't happened yet"),
        ("a@example.org,2026-11-16 18:00,50,,,,,,,2026-11-12 10:00", "give its first date"),
        (
            "a@example.org,2026-11-16 18:00,50,cancelled,student_early,2026-11-10 10:00,,,2026-11-15 18:00,"
            "2026-11-12 10:00",
            "contradict each other",
        ),
    ],
)
def test_a_line_that_is_not_right_says_what_to_write(tmp_path: Path, line: str, why: str) -> None:
    found = refused(tmp_path, line)
    assert len(found) == (1 if why else 0), found
    assert all(number == 2 and why in sentence for number, sentence in found)


def test_exactly_now_has_happened_and_a_second_later_has_not(tmp_path: Path) -> None:
    held = "a@example.org,2026-11-22T11:10:0{}Z,50,held"
    assert refused(tmp_path, held.format(0)) == []
    assert len(refused(tmp_path, held.format(1))) == 1


def test_the_same_session_twice_is_a_problem_and_a_reference_tells_two_apart(tmp_path: Path) -> None:
    line = "a@example.org,2026-11-30 18:00,50"
    assert refused(tmp_path, line, line) == [
        (3, "This session is there already: remove this line, or give each one a “reference”.")
    ]


def test_reading_is_lazy_so_a_long_file_takes_no_memory(tmp_path: Path) -> None:
    first = datetime(2026, 12, 1, 8, tzinfo=UTC)
    lines = (f"a@example.org,{(first + timedelta(hours=n)).isoformat()},50" for n in range(5_000))
    rows = read_sessions(write(tmp_path, *lines), timezone=PARIS, now=NOW, seen=Seen())
    assert isinstance(next(rows), Session)
    assert sum(isinstance(row, Session) for row in rows) == 4_999


@pytest.mark.parametrize(
    "written",
    [
        "16/11/2026 18:00",
        "16/11/26 18:00",
        "16.11.2026 18h00",
        "16-11-2026 18 h 00",
        "16/11/2026\u00a018:00:00",
        "16/11/26 18H",
    ],
)
def test_dates_are_read_as_a_french_spreadsheet_writes_them(written: str) -> None:
    assert cells.instant(written, PARIS) == datetime(2026, 11, 16, 17, tzinfo=UTC)
    assert cells.day(written[: 8 if written[8] == " " else 10]) == date(2026, 11, 16)
