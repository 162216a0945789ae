"""Accounts over HTTP: strict bodies, unique e-mails, what was written is read at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.chassis.ids import new_id
from tests.transfers.conftest import Api, mentor_account, soon, student_account


def test_a_mentor_is_registered_then_updated_then_left_alone(api: Api) -> None:
    mentor_id, directory = new_id(), api.as_("directory")
    account = mentor_account(email=f"Ada.{mentor_id}@Example.org")
    first = directory("PUT", f"/mentors/{mentor_id}", account)
    assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
    assert first.json() == {**account, "mentor_id": str(mentor_id), "students": 0, "version": 1}
    again = directory("PUT", f"/mentors/{mentor_id}", account)
    assert (again.status_code, again.json()["version"]) == (200, 1)
    changed = directory("PUT", f"/mentors/{mentor_id}", account | {"name": "Ada L.", "capacity": 2})
    assert (changed.status_code, changed.json()["version"]) == (200, 3)
    assert directory("GET", f"/mentors/{mentor_id}").json() == changed.json()


def test_an_email_belongs_to_one_mentor_whatever_its_case(api: Api) -> None:
    _, email = api.mentor()
    refused = api.as_("directory")("PUT", f"/mentors/{new_id()}", mentor_account(email=email.upper()))
    assert (refused.status_code, refused.json()["code"]) == (409, "email_taken")


def test_an_email_that_was_given_up_is_free_again(api: Api) -> None:
    mentor_id, email = api.mentor()
    api.as_("directory")("PUT", f"/mentors/{mentor_id}", mentor_account(email=f"new-{mentor_id}@example.org"))
    other = api.as_("directory")("PUT", f"/mentors/{new_id()}", mentor_account(email=email))
    assert other.status_code == 201


def test_of_many_who_take_one_email_at_once_one_has_it(api: Api) -> None:
    account = mentor_account(email=f"{uuid4()}@example.org")
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: api.as_("directory")("PUT", f"/mentors/{new_id()}", account), range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15


def test_a_student_takes_a_place_and_stays_when_the_account_is_sent_again(api: Api) -> None:
    mentor_id, email = api.mentor(capacity=1)
    student_id, directory = new_id(), api.as_("directory")
    account = student_account(mentor_id, training_day="thursday", funding="apprenticeship")
    created = directory("PUT", f"/students/{student_id}", account)
    assert (created.status_code, created.json()["version"]) == (201, 1)
    assert {name: created.json()[name] for name in account} == account
    assert created.json()["mentor_name"] == "Ada Lovelace"
    other_id, _ = api.mentor()
    moved = directory("PUT", f"/students/{student_id}", account | {"mentor_id": str(other_id), "project": "projet-6"})
    assert (moved.status_code, moved.json()["mentor_id"], moved.json()["project"]) == (200, str(mentor_id), "projet-6")
    assert directory("GET", f"/mentors/{mentor_id}").json()["students"] == 1
    full = directory("PUT", f"/students/{new_id()}", student_account(mentor_id))
    assert (full.status_code, full.json()["code"]) == (422, "capacity_full")
    nobody = directory("PUT", f"/students/{new_id()}", student_account(new_id()))
    assert (nobody.status_code, nobody.json()["code"]) == (422, "mentor_unknown")
    assert api.as_("mentor", email)("GET", f"/students/{student_id}").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "ada"},
        {"email": "ada@example.org, ben@example.org"},
        {"email": "ada@example.org\r\nBcc: x@example.org"},
        {"email": f"{'a' * 300}@example.org"},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\x00b"},
        {"name": "\ud800"},
        {"name": None},
        {"capacity": -1},
        {"capacity": 10_001},
        {"capacity": "3"},
        {"capacity": True},
        {"capacity": 1.5},
        {"paths": "data"},
        {"paths": ["x" * 121]},
        {"paths": ["data"] * 101},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"role": "support"},
    ],
)
def test_a_wrong_mentor_account_changes_nothing(api: Api, wrong: dict[str, Any]) -> None:
    import json

    before = api.rows()
    body = mentor_account(email=f"{uuid4()}@example.org") | wrong
    answer = api.as_("directory")(
        "PUT", f"/mentors/{new_id()}", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")
    assert api.rows()["stored_events"] == before["stored_events"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"funding": "lottery"},
        {"training_day": "someday"},
        {"language": "tlh"},
        {"mentor_id": "ada"},
        {"path": None},
        {"unknown": 1},
    ],
)
def test_a_wrong_student_account_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    mentor_id, _ = api.mentor()
    answer = api.as_("directory")("PUT", f"/students/{new_id()}", student_account(mentor_id) | wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


def test_accounts_are_put_by_the_directory_and_support_only(api: Api) -> None:
    for role, status in {"directory": 201, "support": 201, "mentor": 403, "student": 403, "billing": 403}.items():
        account = mentor_account(email=f"{uuid4()}@example.org")
        assert api.as_(role)("PUT", f"/mentors/{new_id()}", account).status_code == status
    assert api.client.put(f"/api/mentors/{new_id()}", json=mentor_account()).status_code == 401


def test_a_stale_version_is_refused(api: Api) -> None:
    mentor_id, email = api.mentor()
    directory, account = api.as_("directory"), mentor_account(email=email)
    stale = directory("PUT", f"/mentors/{mentor_id}", account | {"name": "X"}, headers={"If-Match": '"9"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    fresh = directory("PUT", f"/mentors/{mentor_id}", account | {"name": "X"}, headers={"If-Match": '"1"'})
    assert fresh.status_code == 200


def test_a_mentor_sees_and_changes_only_their_own_account(api: Api) -> None:
    (ada_id, ada), (ben_id, _) = api.mentor(), api.mentor()
    as_ada = api.as_("mentor", ada.upper())
    assert as_ada("GET", "/mentors/me").json()["mentor_id"] == str(ada_id)
    assert as_ada("PUT", f"/mentors/{ada_id}/capacity", {"capacity": 0}).json()["capacity"] == 0
    assert as_ada("GET", f"/mentors/{ada_id}").status_code == 200
    assert as_ada("GET", f"/mentors/{ben_id}").status_code == 403
    assert as_ada("PUT", f"/mentors/{ben_id}/capacity", {"capacity": 0}).status_code == 403
    assert api.as_("mentor", "nobody@example.org")("GET", "/mentors/me").status_code == 403


@pytest.mark.rule("T15")
def test_mentors_browse_no_directory(api: Api) -> None:
    _, email = api.mentor()
    assert api.as_("mentor", email)("GET", "/mentors").status_code == 403
    assert api.as_("student")("GET", "/mentors").status_code == 403
    assert api.as_("support")("GET", "/mentors").status_code == 200


def test_a_student_sees_only_their_own_file(api: Api) -> None:
    mentor_id, _ = api.mentor()
    student_id = api.student(mentor_id)
    own = api.as_("student", f"student-{student_id}@example.org")
    assert own("GET", f"/students/{student_id}").status_code == 200
    assert api.as_("student", "other@example.org")("GET", f"/students/{student_id}").status_code == 403
    soon(lambda: own("GET", "/students/me").status_code == 200)
    assert own("GET", f"/mentors/{mentor_id}").status_code == 200
    assert own("GET", f"/mentors/{api.mentor()[0]}").status_code == 403
    assert own("GET", "/students").status_code == 403


def test_the_lists_follow_and_page_by_name(api: Api) -> None:
    mentor_id, email = api.mentor(capacity=5, name=f"Zoé {uuid4()}")
    ids = [api.student(mentor_id, name=f"Élève 10% n{number}") for number in range(5)]
    staff, mentor = api.as_("training"), api.as_("mentor", email)
    soon(lambda: len(staff("GET", "/students", params={"mentor_id": mentor_id}).json()["items"]) == 5)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = mentor("GET", "/students", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["student_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [UUID(student_id) for student_id in seen] == ids
    found = staff("GET", "/students", params={"search": "10% n3", "mentor_id": mentor_id}).json()["items"]
    assert [item["name"] for item in found] == ["Élève 10% n3"]
    name = api.as_("support")("GET", f"/mentors/{mentor_id}").json()["name"]
    soon(lambda: bool(staff("GET", "/mentors", params={"search": name}).json()["items"]))
    [listed] = staff("GET", "/mentors", params={"search": name}).json()["items"]
    assert (listed["mentor_id"], listed["students"]) == (str(mentor_id), 5)
    assert staff("GET", "/students", params={"cursor": "nonsense"}).status_code == 400
    assert staff("GET", "/students", params={"limit": 201}).status_code == 422


def test_what_nobody_knows_is_not_found(api: Api) -> None:
    support = api.as_("support", language="en")
    assert support("GET", f"/mentors/{new_id()}").json()["code"] == "mentor_unknown"
    assert support("GET", f"/students/{new_id()}").json()["code"] == "student_unknown"
    assert support("GET", "/students/not-an-id").status_code == 422


def test_an_account_as_it_was_before(api: Api) -> None:
    mentor_id, email = api.mentor(capacity=3)
    directory = api.as_("directory")
    directory("PUT", f"/mentors/{mentor_id}/capacity", {"capacity": 0})
    long_ago = directory("GET", f"/mentors/{mentor_id}", params={"as_of": "2020-01-01T00:00:00Z"})
    assert long_ago.status_code == 404
    now = directory("GET", f"/mentors/{mentor_id}", params={"as_of": "2100-01-01T00:00:00Z"})
    assert now.json()["capacity"] == 0
    assert now.json()["email"] == email


def test_people_are_found_without_accents_in_any_order_of_words_or_by_their_ids(api: Api) -> None:
    mark = uuid4().hex[:8]
    mentor_id, _ = api.mentor(name=f"Zoé Lefèvre {mark}")
    other_id, _ = api.mentor()
    staff = api.as_("support")
    soon(lambda: bool(staff("GET", "/mentors", params={"search": mark}).json()["items"]))
    for search in (f"LEFEVRE zoe {mark}", f"zoé {mark}", f"{mark[:6]}  lefe"):
        [found] = staff("GET", "/mentors", params={"search": search}).json()["items"]
        assert found["mentor_id"] == str(mentor_id)
    by_id = staff("GET", "/mentors", params={"id": [str(mentor_id), str(uuid4())]}).json()["items"]
    assert [one["mentor_id"] for one in by_id] == [str(mentor_id)]
    assert staff("GET", "/students", params={"id": str(other_id)}).json()["items"] == []


def test_lists_can_be_read_as_of_an_earlier_instant(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(name="Ada d\u2019avant"), api.mentor()
    student_id = api.student(ada_id, name="Avant")
    support, before = api.as_("support"), datetime.now(UTC).isoformat()
    api.as_("directory")(
        "PUT", f"/students/{student_id}", student_account(ada_id, email="x@example.org", name="Apr\u00e8s")
    )
    api.as_("directory")("PUT", f"/mentors/{ada_id}", mentor_account(email=ada, name="Ada", capacity=9))
    api.as_("mentor", ada)("POST", f"/students/{student_id}/transfer", {"mentor_email": ben})
    api.as_("mentor", ada)("POST", f"/students/{student_id}/comments", {"text": "x"})

    def students(**more: Any) -> list[Any]:
        items = support("GET", "/students", params={"mentor_id": ada_id, **more}).json()["items"]
        return [(item["name"], item["version"]) for item in items]

    def mentors(**more: Any) -> list[Any]:
        items = support("GET", "/mentors", params={"search": ada, **more}).json()["items"]
        return [(item["name"], item["capacity"], item["students"]) for item in items]

    soon(lambda: students() == [] and mentors() == [("Ada", 9, 0)])
    assert (students(as_of=before), mentors(as_of=before)) == ([("Avant", 1)], [("Ada d\u2019avant", 3, 1)])
    assert (students(as_of="2020-01-01T00:00:00Z"), mentors(as_of="2020-01-01T00:00:00Z")) == ([], [])
    assert support("GET", f"/students/{student_id}/comments", params={"as_of": before}).json()["items"] == []
    assert support("GET", "/students", params={"as_of": "hier"}).status_code == 422
