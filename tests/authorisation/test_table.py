"""Every route × everybody × own and somebody else's: who gets an answer, on a whole running Relais."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.authorisation.conftest import PEOPLE, School
from tests.authorisation.table import TABLE, Row

TRIED: Counter[str] = Counter()
METHODS = ("get", "put", "post", "patch", "delete")


def ask(school: School, row: Row, person: str) -> httpx.Response:
    method, path = row.request.split(" ")
    return school.clients[person].request(
        method, school.filled(path), json=school.filled(row.body), params=school.filled(row.query)
    )


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_whoever_may_is_answered_and_everybody_else_refused(school: School, row: Row) -> None:
    with ThreadPoolExecutor(len(PEOPLE)) as at_once:
        answers = dict(zip(PEOPLE, at_once.map(lambda person: ask(school, row, person), PEOPLE), strict=True))
    found = {person: answer.status_code for person, answer in answers.items()}
    assert found == {person: row.expected(person) for person in PEOPLE}, {
        person: answer.text[:300] for person, answer in answers.items() if found[person] != row.expected(person)
    }
    for person in set(PEOPLE) - row.allowed - row.missing:
        assert answers[person].json()["code"] == "forbidden"
    method, path = row.request.split(" ")
    without = httpx.request(method, school.relais.url + school.filled(path), json=school.filled(row.body))
    assert without.status_code == 401
    TRIED.update(answered=len(row.allowed), refused=len(PEOPLE) - len(row.allowed) + 1)


def test_every_route_is_in_the_table_and_no_other(school: School, capsys: pytest.CaptureFixture[str]) -> None:
    document: dict[str, Any] = httpx.get(f"{school.relais.url}/openapi.json").json()
    assert document["x-unavailable"] == []
    assert unlisted(document) == set(), "routes that are not in tests/authorisation/table.py"
    assert {shape(row.request) for row in TABLE} - declared(document) == set(), "rows of routes that are no more"
    with capsys.disabled():
        print(f"\nauthorisation: {len(declared(document))} routes, {len(TABLE)} rows; {dict(TRIED)}")


def test_a_route_that_is_new_fails_until_it_is_listed(school: School) -> None:
    document: dict[str, Any] = httpx.get(f"{school.relais.url}/openapi.json").json()
    document["paths"]["/api/sessions/{session_id}/recording"] = {"get": {}}
    assert unlisted(document) == {"GET /api/sessions/{}/recording"}


def declared(document: dict[str, Any]) -> set[str]:
    paths: dict[str, Any] = document["paths"]
    return {f"{name.upper()} {shape(path)}" for path, item in paths.items() for name in METHODS if name in item}


def unlisted(document: dict[str, Any]) -> set[str]:
    return declared(document) - {shape(row.request) for row in TABLE}


def shape(path: str) -> str:
    """Whatever its ids are called."""
    return re.sub(r"\{[a-z_]+\}", "{}", path)


def test_lists_hold_what_is_ones_own(school: School) -> None:
    facts = school.facts

    def ids(person: str, path: str, name: str) -> set[str]:
        return {item[name] for item in school.ok(person, "GET", path)["items"]}

    assert {facts["session_id"], facts["past_session_id"]} <= ids("alice", "/api/sessions", "session_id")
    assert ids("chloe", "/api/sessions", "session_id") == ids("max", "/api/sessions", "session_id") == set()
    for mentor, students in {"alice": {"zoe_id"}, "bruno": {"zoe_id"}, "chloe": {"max_id"}}.items():
        assert ids(mentor, "/api/students", "student_id") == {facts[student] for student in students}
        assert ids(mentor, "/api/continuity", "student_id") == {facts[student] for student in students}
    assert ids("chloe", "/api/absences", "absence_id") == ids("bruno", "/api/absences", "absence_id") == set()
    assert ids("max", "/api/emails", "email_id") == set()
    contact = school.ok("zoe", "GET", f"/api/mentors/{facts['bruno_id']}")
    assert set(contact) == {"mentor_id", "name", "email"}
