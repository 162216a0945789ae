"""Three stories from command to e-mail that take weeks, told in minutes on the clock of a sandbox."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import start_relais
from tests.journeys.school import School, eventually

PARIS = ZoneInfo("Europe/Paris")
# A Monday in January: no month ends, and no clock changes, in the four weeks of a story.
MONDAY = datetime(2027, 1, 4, 9, tzinfo=PARIS)
SLOW_S = 10.0


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    relais = start_relais(tmp_path_factory.mktemp("sandbox"), "--empty", "--sandbox")
    yield School(relais)
    relais.stop()


def set_clock(school: School, instant: datetime) -> None:
    school.ok("PUT", "/sandbox/clock", {"now": instant.isoformat()})


def letters_to(school: School, person: dict[str, Any], template: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = school.ok("GET", f"/emails?to={person['email']}")["items"]
    return [letter for letter in found if letter["state"] == "sent" and template in letter["template"]]


def outcome_in_file(school: School, student: dict[str, Any], session: dict[str, Any]) -> list[str]:
    weeks = school.ok("GET", f"/students/{student['student_id']}/attendance", role="training")["weeks"]
    return [e["outcome"] for week in weeks for e in week["sessions"] if e["session_id"] == session["session_id"]]


def is_with(school: School, session: dict[str, Any], mentor: dict[str, Any]) -> bool:
    return bool(school.ok("GET", f"/sessions/{session['session_id']}")["mentor_id"] == mentor["mentor_id"])


def statement(school: School, mentor: dict[str, Any], month: str) -> dict[str, Any]:
    return school.ok("GET", f"/mentors/{mentor['mentor_id']}/statements/{month}", role="billing")


@pytest.mark.rule("T1", "T3", "T5", "T7", "T9", "T10", "T12", "T13", "T14", "T16", "T17")
def test_a_mentor_leaves_for_two_weeks_and_comes_back(school: School) -> None:
    set_clock(school, MONDAY)
    mentor, replacement = school.mentor(capacity=3), school.mentor(capacity=3)
    by = {"role": "mentor", "email": mentor["email"]}
    students = [
        school.student(mentor, funding="third_party"),
        school.student(mentor, funding="apprenticeship", training_day="wednesday"),
        school.student(mentor, funding="self_funded"),
    ]
    sessions = [
        [school.session(student, MONDAY + timedelta(weeks=week, days=2, hours=hour)) for week in range(5)]
        for hour, student in enumerate(students)
    ]
    leave, back = MONDAY + timedelta(weeks=1), MONDAY + timedelta(weeks=3)

    absence = school.ok(
        "POST",
        f"/mentors/{mentor['mentor_id']}/absences",
        {"from": leave.isoformat(), "to": back.isoformat()},
        **by,
    )
    path = f"/absences/{absence['absence_id']}"

    def advised() -> list[dict[str, Any]] | None:
        """The advice for all, once their planned sessions are counted."""
        found: list[dict[str, Any]] = school.ok("GET", path, **by)["students"]
        return found if all(s["sessions_missed"] == 2 for s in found) else None

    advice = eventually(advised, within_s=SLOW_S)
    rules = {s["student_id"]: (s["funding"], s["advice"], s["rule"]) for s in advice}
    assert rules == {
        students[0]["student_id"]: ("third_party", "transfer", "T5"),
        students[1]["student_id"]: ("apprenticeship", "transfer", "T7"),
        students[2]["student_id"]: ("self_funded", "transfer", "T9"),
    }
    deadline = datetime.fromisoformat(absence["help_deadline_at"])
    assert deadline == (leave - timedelta(hours=72)).astimezone(UTC)

    school.ok("PUT", f"/mentors/{mentor['mentor_id']}/capacity", {"capacity": 0}, **by)
    for item in ("peers_asked", "students_warned"):
        school.ok("POST", f"{path}/preparation", {"item": item}, **by)
    for student in students:
        school.ok(
            "POST",
            f"/students/{student['student_id']}/comments",
            {
                "mentor_name": mentor["name"],
                "leave_from": leave.date().isoformat(),
                "return_on": back.date().isoformat(),
                "about_the_student": "Avance bien ; bloque sur les tests.",
            },
            **by,
        )

    set_clock(school, deadline + timedelta(seconds=1))
    helped = school.ok("POST", f"{path}/help-requests", **by)
    assert helped["status"]
    for student in students:
        school.ok(
            "POST",
            f"/students/{student['student_id']}/transfer",
            {"mentor_email": replacement["email"], "absence_id": absence["absence_id"]},
            **by,
        )
    ready = school.ok("GET", path, **by)
    assert all(s["done"] for s in ready["students"])
    assert all(step["done"] for step in ready["checklist"])
    eventually(lambda: all(is_with(school, own[1], replacement) for own in sessions), within_s=SLOW_S)
    eventually(lambda: all(letters_to(school, student, "mentor_changed") for student in students), within_s=SLOW_S)

    set_clock(school, back + timedelta(hours=1))
    refused = school.call("POST", f"{path}/return", role="mentor", email=replacement["email"])
    assert refused.status_code == 422
    assert "capacity_full" in refused.text
    school.ok("PUT", f"/mentors/{mentor['mentor_id']}/capacity", {"capacity": 3}, **by)
    school.ok("POST", f"{path}/return", role="mentor", email=replacement["email"])
    for student in students:
        assert school.ok("GET", f"/students/{student['student_id']}")["mentor_id"] == mentor["mentor_id"]
    eventually(lambda: all(is_with(school, own[4], mentor) for own in sessions), within_s=SLOW_S)
    eventually(lambda: all(len(letters_to(school, s, "mentor_changed")) == 2 for s in students), within_s=SLOW_S)


@pytest.mark.rule("S1", "S5", "S7", "S8")
def test_a_no_show_is_corrected_after_its_statement_was_closed(school: School) -> None:
    set_clock(school, MONDAY)
    mentor = school.mentor()
    student = school.student(mentor)
    session = school.session(student, MONDAY + timedelta(hours=1), duration_minutes=45)
    set_clock(school, MONDAY + timedelta(hours=1, minutes=14, seconds=55))
    early = school.call(
        "POST", f"/sessions/{session['session_id']}/cancellation", {"reason": "student_no_show"}, role="mentor"
    )
    assert (early.status_code, early.json()["code"]) == (422, "reason_not_offered")
    set_clock(school, MONDAY + timedelta(hours=1, minutes=15))
    school.ok("POST", f"/sessions/{session['session_id']}/cancellation", {"reason": "student_no_show"}, role="mentor")
    eventually(lambda: outcome_in_file(school, student, session) == ["student_no_show"], within_s=SLOW_S)
    line = eventually(lambda: statement(school, mentor, "2027-01")["lines"], within_s=SLOW_S)[0]
    assert line["outcome"] == "student_no_show"

    set_clock(school, datetime(2027, 2, 2, 9, tzinfo=PARIS))
    closed = school.ok("POST", f"/mentors/{mentor['mentor_id']}/statements/2027-01/close", role="billing")
    assert closed["status"] == "closed"
    school.ok(
        "POST",
        f"/sessions/{session['session_id']}/correction",
        {"status": "held", "why": "L'étudiant était là ; le mentor s'était trompé de session."},
    )
    eventually(lambda: outcome_in_file(school, student, session) == ["held"], within_s=SLOW_S)
    adjusted = eventually(lambda: statement(school, mentor, "2027-02")["lines"], within_s=SLOW_S)
    assert [(adjustment["kind"], adjustment["session_id"]) for adjustment in adjusted] == [
        ("adjustment", session["session_id"])
    ]
    january = statement(school, mentor, "2027-01")
    assert (january["status"], january["total_cents"], january["lines"]) == ("closed", closed["total_cents"], [line])
    total = january["total_cents"] + sum(adjustment["amount_cents"] for adjustment in adjusted)
    full = line["amount_cents"] * 100 // line["share_percent"] if line["share_percent"] else None
    assert full is None or total == full
    eventually(lambda: letters_to(school, student, "correct"), within_s=SLOW_S)


@pytest.mark.rule("T2", "T6", "T8", "S6")
def test_a_self_funded_student_is_kept_and_catches_up_the_week_before(school: School) -> None:
    set_clock(school, MONDAY)
    mentor = school.mentor()
    by = {"role": "mentor", "email": mentor["email"]}
    student = school.student(mentor, funding="self_funded")
    missed = school.session(student, MONDAY + timedelta(weeks=1, days=2))
    absence = school.ok(
        "POST",
        f"/mentors/{mentor['mentor_id']}/absences",
        {"from": (MONDAY + timedelta(weeks=1)).isoformat(), "to": (MONDAY + timedelta(weeks=2)).isoformat()},
        **by,
    )
    path = f"/absences/{absence['absence_id']}"
    advised = eventually(
        lambda: [s for s in school.ok("GET", path, **by)["students"] if s["sessions_missed"] == 1], within_s=SLOW_S
    )[0]
    assert (advised["advice"], advised["rule"], advised["done"]) == ("keep", "T8", False)
    for consent in ("asked", "given"):
        school.ok("POST", f"{path}/consents", {"student_id": student["student_id"], "consent": consent}, **by)

    school.ok(
        "POST",
        f"/sessions/{missed['session_id']}/cancellation",
        {"reason": "other", "cause": "mentor", "note": "Je suis absent cette semaine-là ; on avance la session."},
        **by,
    )
    make_up = school.ok(
        "POST",
        "/sessions",
        {
            "student_id": student["student_id"],
            "starts_at": (MONDAY + timedelta(days=3)).isoformat(),
            "duration_minutes": 45,
            "makes_up_for": missed["session_id"],
        },
        **by,
    )
    assert make_up["makes_up_for"] == missed["session_id"]
    again = school.call(
        "POST",
        "/sessions",
        {
            "student_id": student["student_id"],
            "starts_at": (MONDAY + timedelta(days=4)).isoformat(),
            "duration_minutes": 45,
            "makes_up_for": missed["session_id"],
        },
        **by,
    )
    assert again.status_code in (409, 422)
    set_clock(school, MONDAY + timedelta(days=3, hours=1))
    school.ok("POST", f"/sessions/{make_up['session_id']}/completion", **by)
    weeks = eventually(
        lambda: [
            week
            for week in school.ok("GET", f"/students/{student['student_id']}/attendance", role="training")["weeks"]
            if week["caught_up"]
        ],
        within_s=SLOW_S,
    )
    assert sum(week["caught_up"] for week in weeks) == 1
    lines = eventually(
        lambda: found if len(found := statement(school, mentor, "2027-01")["lines"]) == 2 else None, within_s=SLOW_S
    )
    assert sorted(line["outcome"] for line in lines) == ["held", "other"]
    assert (
        "on avance la session" in eventually(lambda: letters_to(school, student, "cancel"), within_s=SLOW_S)[0]["text"]
    )
