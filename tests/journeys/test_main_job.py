"""The main job, through the front door: from a command to the event, the statement, the file and the e-mail."""

import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import httpx
import orjson
import psycopg
import pytest

from tests.journeys.school import School, at, eventually


def event_of(school: School, topic: str, key: str, ce_type: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The one event of this type and key, as soon as it is on its topic."""
    found = eventually(lambda: [r for r in school.records(topic, key) if r[0]["ce_type"] == ce_type], within_s=5)
    assert len(found) == 1
    return found[0]


def statement_lines(school: School, mentor_id: str, session: dict[str, Any]) -> list[dict[str, Any]]:
    month = session["starts_at"][:7]
    answer = school.call("GET", f"/mentors/{mentor_id}/statements/{month}", role="billing")
    lines: list[dict[str, Any]] = answer.json()["lines"] if answer.is_success else []
    return [line for line in lines if line["session_id"] == session["session_id"]]


def file_entries(school: School, student_id: str, session_id: str) -> list[dict[str, Any]]:
    answer = school.call("GET", f"/students/{student_id}/attendance", role="training")
    weeks: list[dict[str, Any]] = answer.json()["weeks"] if answer.is_success else []
    return [entry for week in weeks for entry in week["sessions"] if entry["session_id"] == session_id]


def emails(school: School, event_id: str) -> list[dict[str, Any]]:
    answer = school.call("GET", f"/emails?event_id={event_id}")
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.rule("S1", "S6", "S7", "S8")
def test_a_cancellation_reaches_the_topic_the_statement_the_file_and_the_student(school: School) -> None:
    mentor = school.mentor()
    student = school.student(mentor)
    session = school.session(student, at(days=3))
    note = "Panne de courant dans tout le quartier."

    cancelled = school.ok(
        "POST",
        f"/sessions/{session['session_id']}/cancellation",
        {"reason": "other", "cause": "force_majeure", "note": note},
        role="mentor",
    )
    assert (cancelled["status"], cancelled["reason"], cancelled["recoverable"]) == ("cancelled", "other", None)
    assert cancelled["version"] == session["version"] + 1

    lines = eventually(lambda: statement_lines(school, mentor["mentor_id"], session))
    assert [line["outcome"] for line in lines] == ["other"]
    entries = eventually(
        lambda: [
            e for e in file_entries(school, student["student_id"], session["session_id"]) if e["outcome"] != "planned"
        ]
    )
    assert len(entries) == 1
    event_id = lines[0]["event_id"]
    sent = eventually(lambda: [e for e in emails(school, event_id) if e["state"] == "sent"])
    assert [e["to"] for e in sent] == [student["email"]]
    assert note in sent[0]["text"]

    headers, data = event_of(school, "relais.sessions", student["student_id"], "relais.sessions.SessionCancelled.v1")
    assert headers["ce_id"] == event_id == entries[0]["event_id"]
    assert headers["ce_subject"] == session["session_id"]
    assert headers["ce_sequence"] == str(cancelled["version"])
    assert headers["content-type"] == "application/json"
    assert (data["reason"], data["note"], data["recoverable"]) == ("other", note, None)

    explained = subprocess.run(
        [
            sys.executable,
            "-m",
            "services.cli.main",
            "explain",
            event_id,
            "--json",
            "--data-dir",
            school.relais.data_dir,
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert explained.returncode == 0, explained.stderr
    told = explained.stdout
    for part in (event_id, lines[0]["line_id"], sent[0]["email_id"], session["session_id"]):
        assert part in told
    orjson.loads(told)


@pytest.mark.rule("S9", "S10")
def test_a_moved_session_is_told_to_the_student_with_the_new_date(school: School) -> None:
    mentor = school.mentor()
    student = school.student(mentor)
    session = school.session(student, at(days=2))
    moved_to = at(days=4, hours=1)

    moved = school.ok(
        "POST",
        f"/sessions/{session['session_id']}/reschedule",
        {"starts_at": moved_to.isoformat(), "requested_by": "student"},
        role="mentor",
    )
    assert moved["status"] == "scheduled"

    headers, data = event_of(school, "relais.sessions", student["student_id"], "relais.sessions.SessionRescheduled.v1")
    assert (data["requested_by"], data["late"]) == ("student", False)
    sent = eventually(lambda: [e for e in emails(school, headers["ce_id"]) if e["state"] == "sent"])
    local = f"{moved_to.astimezone().strftime('%d')}".lstrip("0")
    assert sent[0]["to"] == student["email"]
    assert local in sent[0]["text"]


@pytest.mark.rule("S1", "S8")
def test_a_held_session_is_paid_in_full_and_attended(school: School) -> None:
    mentor = school.mentor()
    student = school.student(mentor)
    session = school.session(student, at(minutes=-30))
    school.ok("POST", f"/sessions/{session['session_id']}/completion", role="mentor")
    lines = eventually(lambda: statement_lines(school, mentor["mentor_id"], session))
    assert [(line["outcome"], line["share_percent"]) for line in lines] == [("held", 100)]
    statement = school.ok(
        "GET", f"/mentors/{mentor['mentor_id']}/statements/{session['starts_at'][:7]}", role="billing"
    )
    assert statement["total_cents"] == sum(line["amount_cents"] for line in statement["lines"]) > 0
    eventually(
        lambda: [
            e for e in file_entries(school, student["student_id"], session["session_id"]) if e["outcome"] == "held"
        ]
    )


@pytest.mark.rule("T1", "T3", "T11", "T15")
def test_a_transfer_takes_effect_at_once_and_takes_the_upcoming_sessions_along(school: School) -> None:
    mentor, replacement = school.mentor(), school.mentor()
    student = school.student(mentor)
    past = school.session(student, at(days=-7))
    upcoming = school.session(student, at(days=5))

    school.ok(
        "POST",
        f"/students/{student['student_id']}/transfer",
        {"mentor_email": replacement["email"]},
        role="mentor",
        email=mentor["email"],
    )

    eventually(lambda: school.ok("GET", f"/sessions/{upcoming['session_id']}")["mentor_id"] == replacement["mentor_id"])
    assert school.ok("GET", f"/sessions/{past['session_id']}")["mentor_id"] == mentor["mentor_id"]
    headers, data = event_of(
        school, "relais.transfers", student["student_id"], "relais.transfers.StudentTransferred.v1"
    )
    assert (data["from_mentor_id"], data["to_mentor_id"]) == (mentor["mentor_id"], replacement["mentor_id"])
    sent = eventually(lambda: [e for e in emails(school, headers["ce_id"]) if e["state"] == "sent"])
    assert student["email"] in [e["to"] for e in sent]
    reassigned, _ = event_of(school, "relais.sessions", student["student_id"], "relais.sessions.SessionReassigned.v1")
    assert reassigned["ce_causationid"] == headers["ce_id"]
    assert reassigned["ce_correlationid"] == headers["ce_correlationid"]


def table_counts(school: School) -> dict[str, int]:
    """Rows of every table of every service, but for those that follow the clock or the brokers and not commands."""
    counts: dict[str, int] = {}
    with psycopg.connect(school.relais.database_url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            row = connection.execute(f'SELECT count(*) FROM "{schema}"."{table}"').fetchone()
            assert row is not None
            counts[f"{schema}.{table}"] = row[0]
    return counts


def refused(answer: httpx.Response, code: str) -> dict[str, Any]:
    """It is problem+json with this code and a sentence in French."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["detail"].endswith(".")
    return problem


@pytest.mark.rule("S4", "S5", "T3", "T18")
def test_a_refused_command_changes_nothing_and_says_why(school: School) -> None:
    mentor = school.mentor()
    student = school.student(mentor)
    session = school.session(student, at(days=3))
    eventually(lambda: school.ok("GET", f"/sessions?student_id={student['student_id']}")["items"])
    eventually(lambda: len(school.ok("GET", "/audit?type=relais.sessions.SessionScheduled.v1")["items"]))
    cancellation = f"/sessions/{session['session_id']}/cancellation"
    transfer = f"/students/{student['student_id']}/transfer"

    time.sleep(1.0)  # What the set-up caused has all arrived.
    before = table_counts(school)

    refused(school.call("POST", cancellation, {"reason": "student_late"}, role="mentor"), "reason_not_offered")
    refused(school.call("POST", cancellation, {"reason": "student_no_show"}, role="mentor"), "reason_not_offered")
    refused(school.call("POST", cancellation, {"reason": "other"}, role="mentor"), "note_required")
    dated = {"mentor_email": mentor["email"], "starts_at": at(days=2).isoformat()}
    refused(school.call("POST", transfer, dated), "transfer_is_immediate")
    english = school.call(
        "POST", cancellation, {"reason": "student_late"}, role="mentor", headers={"Accept-Language": "en"}
    )
    assert english.json()["detail"] != school.call("POST", cancellation, {"reason": "student_late"}).json()["detail"]

    time.sleep(0.5)
    assert table_counts(school) == before


@pytest.mark.rule("T18")
def test_a_transfer_that_fails_its_diagnoses_changes_nobody_and_is_published(school: School) -> None:
    mentor, full = school.mentor(), school.mentor(capacity=0)
    other_path = school.mentor(paths=("Data",), projects=["Projet 9"])
    student = school.student(mentor)
    path = f"/students/{student['student_id']}"
    before = school.ok("GET", path)
    tried = {
        "nobody@example.org": ["not_a_mentor_account"],
        full["email"]: ["capacity_full"],
        other_path["email"]: ["not_on_path", "project_not_on_profile"],
    }
    for email, codes in tried.items():
        answer = refused(school.call("POST", f"{path}/transfer", {"mentor_email": email}), "transfer_refused")
        assert [error["code"] for error in answer["errors"]] == codes
        assert all(isinstance(error["message"], str) for error in answer["errors"])
    assert school.ok("GET", path) == before
    told = f"/audit?type=relais.transfers.TransferRefused.v1&student_id={student['student_id']}"
    eventually(lambda: len(school.ok("GET", told)["items"]) == len(tried))


def test_the_same_key_does_one_thing(school: School) -> None:
    mentor = school.mentor()
    student = school.student(mentor)
    body = {"student_id": student["student_id"], "starts_at": at(days=3).isoformat(), "duration_minutes": 45}
    key = {"Idempotency-Key": str(uuid4())}
    first = school.call("POST", "/sessions", body, role="mentor", headers=key)
    again = school.call("POST", "/sessions", body, role="mentor", headers=key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    refused(school.call("POST", "/sessions", body | {"duration_minutes": 50}, role="mentor", headers=key),
            "idempotency_key_reused")  # fmt: skip


def test_without_a_token_or_the_role_nothing_is_told_or_done(school: School) -> None:
    assert school.client.get("/sessions").status_code == 401
    assert school.client.get("/sessions", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    student = school.student(school.mentor())
    session = school.session(student, at(days=3))
    for role, method, path, body in (
        ("student", "POST", f"/sessions/{session['session_id']}/cancellation", {"reason": "student_early"}),
        ("mentor", "PUT", f"/students/{student['student_id']}", {}),
        ("student", "POST", f"/students/{student['student_id']}/transfer", {"mentor_email": "a@example.org"}),
        ("mentor", "GET", "/audit", None),
    ):
        answer = school.call(method, path, body, role=role)
        assert answer.status_code == 403, f"{role} {method} {path} → {answer.status_code}"
        assert answer.json()["code"] == "forbidden"
