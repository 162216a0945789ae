"""The calendar that people subscribe to: what it holds of each session, and whose it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from relais_contracts.sessions import SessionReassigned, SessionScheduled
from services.notifier.edges.calendar_feed import as_calendar
from services.notifier.views import calendar
from tests.notifier.conftest import PARIS, Notifier, School, event

NOW = datetime(2026, 10, 15, tzinfo=UTC)
AFTER_THE_CHANGE = datetime(2026, 11, 1, 17, 0, tzinfo=UTC)
"""A week after Paris left summer time: 18:00 there."""


def scheduled(school: School, starts_at: datetime) -> Any:
    data = SessionScheduled(
        session_id=school.session_id,
        student_id=school.student_id,
        mentor_id=school.jean_id,
        starts_at=starts_at,
        duration_minutes=45,
        timezone="Europe/Paris",
    )
    return event(data, sequence=1)


def feed(notifier: Notifier, role: str, person_id: Any, language: Any = "fr") -> list[Any]:
    with notifier.database.connection() as connection:
        rows = calendar.entries(connection, role, [person_id], now=NOW)
    written = as_calendar(rows, language, school_zone=PARIS, portal_url="https://relais.example.org/")
    return list(Calendar.from_ical(written.decode()).walk("VEVENT"))


def test_an_entry_says_when_with_whom_and_where_to_read_more(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), scheduled(school, AFTER_THE_CHANGE - timedelta(days=12)))
    [entry] = feed(notifier, "mentor", school.jean_id)
    assert entry["summary"] == "Session de mentorat · Léa Martin"
    assert entry["uid"] == f"{school.session_id}@relais"
    assert entry["status"] == "CONFIRMED"
    assert entry["url"] == f"https://relais.example.org/sessions/{school.session_id}"
    assert entry["dtstart"].params["TZID"] == "Europe/Paris"
    assert entry["dtstart"].dt.isoformat() == "2026-10-20T19:00:00+02:00"
    assert entry["dtend"].dt - entry["dtstart"].dt == timedelta(minutes=45)
    [of_student] = feed(notifier, "student", school.student_id, "en")
    assert of_student["summary"] == "Mentoring session · Jean Roux"


@pytest.mark.rule("S9")
def test_a_moved_session_is_one_entry_with_a_higher_sequence_across_the_change_of_time(
    notifier: Notifier, school: School
) -> None:
    notifier.hear(*school.people(), scheduled(school, AFTER_THE_CHANGE - timedelta(days=12)), school.rescheduled())
    [entry] = feed(notifier, "mentor", school.jean_id)
    assert entry["sequence"] == 2
    assert entry["dtstart"].dt.isoformat() == "2026-11-01T18:00:00+01:00"


def test_a_cancelled_session_stays_and_says_so_and_a_correction_brings_it_back(
    notifier: Notifier, school: School
) -> None:
    notifier.hear(*school.people(), scheduled(school, AFTER_THE_CHANGE), school.cancelled())
    [entry] = feed(notifier, "student", school.student_id)
    assert (entry["status"], entry["transp"]) == ("CANCELLED", "TRANSPARENT")
    assert "Panne de train" not in entry.to_ical().decode()
    corrected = school.corrected()
    notifier.hear(event(corrected.data, sequence=3))
    [entry] = feed(notifier, "student", school.student_id)
    assert (entry["status"], entry["sequence"]) == ("CONFIRMED", 3)


@pytest.mark.rule("T11")
def test_a_session_that_goes_to_another_mentor_changes_calendars(notifier: Notifier, school: School) -> None:
    reassigned = SessionReassigned(
        session_id=school.session_id,
        student_id=school.student_id,
        from_mentor_id=school.jean_id,
        to_mentor_id=school.ana_id,
        starts_at=AFTER_THE_CHANGE,
        duration_minutes=45,
    )
    notifier.hear(*school.people(), scheduled(school, AFTER_THE_CHANGE), event(reassigned, sequence=2))
    assert feed(notifier, "mentor", school.jean_id) == []
    [entry] = feed(notifier, "mentor", school.ana_id)
    assert entry["dtstart"].params["TZID"] == "Europe/Paris"


def test_an_older_event_changes_nothing(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), school.cancelled(), scheduled(school, AFTER_THE_CHANGE))
    [entry] = feed(notifier, "mentor", school.jean_id)
    assert entry["status"] == "CANCELLED"


def test_a_name_cannot_add_lines_to_a_calendar(notifier: Notifier, school: School) -> None:
    hostile = "Léa\r\nATTENDEE:mailto:x@example.org\r\nX:;,\\"
    notifier.hear(*school.mentors(), school.student(name=hostile), scheduled(school, AFTER_THE_CHANGE))
    [entry] = feed(notifier, "mentor", school.jean_id)
    assert "attendee" not in entry


def test_a_new_link_revokes_the_one_before(notifier: Notifier, school: School) -> None:
    with notifier.database.transaction() as connection:
        calendar.add_link(connection, "a" * 43, "mentor", [school.jean_id], "fr", NOW)
        calendar.add_link(connection, "b" * 43, "mentor", [school.jean_id], "fr", NOW)
        assert calendar.find_link(connection, "a" * 43) is None
        assert calendar.find_link(connection, "b" * 43) is not None
        calendar.revoke(connection, "mentor", [school.jean_id])
        assert calendar.link_of(connection, "mentor", [school.jean_id]) is None
