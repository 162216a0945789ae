"""import, token, tail, explain, lag and doctor, as a person types them, on one whole running Relais."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.chassis.ids import derived_id
from tests.conftest import RunningRelais

WITHIN_S = 30.0


@dataclass(frozen=True)
class School:
    """A mentor with two students, imported from files that the test wrote."""

    relais: RunningRelais
    folder: Path
    domain: str

    @property
    def mentor(self) -> str:
        return f"claire@{self.domain}"

    @property
    def student(self) -> str:
        return f"alice@{self.domain}"

    @property
    def student_id(self) -> str:
        return str(derived_id("student", self.student))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments, "--data-dir", str(self.relais.data_dir)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def ask(self, role: str, email: str, method: str, path: str, body: object = None, **query: str) -> Any:
        headers = {"Authorization": f"Bearer {self.relais.token(role, email)}"}
        answer = httpx.request(
            method,
            f"{self.relais.url}/api{path}",
            json=body,
            params=query,
            headers=headers,
            timeout=30,
            trust_env=False,
        )
        assert answer.is_success, answer.text
        return answer.json()

    def event_id(self, event_type: str, **query: str) -> str:
        """The newest event of a type, waited for."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            found = self.ask("support", "sam@example.org", "GET", "/audit", type=event_type, **query)["items"]
            if found:
                return str(found[0]["event_id"])
            time.sleep(0.1)
        raise AssertionError(f"no {event_type} within {WITHIN_S} s")


@pytest.fixture(scope="module")
def school(relais: RunningRelais, tmp_path_factory: pytest.TempPathFactory) -> School:
    folder = tmp_path_factory.mktemp("school")
    domain = f"{uuid4().hex[:8]}.example.org"
    new = School(relais, folder, domain)
    people = f"""kind,email,name,path,project,capacity,funding,mentor,enrolled_at
mentor,claire@{domain},Claire,web-developer,Site,5,,,
mentor,ines@{domain},Inès,web-developer,Site,5,,,
student,alice@{domain},Alice,web-developer,Site,,third_party,claire@{domain},2026-09-01
student,bruno@{domain},Bruno,web-developer,Site,,self_funded,claire@{domain},2026-09-01
"""
    (folder / "people.csv").write_text(people)
    now = datetime.now(UTC).replace(microsecond=0)
    past, soon = (now - timedelta(days=9)).isoformat(), (now + timedelta(days=3)).isoformat()
    sessions = f"""student,starts_at,duration_minutes,status
alice@{domain},{past},50,held
alice@{domain},{soon},50,
bruno@{domain},{past},50,no_show
"""
    (folder / "sessions.csv").write_text(sessions)
    report = new.json("import", str(folder / "people.csv"), str(folder / "sessions.csv"))
    assert report["problems"] == []
    assert (report["people"]["created"], report["sessions"]["created"]) == (4, 3)
    return new


def test_the_same_files_again_change_nothing(school: School) -> None:
    report = school.json("import", str(school.folder / "people.csv"), str(school.folder / "sessions.csv"))
    nothing = {"created": 0, "changed": 0}
    assert report["people"] == nothing | {"unchanged": 4}
    assert report["sessions"] == nothing | {"unchanged": 3}


def test_one_bad_line_and_nothing_is_written_not_even_the_good_ones(school: School) -> None:
    path = school.folder / "bad.csv"
    notice = (datetime.now(UTC) - timedelta(days=9, hours=30)).isoformat()
    start = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    path.write_text(
        "student,starts_at,duration_minutes,status,reason,notice_at\n"
        f"{school.student},2026-10-01 18:00,50,held,,\n"
        f"nobody@{school.domain},2026-10-02 18:00,50,held,,\n"
        f"{school.student},{start},50,cancelled,student_late,{notice}\n"
    )
    done = school.run("import", str(path))
    assert done.returncode == 1
    assert "bad.csv:3:" in done.stdout
    assert "bad.csv:4:" in done.stdout  # Refused by the rule itself: notice was given more than 24 h before.
    found = school.ask("support", "sam@example.org", "GET", "/sessions", student_id=school.student_id)
    assert len(found["items"]) == 2


def test_a_missing_file_is_wrong_use(school: School) -> None:
    done = school.run("import", "nowhere.csv")
    assert (done.returncode, "nowhere.csv" in done.stderr) == (2, True)


def test_a_token_opens_the_api_and_a_role_that_does_not_exist_is_wrong_use(school: School) -> None:
    token = school.run("token", "--as", f"mentor:{school.mentor}").stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{school.relais.url}/api/sessions", headers=headers, timeout=30, trust_env=False)
    assert answer.status_code == 200
    assert school.run("token", "--as", "king:a@example.org").returncode == 2
    assert school.run("token", "--as", "mentor:not-an-address").returncode == 2


def test_explain_shows_the_line_the_entry_and_the_email_of_a_cancellation(school: School) -> None:
    upcoming = school.ask(
        "support", "sam@example.org", "GET", "/sessions", student_id=school.student_id, status="scheduled"
    )["items"][0]
    reason = {"reason": "other", "cause": "mentor", "note": "Je suis souffrante."}
    school.ask("mentor", school.mentor, "POST", f"/sessions/{upcoming['session_id']}/cancellation", reason)
    event_id = school.event_id("relais.sessions.SessionCancelled.v1", subject=upcoming["session_id"])
    deadline = time.monotonic() + WITHIN_S
    while True:
        effects = school.json("explain", event_id)["effects"]
        if (effects["emails"] and effects["emails"][0]["state"] == "sent") or time.monotonic() > deadline:
            break
    assert [line["outcome"] for line in effects["statement_lines"]] == ["other"]
    assert [entry["counts_as"] for entry in effects["attendance_entries"]] == ["excused"]
    assert [(email["to"], email["state"]) for email in effects["emails"]] == [(school.student, "sent")]
    shown = school.run("explain", event_id)
    assert shown.returncode == 0
    assert "SessionCancelled" in shown.stdout


def test_explain_of_an_unknown_event_fails_with_a_sentence(school: School) -> None:
    done = school.run("explain", str(uuid4()))
    assert (done.returncode, "event_unknown" in done.stderr) == (1, True)


def test_tail_shows_events_of_one_student_with_their_effects(school: School) -> None:
    done = school.run(
        "tail", "--from-beginning", "--student", school.student_id, "--type", "SessionHeld", "--limit", "1", "--json"
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event_type"] == "relais.sessions.SessionHeld.v1"
    assert lines[0]["data"]["student_id"] == school.student_id
    assert {line["what"] for line in lines[1:]} >= {"statement_line", "attendance_entry"}


def test_lag_counts_every_relay_and_partition(school: School) -> None:
    deadline = time.monotonic() + WITHIN_S
    while True:
        items = school.json("lag")["items"]
        behind = [item for item in items if item["consumer_lag"] or item["relay_backlog"]]
        if not behind or time.monotonic() > deadline:
            break
    assert behind == []
    relays = {item["service"] for item in items if item["topic"] is None}
    assert {"sessions", "transfers", "billing"} <= relays
    readers = {item["service"] for item in items if item["topic"] == "relais.sessions"}
    assert {"billing", "attendance", "notifier", "support"} <= readers
    assert {item["partition"] for item in items if item["topic"] == "relais.sessions"} == set(range(6))


def test_doctor_finds_everything_well_and_says_so(school: School) -> None:
    found = school.json("doctor")
    assert [check for check in found["checks"] if not check["ok"]] == []


def test_doctor_says_what_to_do_where_nothing_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "doctor", "--json", "--data-dir", str(tmp_path / "nothing")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    wrong = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
    assert {check["name"] for check in wrong} == {"PostgreSQL", "Kafka"}
    assert all(check["to_do"] for check in wrong)
