"""What a student's attendance comes to over some days: the same in the list, the certificate and the files."""

import csv
import io
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import openpyxl
import pytest

from relais_contracts.sessions import SessionCancelled, SessionHeld, SessionScheduled
from relais_contracts.transfers import StudentEnrolled, StudentUpdated
from services.attendance.domain.period import Counted, Period, counted
from services.attendance.domain.standing import Outcome
from services.chassis.ids import new_id
from tests.attendance.conftest import Attendance
from tests.attendance.school import MENTOR, PARIS, entry, paris

NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
NOW = paris(2026, 12, 10)
ASKED = {"from": "2026-11-01", "to": "2026-11-30"}


def over_november(*entries: Any, enrolled_at: datetime | None = None, now: datetime = NOW) -> Counted:
    return counted(entries, NOVEMBER, enrolled_at=enrolled_at, now=now, zone=PARIS)


@pytest.mark.rule("S7")
def test_a_session_counts_from_the_first_midnight_to_the_last_in_paris() -> None:
    found = over_november(
        entry(1, Outcome.HELD, paris(2026, 10, 31, 23, 59)),
        entry(2, Outcome.HELD, paris(2026, 11, 1, 0, 0)),
        entry(3, Outcome.HELD, paris(2026, 11, 30, 23, 59)),
        entry(4, Outcome.HELD, paris(2026, 12, 1, 0, 0)),
    )
    assert (found.planned, found.attended, found.attended_minutes) == (2, 2, 90)


@pytest.mark.rule("S7")
def test_each_standing_is_counted_and_only_what_was_held_has_hours() -> None:
    found = over_november(
        entry(1, Outcome.HELD, paris(2026, 11, 3)),
        entry(2, Outcome.STUDENT_EARLY, paris(2026, 11, 10), recoverable=True),
        entry(3, Outcome.STUDENT_NO_SHOW, paris(2026, 11, 17), recoverable=False),
        entry(4, Outcome.OTHER, paris(2026, 11, 24)),
        entry(5, Outcome.PLANNED, paris(2026, 11, 25)),
    )
    assert (found.planned, found.attended, found.excused, found.unexcused, found.to_qualify) == (5, 1, 1, 1, 1)
    assert found.attended_minutes == 45


@pytest.mark.rule("T2")
def test_a_week_without_a_session_counts_in_the_period_in_which_it_ends() -> None:
    # Weeks end on the 1st, 8th, 15th, 22nd and 29th of November; that of the 30th ends in December.
    enrolled = paris(2026, 10, 1)
    assert over_november(enrolled_at=enrolled).missing_weeks == 5
    assert over_november(entry(1, Outcome.HELD, paris(2026, 10, 30)), enrolled_at=enrolled).missing_weeks == 4
    assert over_november(enrolled_at=paris(2026, 11, 9)).missing_weeks == 3
    assert over_november(enrolled_at=paris(2026, 11, 9), now=paris(2026, 11, 18)).missing_weeks == 2


def test_the_parts_of_a_period_add_up_to_it() -> None:
    entries = [entry(number, Outcome.HELD, paris(2026, 11, number)) for number in range(1, 31, 5)]
    whole = over_november(*entries, enrolled_at=paris(2026, 10, 1))
    halves = [
        counted(entries, Period(first, last), enrolled_at=paris(2026, 10, 1), now=NOW, zone=PARIS)
        for first, last in ((date(2026, 11, 1), date(2026, 11, 14)), (date(2026, 11, 15), date(2026, 11, 30)))
    ]
    assert sum(half.planned for half in halves) == whole.planned
    assert sum(half.missing_weeks for half in halves) == whole.missing_weeks


def enrolled(attendance: Attendance, name: str, *, path: str, funding: str = "third_party") -> UUID:
    student_id = new_id()
    attendance.receive(
        StudentEnrolled(
            student_id=student_id,
            email=f"{student_id}@example.org",
            name=name,
            path=path,
            project="Projet 1",
            funding=funding,
            language="fr",
            mentor_id=MENTOR,
            enrolled_at=paris(2026, 11, 2),
        )
    )
    return student_id


def session(attendance: Attendance, student_id: UUID, at: datetime, *, held: bool) -> None:
    told: dict[str, Any] = {
        "session_id": new_id(),
        "student_id": student_id,
        "mentor_id": MENTOR,
        "starts_at": at,
        "duration_minutes": 50,
    }
    attendance.receive(SessionScheduled(**told, timezone="Europe/Paris", path="Python", scheduled_at=at))
    if held:
        attendance.receive(SessionHeld(**told, held_at=at))
    else:
        attendance.receive(
            SessionCancelled(**told, reason="student_no_show", recoverable=False, notice_at=at, cancelled_at=at)
        )


@pytest.mark.rule("S7")
def test_list_certificate_and_files_say_the_same(attendance: Attendance) -> None:
    path = f"Parcours {uuid4().hex[:8]}"
    zoe = enrolled(attendance, "=Zoé Lefèvre", path=path)
    adam = enrolled(attendance, "Adam", path=path, funding="self_funded")
    session(attendance, zoe, paris(2026, 11, 3), held=True)
    session(attendance, zoe, paris(2026, 11, 10), held=False)
    page = attendance.get("/attendance", **ASKED, path=path).json()
    assert [item["name"] for item in page["items"]] == ["=Zoé Lefèvre", "Adam"]
    assert page["students"] == 2
    assert path in page["paths"]
    item = page["items"][0]
    assert {name: item[name] for name in ("planned", "attended", "unexcused", "attended_minutes")} == {
        "planned": 2,
        "attended": 1,
        "unexcused": 1,
        "attended_minutes": 50,
    }
    weeks = attendance.file(zoe)["weeks"]
    assert sum(week["planned"] for week in weeks) == item["planned"]
    assert attendance.get(f"/students/{zoe}/attendance/certificate", **ASKED).json() == item
    assert attendance.get(f"/students/{zoe}/attendance/certificate.pdf", **ASKED).content.startswith(b"%PDF")
    text = attendance.get("/attendance.csv", **ASKED, path=path).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [(row["Nom"], row["Réalisées"]) for row in rows] == [("'=Zoé Lefèvre", "1"), ("Adam", "0")]
    book = openpyxl.load_workbook(io.BytesIO(attendance.get("/attendance.xlsx", **ASKED, path=path).content))
    assert [row[1].value for row in list(book.active.iter_rows())[1:]] == ["=Zoé Lefèvre", "Adam"]
    assert attendance.get("/attendance.pdf", **ASKED, path=path).content.startswith(b"%PDF")
    funded = attendance.get("/attendance", **ASKED, path=path, funding="self_funded").json()
    assert [one["student_id"] for one in funded["items"]] == [str(adam)]
    found = attendance.get("/attendance", **ASKED, path=path, search="zoe lefevre").json()
    assert [one["student_id"] for one in found["items"]] == [str(zoe)]


def test_pages_follow_each_other_and_a_path_that_changed_is_the_new_one(attendance: Attendance) -> None:
    path = f"Parcours {uuid4().hex[:8]}"
    ids = [enrolled(attendance, f"Élève {number}", path=path) for number in range(3)]
    first = attendance.get("/attendance", **ASKED, path=path, limit=2).json()
    rest = attendance.get("/attendance", **ASKED, path=path, limit=2, cursor=first["next_cursor"]).json()
    assert [one["student_id"] for page in (first, rest) for one in page["items"]] == [str(one) for one in ids]
    assert rest["next_cursor"] is None
    attendance.receive(
        StudentUpdated(
            student_id=ids[0],
            email="x@example.org",
            name="Élève 0",
            path=f"{path} bis",
            project="Projet 1",
            funding="third_party",
            language="fr",
        )
    )
    assert attendance.get("/attendance", **ASKED, path=path).json()["students"] == 2


@pytest.mark.parametrize(("first", "last"), [("2026-11-02", "2026-11-01"), ("2020-01-01", "2026-01-01")])
def test_a_period_without_end_or_too_long_is_refused(attendance: Attendance, first: str, last: str) -> None:
    answer = attendance.get("/attendance", **{"from": first, "to": last})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_period")


def test_the_weeks_of_the_board_count_everybody_by_funding(attendance: Attendance) -> None:
    zoe = enrolled(attendance, "Zoé", path="Python", funding="apprenticeship")
    session(attendance, zoe, paris(2026, 11, 3), held=True)
    for item in attendance.get("/continuity/weeks", to="2026-W46", weeks=2).json()["items"]:
        board = attendance.get("/continuity", week=item["week"], funding=item["funding"]).json()
        assert item["counts"] == board["counts"]
    assert attendance.get("/continuity/weeks", weeks=54).status_code == 422


@pytest.mark.parametrize("role", ["mentor", "student", "billing"])
def test_everybodys_files_are_for_training_and_support(attendance: Attendance, role: str) -> None:
    for path in ("/attendance", "/attendance.csv", "/attendance.xlsx", "/attendance.pdf", "/continuity/weeks"):
        assert attendance.get(path, role, **ASKED).status_code == 403
    assert attendance.get(f"/students/{new_id()}/attendance/certificate", role, **ASKED).status_code == 403
