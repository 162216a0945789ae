"""Transfers over HTTP: the check, the deed, what a refusal leaves (nothing), and the race for the last places."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from relais_contracts import CloudEvent
from services.chassis.ids import new_id
from tests.transfers.conftest import Api, soon

RACES = int(os.environ.get("RELAIS_RACES", "1"))
"""How often the race is run; 20 is the long form."""
CODES = ["not_a_mentor_account", "not_on_path", "project_not_on_profile", "capacity_full"]


@pytest.mark.rule("T3", "T11", "T15")
def test_a_mentor_hands_a_student_over_and_the_next_read_shows_it(api: Api) -> None:
    (ada_id, ada), (ben_id, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    done = api.as_("mentor", ada)("POST", f"/students/{student_id}/transfer", {"mentor_email": ben.upper()})
    assert done.status_code == 201
    assert done.json() | {"transferred_at": None} == {
        "student_id": str(student_id),
        "from_mentor_id": str(ada_id),
        "to_mentor_id": str(ben_id),
        "mentor_id": str(ben_id),
        "kind": "one_off",
        "absence_id": None,
        "expected_return_on": None,
        "transferred_at": None,
        "version": 2,
    }
    seen = api.as_("mentor", ben)("GET", f"/students/{student_id}").json()
    assert (seen["mentor_id"], seen["returns_to_mentor_id"], seen["version"]) == (str(ben_id), str(ada_id), 2)
    support = api.as_("support")
    assert [support("GET", f"/mentors/{who}").json()["students"] for who in (ada_id, ben_id)] == [0, 1]
    soon(lambda: support("GET", "/students", params={"mentor_id": ben_id}).json()["items"] != [])


@pytest.mark.rule("T16")
def test_only_the_replacement_gives_the_student_back(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    path = f"/students/{student_id}/transfer"
    api.as_("mentor", ada)("POST", path, {"mentor_email": ben})
    assert api.as_("mentor", ada)("POST", path, {"mentor_email": ada}).status_code == 403
    back = api.as_("mentor", ben)("POST", path, {"mentor_email": ada})
    assert (back.status_code, back.json()["kind"]) == (201, "return")


@pytest.mark.rule("T3")
@pytest.mark.parametrize(
    "planned",
    [
        {"starts_at": "2026-12-01T09:00:00Z"},
        {"date": "2026-12-01"},
        {"from": "2026-12-01"},
        {"starts_at": None},
        {"effective_date": "2026-12-01"},
        {"scheduled_for": "2026-12-01"},
        {"on": "2026-12-01"},
    ],
)
def test_a_transfer_with_a_date_is_refused_and_leaves_nothing(api: Api, planned: dict[str, Any]) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    before = api.rows()["stored_events"]
    for path in ("transfer", "transfer/check"):
        answer = api.as_("mentor", ada)("POST", f"/students/{student_id}/{path}", {"mentor_email": ben} | planned)
        assert (answer.status_code, answer.json()["code"]) == (422, "transfer_is_immediate")
    assert api.rows()["stored_events"] == before


def test_an_unknown_field_is_not_taken_for_a_date(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    answer = api.as_("mentor", ada)(
        "POST", f"/students/{student_id}/transfer", {"mentor_email": ben, "reason": "vacances"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


@pytest.mark.rule("T18")
def test_the_check_gives_all_four_diagnoses_and_writes_nothing(api: Api) -> None:
    ada_id, ada = api.mentor()
    _, ben = api.mentor(paths=["web"], projects=[], capacity=0, name="Nom Secret")
    student_id = api.student(ada_id)
    before = api.rows()
    check = api.as_("mentor", ada)("POST", f"/students/{student_id}/transfer/check", {"mentor_email": ben})
    assert check.status_code == 200
    body = check.json()
    assert [(diagnosis["code"], diagnosis["passed"]) for diagnosis in body["diagnoses"]] == list(
        zip(CODES, [True, False, False, False], strict=True)
    )
    assert body["possible"] is False
    assert "Secret" not in check.text
    assert ben not in check.text
    assert api.rows()["stored_events"] == before["stored_events"]


@pytest.mark.rule("T18")
def test_a_refused_transfer_lists_its_diagnoses_changes_nobody_and_is_published_once(api: Api) -> None:
    ada_id, ada = api.mentor()
    ben_id, ben = api.mentor(paths=["web"], capacity=0)
    student_id = api.student(ada_id)
    seen = [api.as_("support")("GET", path).json() for path in (f"/students/{student_id}", f"/mentors/{ada_id}")]
    key = {"Idempotency-Key": str(uuid4())}
    as_ada, path = api.as_("mentor", ada, language="en"), f"/students/{student_id}/transfer"
    answer = as_ada("POST", path, {"mentor_email": ben}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "transfer_refused")
    assert [error["code"] for error in answer.json()["errors"]] == ["not_on_path", "capacity_full"]
    assert all(error["passed"] is False and "mentor" in error["message"] for error in answer.json()["errors"])
    assert answer.headers["content-type"] == "application/problem+json"
    api.as_("mentor", ben)("PUT", f"/mentors/{ben_id}/capacity", {"capacity": 1})
    again = as_ada("POST", path, {"mentor_email": ben}, headers=key)
    assert (again.status_code, again.content, again.headers["content-type"]) == (
        422,
        answer.content,
        "application/problem+json",
    )
    other = as_ada("POST", path, {"mentor_email": ada}, headers=key)
    assert other.json()["code"] == "idempotency_key_reused"
    malformed: object
    for malformed in ({"mentor_email": "ben"}, {"mentor_email": ben, "starts_at": "2030-01-01"}, {}, []):
        assert as_ada("POST", path, malformed).status_code == 422
    assert [
        api.as_("support")("GET", path).json() for path in (f"/students/{student_id}", f"/mentors/{ada_id}")
    ] == seen
    [refused] = published(api, "relais.transfers.TransferRefused.v1", student_id)
    assert (refused.key, refused.actor, refused.sequence) == (str(student_id), f"mentor:{ada}", 1)
    assert refused.data.model_dump() | {"refused_at": None} == {
        "student_id": student_id,
        "from_mentor_id": ada_id,
        "to_mentor_id": ben_id,
        "path": "data",
        "project": "projet-5",
        "funding": "third_party",
        "kind": "one_off",
        "diagnoses": ("not_on_path", "capacity_full"),
        "refused_at": None,
    }


def published(api: Api, ce_type: str, key: UUID) -> list[CloudEvent]:
    """All events of the type and key that are on the topic, up to its present end."""
    consumer = Consumer({"bootstrap.servers": api.kafka_bootstrap_servers, "group.id": str(new_id())})
    topic = consumer.list_topics("relais.transfers", timeout=10).topics["relais.transfers"]
    found: list[CloudEvent] = []

    def read() -> bool:
        found.clear()
        for partition in topic.partitions:
            place = TopicPartition("relais.transfers", partition, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            while end and (records := consumer.consume(500, timeout=5)):
                events = [
                    CloudEvent.from_record(
                        record.key(), record.value(), cast("list[tuple[str, bytes]]", record.headers())
                    )
                    for record in records
                ]
                found.extend(event for event in events if event.type == ce_type and event.key == str(key))
                if (records[-1].offset() or 0) >= end - 1:
                    break
        return bool(found)

    soon(read)
    consumer.close()
    return found


@pytest.mark.rule("T11", "T15", "T18")
@pytest.mark.parametrize("part", ["mentor-", "%", "_", "@example.org"])
def test_part_of_an_address_finds_nobody(api: Api, part: str) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    address = {"mentor-": ben[1:], "%": "%" + ben[1:], "_": "_" + ben[1:], "@example.org": "x@example.org"}[part]
    answer = api.as_("mentor", ada)("POST", f"/students/{student_id}/transfer", {"mentor_email": address})
    assert (answer.status_code, answer.json()["code"]) == (422, "transfer_refused")
    assert [error["code"] for error in answer.json()["errors"]] == ["not_a_mentor_account"]


def test_who_is_not_the_students_mentor_may_not(api: Api) -> None:
    (ada_id, _), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    for role, email, status in (
        ("mentor", ben, 403),
        ("student", "leo@example.org", 403),
        ("billing", "b@example.org", 403),
    ):
        for path in ("transfer", "transfer/check"):
            answer = api.as_(role, email)("POST", f"/students/{student_id}/{path}", {"mentor_email": ben})
            assert (answer.status_code, answer.json()["code"]) == (status, "forbidden")


@pytest.mark.rule("T4")
def test_for_good_only_through_support(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    body = {"mentor_email": ben, "kind": "permanent"}
    refused = api.as_("mentor", ada)("POST", f"/students/{student_id}/transfer", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "permanent_through_support")
    done = api.as_("support")("POST", f"/students/{student_id}/transfer", body)
    assert (done.status_code, done.json()["kind"]) == (201, "permanent")


def test_the_same_key_gives_the_same_answer_also_to_who_has_handed_the_student_over(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    path, key = f"/students/{student_id}/transfer", {"Idempotency-Key": str(uuid4())}
    first = api.as_("mentor", ada)("POST", path, {"mentor_email": ben}, headers=key)
    again = api.as_("mentor", ada)("POST", path, {"mentor_email": ben}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    other = api.as_("mentor", ada)("POST", path, {"mentor_email": ada}, headers=key)
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.rule("T12", "T16")
def test_a_return_to_capacity_0_asks_to_raise_it_first(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    as_ada, as_ben, path = api.as_("mentor", ada), api.as_("mentor", ben), f"/students/{student_id}/transfer"
    as_ada("PUT", f"/mentors/{ada_id}/capacity", {"capacity": 0})
    as_ada("POST", path, {"mentor_email": ben})
    refused = as_ben("POST", path, {"mentor_email": ada})
    assert [error["code"] for error in refused.json()["errors"]] == ["capacity_full"]
    assert "relever sa capacité" in refused.json()["detail"]
    as_ada("PUT", f"/mentors/{ada_id}/capacity", {"capacity": 1})
    assert as_ben("POST", path, {"mentor_email": ada}).status_code == 201


@pytest.mark.rule("T18")
@pytest.mark.parametrize("race", range(RACES))
def test_two_hundred_run_for_ten_free_places_and_ten_arrive(api: Api, race: int) -> None:
    givers = [api.mentor(capacity=40) for _ in range(5)]
    students = [api.student(givers[number % 5][0]) for number in range(200)]
    taker_id, taker = api.mentor(capacity=10)
    support = api.as_("support")

    def transfer(student_id: object) -> httpx.Response:
        return support("POST", f"/students/{student_id}/transfer", {"mentor_email": taker})

    with ThreadPoolExecutor(200) as threads:
        answers = list(threads.map(transfer, students))
    assert sorted({answer.status_code for answer in answers}) == [201, 422]
    assert sum(answer.status_code == 201 for answer in answers) == 10
    refused = [answer.json()["errors"] for answer in answers if answer.status_code == 422]
    assert all([error["code"] for error in errors] == ["capacity_full"] for errors in refused)
    assert support("GET", f"/mentors/{taker_id}").json()["students"] == 10
    left = sum(support("GET", f"/mentors/{giver_id}").json()["students"] for giver_id, _ in givers)
    assert left == 190


@pytest.mark.rule("T18")
def test_many_to_one_mentor_with_room_for_all_all_arrive(api: Api) -> None:
    giver_id, _ = api.mentor(capacity=100)
    students = [api.student(giver_id) for _ in range(100)]
    taker_id, taker = api.mentor(capacity=100)
    support = api.as_("support")
    with ThreadPoolExecutor(100) as threads:
        answers = list(
            threads.map(lambda who: support("POST", f"/students/{who}/transfer", {"mentor_email": taker}), students)
        )
    assert {answer.status_code for answer in answers} == {201}
    assert support("GET", f"/mentors/{taker_id}").json()["students"] == 100


@pytest.mark.rule("T10", "T14")
def test_comments_are_for_mentors_of_the_student_and_support_never_for_students(api: Api) -> None:
    (ada_id, ada), (_, ben), (_, eve) = api.mentor(), api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    path = f"/students/{student_id}/comments"
    as_ada = api.as_("mentor", ada)
    handover = {
        "mentor_name": "Ada",
        "leave_from": "2026-10-20",
        "return_on": "2026-11-02",
        "about_the_student": "Préfère le mardi.",
    }
    assert as_ada("POST", path, {"text": "À l'aise en SQL."}).status_code == 201
    added = as_ada("POST", path, handover)
    assert (added.status_code, added.json()["kind"]) == (201, "handover")
    missing = as_ada("POST", path, {name: handover[name] for name in ("mentor_name", "leave_from")})
    assert (missing.status_code, missing.json()["code"]) == (422, "handover_incomplete")
    assert [error["field"] for error in missing.json()["errors"]] == ["return_on", "about_the_student"]
    done = as_ada("POST", f"/students/{student_id}/transfer", {"mentor_email": ben})
    assert done.json()["expected_return_on"] == "2026-11-02"
    for reader in (as_ada, api.as_("mentor", ben), api.as_("support")):
        items = reader("GET", path).json()["items"]
        assert [item["about_the_student"] for item in items] == ["Préfère le mardi.", None]
    for role, email in (
        ("mentor", eve),
        ("student", f"student-{student_id}@example.org"),
        ("training", "t@example.org"),
    ):
        assert api.as_(role, email)("GET", path).status_code == 403
        assert api.as_(role, email)("POST", path, {"text": "x"}).status_code == 403
    first = as_ada("GET", path, params={"limit": 1}).json()
    second = as_ada("GET", path, params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [page["items"][0]["text"] for page in (first, second)] == [None, "À l'aise en SQL."]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "comment_empty"),
        ({"text": ""}, "invalid_body"),
        ({"text": "x" * 5_001}, "invalid_body"),
        ({"text": "x", "return_on": 5}, "invalid_body"),
        ({"text": "x", "return_on": "2026-02-30"}, "invalid_body"),
        ({"comment": "x"}, "invalid_body"),
    ],
)
def test_a_wrong_comment_is_refused(api: Api, body: dict[str, Any], code: str) -> None:
    ada_id, ada = api.mentor()
    student_id = api.student(ada_id)
    answer = api.as_("mentor", ada)("POST", f"/students/{student_id}/comments", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_an_unknown_student_is_not_found(api: Api) -> None:
    for method, path, body in (
        ("POST", "transfer", {"mentor_email": "x@example.org"}),
        ("POST", "transfer/check", {"mentor_email": "x@example.org"}),
        ("GET", "comments", None),
        ("POST", "comments", {"text": "x"}),
    ):
        answer = api.as_("support")(method, f"/students/{new_id()}/{path}", body)
        assert (answer.status_code, answer.json()["code"]) == (404, "student_unknown")


def test_not_json_is_not_parsable(api: Api) -> None:
    ada_id, _ = api.mentor()
    student_id = api.student(ada_id)
    answer = api.as_("support")(
        "POST", f"/students/{student_id}/transfer", content=b"{", headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "not_parsable")


def test_an_absence_that_is_unknown_is_refused(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    student_id = api.student(ada_id)
    answer = api.as_("mentor", ada)(
        "POST", f"/students/{student_id}/transfer", {"mentor_email": ben, "absence_id": str(new_id())}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "absence_unknown")
