"""A school in a whole, running Relais: a student whom one mentor lent to another, and people with no part in it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from tests.conftest import RunningRelais, start_relais

PEOPLE = {
    "alice": "mentor",
    "bruno": "mentor",
    "chloe": "mentor",
    "zoe": "student",
    "max": "student",
    "support": "support",
    "billing": "billing",
    "training": "training",
    "directory": "directory",
}
SOON_S = 90.0
T = TypeVar("T")


def soon(look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + SOON_S
    while not (found := look()):
        assert time.monotonic() < deadline, f"it never came: {look}"
        time.sleep(0.05)
    return found


@dataclass
class School:
    """``facts`` fill the braces of the table's requests."""

    relais: RunningRelais
    clients: Mapping[str, httpx.Client]
    facts: dict[str, str]
    accounts: dict[str, dict[str, Any]]

    def ok(self, person: str, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self.clients[person].request(method, path, json=body)
        assert answer.is_success, f"{person} {method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def filled(self, value: Any) -> Any:
        """The value with its braces filled in, at any depth; ``{"bruno": "account"}`` is Bruno's account."""
        if isinstance(value, str):
            return value.format(**self.facts) if "{" in value else value
        if isinstance(value, Mapping):
            if list(value.values()) == ["account"]:
                return self.accounts[next(iter(value))]
            return {key: self.filled(one) for key, one in value.items()}
        return [self.filled(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelais]:
    """A whole Relais with every route that there is, those of the sandbox too."""
    running = start_relais(tmp_path_factory.mktemp("sandbox"), "--empty", "--sandbox")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def school(sandbox: RunningRelais) -> Iterator[School]:
    clients = {
        person: httpx.Client(
            base_url=sandbox.url,
            headers={"Authorization": f"Bearer {sandbox.token(role, f'{person}@school.example.org')}"},
            timeout=30,
            trust_env=False,
        )
        for person, role in PEOPLE.items()
    }
    here = School(sandbox, clients, _facts(), {})
    _found(here)
    yield here
    for client in clients.values():
        client.close()


def _facts() -> dict[str, str]:
    now = datetime.now(UTC).replace(microsecond=0)
    leave = (now + timedelta(days=20)).date()
    return {
        "now": now.isoformat(),
        "in_9_days": (now + timedelta(days=9)).isoformat(),
        "in_the_past": (now - timedelta(days=1)).isoformat(),
        "leave_from": str(leave),
        "leave_to": str(leave + timedelta(days=14)),
        "month": f"{now:%Y-%m}",
        "next_month": f"{(now.replace(day=1) + timedelta(days=40)):%Y-%m}",
        "nobody_id": str(uuid4()),
        "parked_id": "999999",
    } | {f"{person}_id": str(uuid4()) for person in ("alice", "bruno", "chloe", "zoe", "max")}


def _found(school: School) -> None:
    facts = school.facts
    for mentor in ("alice", "bruno", "chloe"):
        school.accounts[mentor] = {
            "email": f"{mentor}@School.example.org", "name": mentor.title(), "capacity": 5,
            "paths": ["Python"], "projects": ["Projet 1"], "timezone": "Europe/Paris",
        }  # fmt: skip
        school.ok("directory", "PUT", f"/api/mentors/{facts[f'{mentor}_id']}", school.accounts[mentor])
    for student, mentor in (("zoe", "alice"), ("max", "chloe")):
        school.accounts[student] = {
            "email": f"{student}@school.example.org", "name": student.title(), "path": "Python",
            "project": "Projet 1", "funding": "self_funded", "mentor_id": facts[f"{mentor}_id"], "language": "fr",
        }  # fmt: skip
        school.ok("directory", "PUT", f"/api/students/{facts[f'{student}_id']}", school.accounts[student])
    facts["student_id"] = facts["zoe_id"]

    def planned(hours: float) -> str:
        body = {
            "student_id": facts["student_id"],
            "starts_at": (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0).isoformat(),
            "duration_minutes": 45,
        }
        return str(school.ok("alice", "POST", "/api/sessions", body)["session_id"])

    facts["past_session_id"], facts["session_id"] = planned(-24), planned(7 * 24)
    school.ok("alice", "POST", f"/api/sessions/{facts['past_session_id']}/completion")
    days = {"from": facts["leave_from"], "to": facts["leave_to"]}
    facts["absence_id"] = school.ok("alice", "POST", f"/api/mentors/{facts['alice_id']}/absences", days)["absence_id"]
    later = {name: str(datetime.fromisoformat(day).date() + timedelta(days=60)) for name, day in days.items()}
    ended = school.ok("alice", "POST", f"/api/mentors/{facts['alice_id']}/absences", later)["absence_id"]
    school.ok("alice", "POST", f"/api/absences/{ended}/end", {})
    facts["ended_absence_id"] = ended
    transfer = {"mentor_email": "bruno@school.example.org", "absence_id": facts["absence_id"]}
    school.ok("alice", "POST", f"/api/students/{facts['student_id']}/transfer", transfer)
    soon(lambda: school.ok("bruno", "GET", "/api/sessions?mentor_id=" + facts["bruno_id"])["items"])
    told = soon(lambda: school.ok("zoe", "GET", "/api/emails")["items"])
    facts["email_id"] = told[0]["email_id"]
    soon(lambda: school.ok("bruno", "GET", "/api/students")["items"])
    soon(lambda: _known(school, "alice", f"/api/students/{facts['student_id']}/attendance"))
    soon(lambda: _known(school, "bruno", f"/api/students/{facts['student_id']}/attendance"))
    for mentor in ("alice", "bruno", "chloe"):
        soon(partial(_known, school, mentor, f"/api/mentors/{facts[f'{mentor}_id']}/statements"))


def _known(school: School, person: str, path: str) -> bool:
    return school.clients[person].get(path).is_success
