"""Calendars as Google Calendar and Outlook export them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.cli.importing.calendars import CANCELLED_NOTE, read_calendar
from services.cli.importing.rows import CancelledFor, Moved, Note, Problem, Session
from services.cli.importing.sessions import Seen

SAMPLES = Path(__file__).parent / "samples"
PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OUTLOOK_UID = (
    "040000008200E00074C5B7101A82E00800000000C0A9F1B2C3D4E501000000000000000010000000A1B2C3D4E5F60718293A4B5C6D7E8F90"
)


def read(path: Path, **options: timedelta) -> list[Session | Problem | Note]:
    return list(read_calendar(path, timezone=PARIS, now=NOW, seen=Seen(), **options))


def sessions(path: Path, **options: timedelta) -> list[Session]:
    return [each for each in read(path, **options) if isinstance(each, Session)]


def of_series(found: list[Session], uid: str) -> list[Session]:
    return [each for each in found if each.key[0] == uid]


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def calendar(folder: Path, *events: str, before: str = "") -> Path:
    path = folder / "calendar.ics"
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//EN\n{before}{''.join(events)}END:VCALENDAR\n"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    return path


def event(*lines: str, uid: str = "one", people: str = "ATTENDEE:mailto:a@example.org") -> str:
    return "\n".join(("BEGIN:VEVENT", f"UID:{uid}", people, *lines, "END:VEVENT")) + "\n"


def test_a_google_series_keeps_its_local_hour_when_summer_time_ends() -> None:
    series = of_series(sessions(SAMPLES / "google.ics"), "3k1u9q8weekly@google.com")
    assert [each.starts_at for each in series] == [
        utc(10, 12, 16),
        utc(10, 19, 16),
        utc(10, 26, 17),  # The 2nd of November is an EXDATE: it was never planned.
        utc(11, 9, 17),
        utc(11, 16, 17),
        utc(11, 23, 17),
        utc(11, 30, 17),
    ]
    assert {each.duration_minutes for each in series} == {50}
    assert {each.timezone for each in series} == {"Europe/Paris"}


def test_a_moved_occurrence_is_planned_where_the_series_had_it_and_then_moved() -> None:
    moved = of_series(sessions(SAMPLES / "google.ics"), "3k1u9q8weekly@google.com")[1]
    assert moved.starts_at == utc(10, 19, 16)
    assert moved.history == (Moved(utc(10, 15, 8), utc(10, 20, 17), "mentor"),)
    assert moved.key == ("3k1u9q8weekly@google.com", "20261019T160000Z")


def test_a_cancelled_occurrence_is_cancelled_for_other_and_its_people_are_the_series() -> None:
    cancelled = of_series(sessions(SAMPLES / "google.ics"), "3k1u9q8weekly@google.com")[3]
    assert cancelled.history == (CancelledFor(utc(11, 8, 20, 15), "other", None, None, CANCELLED_NOTE),)
    assert cancelled.addresses == ("claire.moreau@example.org", "alice.bernard@example.org")


def test_a_single_event_in_utc_is_a_session() -> None:
    (single,) = of_series(sessions(SAMPLES / "google.ics"), "5single@google.com")
    assert (single.starts_at, single.duration_minutes, single.history) == (utc(11, 18, 16, 30), 60, ())
    assert single.scheduled_at == utc(11, 10, 8)


def test_events_without_attendees_and_whole_days_are_passed_over_and_said() -> None:
    (note,) = [each for each in read(SAMPLES / "google.ics") if isinstance(each, Note)]
    assert note.en == "2 event(s) without attendees or of whole days were passed over."


def test_an_outlook_series_without_end_stops_at_the_horizon() -> None:
    series = of_series(sessions(SAMPLES / "outlook.ics", horizon=timedelta(weeks=2)), OUTLOOK_UID)
    assert [each.starts_at for each in series] == [
        utc(10, 14, 7, 15),
        utc(10, 16, 7, 15),  # RDATE
        utc(10, 21, 7, 15),
        utc(10, 28, 8, 15),
        utc(11, 4, 8, 15),
        utc(11, 11, 8, 15),
        utc(11, 18, 8, 15),
        utc(11, 25, 8, 15),
        utc(12, 2, 8, 15),
    ]
    assert {each.timezone for each in series} == {"Europe/Paris"}
    assert {each.duration_minutes for each in series} == {45}


def test_outlook_moves_names_windows_zones_and_resources_that_are_nobody() -> None:
    moved = of_series(sessions(SAMPLES / "outlook.ics"), OUTLOOK_UID)[3]
    assert moved.history == (Moved(utc(10, 27, 16), utc(10, 29, 9, 45), "mentor"),)
    assert moved.addresses == ("karim.haddad@example.org", "denis.roy@example.org")


def test_a_zone_that_only_the_file_describes_is_followed_and_has_no_name() -> None:
    (custom,) = of_series(sessions(SAMPLES / "outlook.ics"), "040000008200E00074C5B7101A82E008EMMA")
    assert (custom.starts_at, custom.timezone) == (utc(12, 3, 13), None)


def test_a_floating_time_is_the_calendars_or_the_schools() -> None:
    (floating,) = of_series(sessions(SAMPLES / "outlook.ics"), "040000008200E00074C5B7101A82E008FLOATING")
    assert floating.starts_at == utc(12, 10, 13)


def test_a_floating_time_follows_x_wr_timezone(tmp_path: Path) -> None:
    path = calendar(
        tmp_path,
        event("DTSTART:20261203T140000", "DTEND:20261203T150000"),
        before="X-WR-TIMEZONE:Indian/Reunion\n",
    )
    assert [each.starts_at for each in sessions(path)] == [utc(12, 3, 10)]


def test_a_windows_zone_without_its_description_is_known_by_its_name(tmp_path: Path) -> None:
    path = calendar(
        tmp_path,
        event("DTSTART;TZID=Tokyo Standard Time:20261203T140000", "DTEND;TZID=Tokyo Standard Time:20261203T150000"),
    )
    assert [(each.starts_at, each.timezone) for each in sessions(path)] == [(utc(12, 3, 5), "Asia/Tokyo")]


def test_a_zone_that_nobody_knows_is_a_problem_of_its_line(tmp_path: Path) -> None:
    good = event("DTSTART:20261203T140000Z", "DTEND:20261203T150000Z")
    bad = event("DTSTART;TZID=Middle-earth:20261203T140000", "DTEND;TZID=Middle-earth:20261203T150000", uid="two")
    found = read(calendar(tmp_path, good, bad))
    assert [type(each) for each in found] == [Session, Problem]
    assert isinstance(found[1], Problem)
    assert found[1].line == 10
    assert "Middle-earth" in found[1].en


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("DTSTART:20261203T140000Z", "DTEND:20261203T140030Z"), "whole minutes"),
        (("DTSTART:20261203T140000Z", "DTEND:20261203T230100Z"), "whole minutes"),
        (("DTSTART:20261203T140000Z", "DTEND:20261203T130000Z"), "ends before it begins"),
        (("DTSTART:20261203T140000Z", "DTEND:20261203T150000Z", "RRULE:FREQ=SOMETIMES"), "can't be read"),
        (("DTSTART:not a date", "DTEND:20261203T150000Z"), "can't be read"),
        (("DTSTART:20261203T140000Z", "DTEND:20261203T150000Z", "RRULE:FREQ=HOURLY;COUNT=530"), "more than 520"),
    ],
)
def test_an_event_that_can_not_be_read_leaves_the_others_alone(
    tmp_path: Path, lines: tuple[str, ...], why: str
) -> None:
    good = event("DTSTART:20261203T140000Z", "DTEND:20261203T150000Z", uid="good")
    found = read(calendar(tmp_path, good, event(*lines, uid="bad"), good.replace("UID:good", "UID:too")))
    assert sum(isinstance(each, Session) for each in found) == 2
    problems = [each for each in found if isinstance(each, Problem)]
    assert [each.line for each in problems] == [10]
    assert why in problems[0].en


def test_a_move_recorded_later_than_the_session_still_came_before_it(tmp_path: Path) -> None:
    series = event("DTSTART:20261005T140000Z", "DTEND:20261005T150000Z", "RRULE:FREQ=WEEKLY;COUNT=2")
    exception = event(
        "RECURRENCE-ID:20261012T140000Z",
        "DTSTART:20261011T090000Z",
        "DTEND:20261011T100000Z",
        "LAST-MODIFIED:20261101T080000Z",
    )
    _, moved = sessions(calendar(tmp_path, series, exception))
    assert moved.history == (Moved(datetime(2026, 10, 11, 8, 59, 59, tzinfo=UTC), utc(10, 11, 9), "mentor"),)


def test_a_cancelled_series_is_cancelled_in_each_occurrence(tmp_path: Path) -> None:
    series = event(
        "DTSTART:20261005T140000Z", "DTEND:20261005T150000Z", "RRULE:FREQ=WEEKLY;COUNT=3", "STATUS:CANCELLED"
    )
    assert [type(each.history[0]) for each in sessions(calendar(tmp_path, series))] == [CancelledFor] * 3


def test_an_exception_alone_is_still_known_by_its_series(tmp_path: Path) -> None:
    exception = event("RECURRENCE-ID:20261012T140000Z", "DTSTART:20261013T140000Z", "DTEND:20261013T150000Z")
    (alone,) = sessions(calendar(tmp_path, exception))
    assert alone.key == ("one", "20261012T140000Z")
    assert alone.starts_at == utc(10, 12, 14)


def test_the_same_calendar_given_twice_is_a_problem() -> None:
    seen = Seen()
    first = list(read_calendar(SAMPLES / "outlook.ics", timezone=PARIS, now=NOW, seen=seen))
    again = list(read_calendar(SAMPLES / "outlook.ics", timezone=PARIS, now=NOW, seen=seen))
    assert not any(isinstance(each, Problem) for each in first)
    assert len([each for each in again if isinstance(each, Problem)]) == 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("<html>Sign in</html>\n", 1),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:one\n", 2),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\nEND:VCALENDAR\n", 2),
    ],
)
def test_what_is_no_calendar_or_cut_off_says_so(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "broken.ics"
    path.write_text(text)
    (found,) = read(path)
    assert isinstance(found, Problem)
    assert found.line == line
