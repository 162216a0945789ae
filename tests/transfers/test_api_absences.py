"""Absences over HTTP, with sessions as the service sessions publishes them: from declaration to return."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from confluent_kafka import Consumer, Producer

from relais_contracts import CloudEvent, sessions
from services.chassis.ids import new_id
from tests.transfers.conftest import Api, soon

DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)
LEAVE = NOW + 10 * DAY
BACK = LEAVE + 14 * DAY

LATEST = "SELECT starts_at FROM transfers.planned_sessions WHERE session_id = %s ORDER BY version DESC LIMIT 1"

Plan = Callable[..., UUID]


def iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


@pytest.fixture
def plan(api: Api) -> Iterator[Plan]:
    """Plans a session as the service sessions would, and waits until it has arrived."""
    producer = Producer({"bootstrap.servers": api.kafka_bootstrap_servers})

    def publish(data: Any, session_id: UUID, sequence: int) -> None:
        event = CloudEvent(
            id=new_id(),
            type=data.ce_type,
            source="/relais/sessions",
            subject=session_id,
            sequence=sequence,
            time=datetime.now(UTC),
            correlation_id=new_id(),
            causation_id=None,
            actor="mentor:x@example.org",
            traceparent=None,
            key=data.key,
            data=data,
        )
        key, value, headers = event.to_record()
        producer.produce(data.topic, key=key, value=value, headers=dict(headers))
        producer.flush(10)

    def one(student_id: UUID, mentor_id: UUID, starts_at: datetime, *, moved_from: UUID | None = None) -> UUID:
        session_id = moved_from or new_id()
        common = {"session_id": session_id, "student_id": student_id, "mentor_id": mentor_id, "duration_minutes": 45}
        if moved_from is None:
            scheduled = sessions.SessionScheduled.model_validate(
                common | {"starts_at": starts_at, "timezone": "Europe/Paris"}
            )
            publish(scheduled, session_id, 1)
        else:
            moved = sessions.SessionRescheduled.model_validate(
                common | {"previous_starts_at": NOW, "starts_at": starts_at, "requested_by": "mentor", "late": False}
            )
            publish(moved, session_id, 2)
        soon(lambda: _starts_at(api, session_id) == starts_at)
        return session_id

    yield one
    producer.flush(10)


def _starts_at(api: Api, session_id: UUID) -> datetime | None:
    with psycopg.connect(api.database_url) as connection:
        row = connection.execute(LATEST, (session_id,)).fetchone()
    return None if row is None else row[0]


def by_student(absence: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {student["student_id"]: student for student in absence["students"]}


def steps(absence: dict[str, Any]) -> dict[str, bool]:
    return {step["item"]: step["done"] for step in absence["checklist"]}


@pytest.mark.rule("T1", "T5", "T7", "T9", "T12", "T13", "T14", "T15", "T16", "T17")
def test_two_weeks_away_from_declaration_to_return(api: Api, plan: Plan) -> None:
    (ada_id, ada), (ben_id, ben) = api.mentor(), api.mentor()
    as_ada, as_ben = api.as_("mentor", ada), api.as_("mentor", ben)
    students = {
        funding: api.student(ada_id, funding=funding, name=funding)
        for funding in ("third_party", "apprenticeship", "self_funded")
    }
    for student_id in students.values():
        for week in (0, 1):
            plan(student_id, ada_id, LEAVE + DAY + week * 7 * DAY)
    declared = as_ada("POST", f"/mentors/{ada_id}/absences", {"from": iso(LEAVE), "to": iso(BACK)})
    assert declared.status_code == 201, declared.text
    absence = declared.json()
    assert (absence["from"], absence["to"], absence["status"]) == (iso(LEAVE), iso(BACK), "planned")
    assert absence["help_deadline_at"] == iso(LEAVE - timedelta(hours=72))
    found = by_student(absence)
    assert {
        funding: (found[str(student_id)]["sessions_missed"], *(found[str(student_id)][n] for n in ("advice", "rule")))
        for funding, student_id in students.items()
    } == {
        "third_party": (2, "transfer", "T5"),
        "apprenticeship": (2, "transfer", "T7"),
        "self_funded": (2, "transfer", "T9"),
    }
    assert set(steps(absence).values()) == {False}
    path = f"/absences/{absence['absence_id']}"

    as_ada("PUT", f"/mentors/{ada_id}/capacity", {"capacity": 0})
    as_ada("POST", f"{path}/preparation", {"item": "peers_asked"})
    as_ada("POST", f"{path}/preparation", {"item": "students_warned", "done": True})
    helped = as_ada("POST", f"{path}/help-requests", {"message": "Personne sur data."})
    assert (helped.status_code, helped.json()["help_requests"][0]["late"]) == (201, False)
    for student_id in students.values():
        note = {
            "mentor_name": "Ada",
            "leave_from": LEAVE.date().isoformat(),
            "return_on": absence["return_on"],
            "about_the_student": "Rien à signaler.",
        }
        assert as_ada("POST", f"/students/{student_id}/comments", note).status_code == 201
        body = {"mentor_email": ben, "absence_id": absence["absence_id"]}
        done = as_ada("POST", f"/students/{student_id}/transfer", body)
        assert done.status_code == 201, done.text
        assert (done.json()["absence_id"], done.json()["expected_return_on"]) == (
            absence["absence_id"],
            absence["return_on"],
        )
    prepared = as_ben("GET", path).json()
    assert set(steps(prepared).values()) == {True}
    assert all(student["done"] and student["to_return"] for student in prepared["students"])
    assert as_ada("POST", f"{path}/help-requests").json()["code"] == "nobody_waiting"

    early = as_ben("POST", f"{path}/return")
    assert (early.status_code, early.json()["code"]) == (422, "capacity_full")
    assert early.json()["errors"][0]["capacity_needed"] == 3
    as_ada("PUT", f"/mentors/{ada_id}/capacity", {"capacity": 3})
    one = as_ben("POST", f"{path}/return", {"student_ids": [str(students["third_party"])]})
    assert one.status_code == 200, one.text
    back = as_ben("POST", f"{path}/return")
    assert back.status_code == 200
    assert not any(student["to_return"] for student in back.json()["students"])
    support = api.as_("support")
    assert [support("GET", f"/mentors/{who}").json()["students"] for who in (ada_id, ben_id)] == [3, 0]
    assert as_ben("POST", f"{path}/return").status_code == 403


@pytest.mark.rule("T8")
def test_a_self_funded_student_is_kept_with_consent_and_caught_up_the_week_before(api: Api, plan: Plan) -> None:
    ada_id, ada = api.mentor()
    as_ada = api.as_("mentor", ada)
    student_id = api.student(ada_id, funding="self_funded")
    session_id = plan(student_id, ada_id, LEAVE + DAY)
    absence = as_ada("POST", f"/mentors/{ada_id}/absences", {"from": iso(LEAVE), "to": iso(LEAVE + 5 * DAY)}).json()
    path = f"/absences/{absence['absence_id']}"

    def student() -> tuple[Any, ...]:
        found = by_student(as_ada("GET", path).json())[str(student_id)]
        return tuple(found[name] for name in ("advice", "rule", "consent", "sessions_missed", "done"))

    assert student() == ("keep", "T8", "not_asked", 1, False)
    as_ada("POST", f"{path}/consents", {"student_id": str(student_id), "consent": "asked"})
    assert student() == ("keep", "T8", "asked", 1, False)
    as_ada("POST", f"{path}/consents", {"student_id": str(student_id), "consent": "given"})
    assert student() == ("keep", "T8", "given", 1, False)
    plan(student_id, ada_id, LEAVE - 2 * DAY, moved_from=session_id)
    assert student() == ("keep", "T8", "given", 1, True)


@pytest.mark.rule("T1")
def test_a_session_that_touches_the_absence_is_missed_and_no_other(api: Api, plan: Plan) -> None:
    ada_id, ada = api.mentor(timezone="Europe/Paris")
    student_id = api.student(ada_id, funding="self_funded")
    length = timedelta(minutes=45)
    for starts_at in (LEAVE - length, LEAVE + DAY):
        plan(student_id, ada_id, starts_at)
    body = {"from": iso(LEAVE), "to": iso(LEAVE + DAY)}
    absence = api.as_("mentor", ada)("POST", f"/mentors/{ada_id}/absences", body).json()
    assert by_student(absence)[str(student_id)]["sessions_missed"] == 0
    for starts_at in (LEAVE - length + timedelta(seconds=1), LEAVE + DAY - timedelta(seconds=1)):
        plan(student_id, ada_id, starts_at)
    after = api.as_("mentor", ada)("GET", f"/absences/{absence['absence_id']}").json()
    assert by_student(after)[str(student_id)]["sessions_missed"] == 2


def test_an_absence_in_days_includes_its_last_one_and_can_change_and_end(api: Api) -> None:
    ada_id, ada = api.mentor(timezone="Europe/Paris")
    as_ada = api.as_("mentor", ada)
    first = as_ada("POST", f"/mentors/{ada_id}/absences", {"from": "2030-10-26", "to": "2030-10-27"})
    absence = first.json()
    assert (absence["from"], absence["to"], absence["return_on"]) == ("2030-10-26", "2030-10-27", "2030-10-28")
    assert absence["help_deadline_at"] == "2030-10-22T22:00:00Z"  # The night of the 27th has an hour more.
    again = as_ada("POST", f"/mentors/{ada_id}/absences", {"from": "2030-10-27", "to": "2030-10-30"})
    assert (again.status_code, again.json()["code"]) == (409, "absence_overlaps")
    assert again.json()["errors"] == [{"absence_id": absence["absence_id"]}]
    path = f"/absences/{absence['absence_id']}"
    changed = as_ada(
        "PUT", path, {"from": "2030-10-26", "to": "2030-10-30"}, headers={"If-Match": first.headers["ETag"]}
    )
    assert (changed.status_code, changed.json()["to"], changed.json()["version"]) == (200, "2030-10-30", 2)
    stale = as_ada("PUT", path, {"from": "2030-10-26", "to": "2030-10-31"}, headers={"If-Match": first.headers["ETag"]})
    assert stale.status_code == 412
    ended = as_ada("POST", f"{path}/end")
    assert (ended.status_code, ended.json()["status"]) == (200, "ended")
    assert as_ada("PUT", path, {"from": "2030-10-26", "to": "2030-10-31"}).json()["code"] == "absence_ended"
    soon(lambda: len(as_ada("GET", "/absences", params={"open": False}).json()["items"]) == 1)
    [listed] = as_ada("GET", f"/mentors/{ada_id}/absences").json()["items"]
    assert (listed["from"], listed["to"]) == ("2030-10-26", "2030-10-30")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"from": "2030-10-26"},
        {"from": "2030-10-26", "to": "2030-10-27T08:00:00Z"},
        {"from": "2030-10-26T08:00:00", "to": "2030-10-27T08:00:00Z"},
        {"from": 5, "to": 6},
        {"from": "2030-13-26", "to": "2030-10-27"},
        {"from": "2030-10-26", "to": "2030-10-27", "why": "x"},
    ],
)
def test_wrong_dates_are_refused(api: Api, body: dict[str, Any]) -> None:
    ada_id, ada = api.mentor()
    answer = api.as_("mentor", ada)("POST", f"/mentors/{ada_id}/absences", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


def test_an_absence_is_the_mentors_own_matter(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    dates = {"from": iso(LEAVE), "to": iso(BACK)}
    assert api.as_("mentor", ben)("POST", f"/mentors/{ada_id}/absences", dates).status_code == 403
    absence = api.as_("mentor", ada)("POST", f"/mentors/{ada_id}/absences", dates).json()
    path = f"/absences/{absence['absence_id']}"
    for role, email, status in (
        ("mentor", ben, 403),
        ("student", ben, 403),
        ("support", ben, 200),
        ("training", ben, 200),
    ):
        assert api.as_(role, email)("GET", path).status_code == status
    for action, body in (
        ("end", None),
        ("preparation", {"item": "peers_asked"}),
        ("help-requests", {}),
        ("return", {}),
        ("consents", {"student_id": str(new_id()), "consent": "given"}),
    ):
        assert api.as_("mentor", ben)("POST", f"{path}/{action}", body).status_code == 403
    unknown = api.as_("support")("GET", f"/absences/{new_id()}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "absence_unknown")


def test_an_absence_closes_by_itself_on_its_date(api: Api) -> None:
    ada_id, ada = api.mentor()
    as_ada = api.as_("mentor", ada)
    body = {"from": iso(NOW - DAY), "to": iso(datetime.now(UTC) + timedelta(seconds=5))}
    absence = as_ada("POST", f"/mentors/{ada_id}/absences", body).json()
    soon(lambda: as_ada("GET", f"/absences/{absence['absence_id']}").json()["ended_at"] is not None, within_s=60)


@pytest.mark.rule("T17")
def test_a_reminder_is_published_once_when_72_hours_are_left(api: Api) -> None:
    ada_id, ada = api.mentor()
    student_id = api.student(ada_id, funding="apprenticeship")
    consumer = Consumer(
        {"bootstrap.servers": api.kafka_bootstrap_servers, "group.id": str(new_id()), "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["relais.transfers"])
    body = {"from": iso(NOW + 2 * DAY), "to": iso(NOW + 9 * DAY)}
    absence = api.as_("mentor", ada)("POST", f"/mentors/{ada_id}/absences", body).json()
    assert absence["help_due"] is True
    seen: list[CloudEvent] = []

    def reminded() -> bool:
        for record in consumer.consume(500, timeout=0.2):
            headers = cast("list[tuple[str, bytes]]", record.headers())
            event = CloudEvent.from_record(record.key(), record.value(), headers)
            if str(event.subject) == absence["absence_id"]:
                seen.append(event)
        return any(event.type.endswith("AbsenceReminderDue.v1") for event in seen)

    soon(reminded)
    consumer.close()
    assert [event.type.split(".")[2] for event in seen] == ["AbsenceDeclared", "AbsenceReminderDue"]
    assert seen[1].data.model_dump()["student_ids"] == (student_id,)
    assert seen[1].actor == "service:transfers"


@pytest.mark.rule("T1", "T16")
def test_who_joins_after_the_declaration_is_handed_over_and_comes_back_like_all_others(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    as_ada, as_ben = api.as_("mentor", ada), api.as_("mentor", ben)
    absence = as_ada("POST", f"/mentors/{ada_id}/absences", {"from": iso(LEAVE), "to": iso(BACK)}).json()
    before = datetime.now(UTC)
    path = f"/absences/{absence['absence_id']}"
    assert absence["students"] == []
    joined = api.student(ada_id, funding="apprenticeship")
    assert not by_student(as_ada("GET", path).json())[str(joined)]["done"]
    body = {"mentor_email": ben, "absence_id": absence["absence_id"]}
    assert as_ada("POST", f"/students/{joined}/transfer", body).status_code == 201
    away = by_student(as_ben("GET", path).json())[str(joined)]
    assert (away["done"], away["to_return"]) == (True, True)
    later = {"from": iso(LEAVE), "to": iso(BACK + 2 * DAY)}
    changed = as_ada("PUT", path, later).json()
    assert as_ben("GET", f"/students/{joined}").json()["expected_return_on"] == changed["return_on"]
    back = as_ben("POST", f"{path}/return")
    assert (back.status_code, back.json()["students"][0]["to_return"]) == (200, False)
    as_ada("POST", f"{path}/end")
    assert list(by_student(as_ada("GET", path).json())) == [str(joined)]
    assert as_ada("GET", path, params={"as_of": iso(before)}).json()["students"] == []
    soon(lambda: as_ada("GET", "/absences", params={"open": False}).json()["items"] != [])
    [listed] = as_ada("GET", "/absences", params={"as_of": iso(before)}).json()["items"]
    assert (listed["to"], listed["ended_at"], listed["version"]) == (iso(BACK), None, 1)


@pytest.mark.rule("T16")
def test_a_student_lent_for_one_absence_does_not_come_back_from_another(api: Api) -> None:
    (ada_id, ada), (_, ben) = api.mentor(), api.mentor()
    as_ada = api.as_("mentor", ada)
    student_id = api.student(ada_id)

    def declared(from_at: datetime) -> str:
        dates = {"from": iso(from_at), "to": iso(from_at + DAY)}
        return str(as_ada("POST", f"/mentors/{ada_id}/absences", dates).json()["absence_id"])

    first, second = declared(LEAVE), declared(LEAVE + 7 * DAY)
    as_ada("POST", f"/students/{student_id}/transfer", {"mentor_email": ben, "absence_id": first})
    assert [
        by_student(as_ada("GET", f"/absences/{which}").json())[str(student_id)]["to_return"]
        for which in (first, second)
    ] == [True, False]
