"""A student's weeks through the front door: on the board, in the file, on the page; on the clock of a sandbox."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.conftest import start_relais
from tests.journeys.school import School, eventually

pytestmark = pytest.mark.rule("T2")

PARIS = ZoneInfo("Europe/Paris")
# A week in which no clock changes, Monday 9 o'clock.
MONDAY = datetime(2027, 1, 4, 9, tzinfo=PARIS)
WEEK, WEEK_BEFORE = "2027-W01", "2026-W53"
ENDS = datetime(2027, 1, 11, tzinfo=PARIS)
SECOND = timedelta(seconds=1)
SLOW_S = 15.0


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    relais = start_relais(tmp_path_factory.mktemp("continuity"), "--empty", "--sandbox")
    yield School(relais)
    relais.stop()


def set_clock(school: School, instant: datetime) -> None:
    school.ok("PUT", "/sandbox/clock", {"now": instant.isoformat()})


def row(school: School, student: dict[str, Any], week: str = WEEK) -> dict[str, Any]:
    """The student's row, once the student is on the board."""

    def look() -> dict[str, Any] | None:
        items = school.ok("GET", f"/continuity?week={week}&mentor_id={student['mentor_id']}", role="training")["items"]
        return next((item for item in items if item["student_id"] == student["student_id"]), None)

    found = eventually(look, within_s=SLOW_S)
    assert found is not None
    return found


def turns(school: School, student: dict[str, Any], state: str, week: str = WEEK) -> None:
    eventually(lambda: row(school, student, week)["state"] == state, within_s=SLOW_S)


def caught_up(school: School, student: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Attended and caught up, by week."""
    weeks = school.ok("GET", f"/students/{student['student_id']}/attendance", role="training")["weeks"]
    return {week["week"]: (week["attended"], week["caught_up"]) for week in weeks}


@pytest.mark.rule("S1", "S5", "S7")
def test_a_week_is_to_plan_then_at_risk_then_green_then_missed_and_a_correction_is_followed(school: School) -> None:
    set_clock(school, MONDAY)
    student = school.student(school.mentor())
    assert (row(school, student)["state"], row(school, student)["hours_left"]) == ("to_plan", 158)
    set_clock(school, ENDS - timedelta(hours=72, seconds=-1))
    assert (row(school, student)["state"], row(school, student)["hours_left"]) == ("at_risk", 71)

    starts_at = ENDS - timedelta(hours=6)
    session = school.session(student, starts_at)
    turns(school, student, "green")
    set_clock(school, starts_at + timedelta(minutes=20))
    school.ok("POST", f"/sessions/{session['session_id']}/cancellation", {"reason": "student_no_show"}, role="mentor")
    turns(school, student, "at_risk")
    set_clock(school, ENDS + SECOND)
    turns(school, student, "missed")
    refused = school.call(
        "POST",
        "/sessions",
        {
            "student_id": student["student_id"],
            "starts_at": (ENDS + timedelta(days=2)).isoformat(),
            "duration_minutes": 45,
            "makes_up_for": session["session_id"],
        },
        role="mentor",
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "not_recoverable")
    school.ok(
        "POST",
        f"/sessions/{session['session_id']}/correction",
        {"status": "held", "why": "Elle était là : le mentor s’est trompé de session."},
    )
    turns(school, student, "green")
    eventually(lambda: caught_up(school, student)[WEEK] == (1, 0), within_s=SLOW_S)


@pytest.mark.rule("T6", "T8")
def test_a_week_without_its_mentor_is_caught_up_the_week_before(school: School) -> None:
    set_clock(school, MONDAY - timedelta(days=6))
    student = school.student(school.mentor(), funding="self_funded")
    missed = school.session(student, MONDAY + timedelta(days=2))
    away = {"reason": "other", "cause": "mentor", "note": "Je serai absente cette semaine-là."}
    school.ok("POST", f"/sessions/{missed['session_id']}/cancellation", away, role="mentor")
    body = {
        "student_id": student["student_id"],
        "starts_at": (MONDAY - timedelta(days=4)).isoformat(),
        "duration_minutes": 45,
        "makes_up_for": missed["session_id"],
    }
    made = school.ok("POST", "/sessions", body, role="mentor")
    again = school.call("POST", "/sessions", body, role="mentor")
    assert (again.status_code, again.json()["code"]) == (409, "already_made_up")
    assert school.ok("GET", f"/sessions/{missed['session_id']}")["made_up_by"] == made["session_id"]
    turns(school, student, "green", WEEK_BEFORE)
    eventually(lambda: row(school, student)["sessions"][0]["made_up_by"], within_s=SLOW_S)

    set_clock(school, MONDAY)
    school.ok("POST", f"/sessions/{made['session_id']}/completion", role="mentor")
    eventually(lambda: caught_up(school, student) == {WEEK_BEFORE: (1, 0), WEEK: (0, 1)}, within_s=SLOW_S)
    set_clock(school, ENDS)
    found = row(school, student)
    assert (found["state"], found["sessions"][0]["made_up_by"]["outcome"]) == ("missed", "held")


def test_the_page_and_its_file_show_the_same_board(school: School) -> None:
    set_clock(school, ENDS - timedelta(hours=10))
    student = school.student(school.mentor(), name="Zoé Sans-Session")
    turns(school, student, "at_risk")
    with httpx.Client(base_url=school.relais.url, follow_redirects=True, timeout=30) as browser:
        choose = browser.get("/connexion")
        csrf = re.search(r'name="csrf" value="([^"]+)"', choose.text)
        assert csrf is not None
        browser.post(choose.url, data={"csrf": csrf[1], "person": "training:"})
        page = browser.get("/continuite", params={"semaine": WEEK, "etat": "at_risk"})
        assert page.status_code == 200, page.text
        assert "Zoé Sans-Session" in page.text
        assert "À risque" in page.text
        assert "Zoé Sans-Session" not in browser.get(f"/continuite?semaine={WEEK}&etat=green").text
        file = browser.get("/continuite/csv", params={"semaine": WEEK, "etat": "at_risk"})
        assert file.headers["content-type"].startswith("text/csv")
        assert "Zoé Sans-Session" in file.content.decode("utf-8-sig")
        assert browser.get("/continuite?semaine=nonsense&etat=blue").status_code == 200
        assert browser.get("/continuite?financement=nobody").status_code == 422
