"""The routes of the service, over HTTP, on real PostgreSQL and Kafka."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.chassis.ids import new_id
from tests.sessions.running import Running, enrolled, eventually, in_a_week


@pytest.fixture(scope="module")
def planned(service: Running) -> dict[str, Any]:
    """A session in a week that no test changes."""
    return service.schedule(service.student(service.mentor()), in_a_week())


def planned_anew(service: Running) -> dict[str, Any]:
    return service.schedule(service.student(service.mentor()), in_a_week())


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["detail"].endswith((".", "…"))
    return body


def events_in_store(service: Running) -> int:
    count: int = service.rows("SELECT count(*) AS n FROM stored_events")[0]["n"]
    return count


def test_a_session_is_planned_with_the_students_mentor_and_published(service: Running) -> None:
    mentor_id = service.mentor("Indian/Reunion")
    student_id = service.student(mentor_id)
    starts_at = in_a_week()
    session = service.schedule(student_id, starts_at, 50)
    assert session == {
        "session_id": session["session_id"],
        "student_id": str(student_id),
        "mentor_id": str(mentor_id),
        "starts_at": starts_at.isoformat().replace("+00:00", "Z"),
        "duration_minutes": 50,
        "timezone": "Indian/Reunion",
        "path": "Développeur Python",
        "status": "scheduled",
        "reason": None,
        "recoverable": None,
        "cause": None,
        "note": None,
        "makes_up_for": None,
        "made_up_by": None,
        "version": 1,
    }
    with service.students_client(student_id) as student:
        read = student.get(f"/sessions/{session['session_id']}")
        assert (read.json(), read.headers["etag"]) == (session, '"1"')
        listed = eventually(lambda: student.get("/sessions", params={"student_id": str(student_id)}).json()["items"])
        assert listed == [session]
    (event,) = service.published_of(session["session_id"], 1)
    assert (event.type, event.key, event.sequence, event.actor) == (
        "relais.sessions.SessionScheduled.v1",
        str(student_id),
        1,
        "support:sam@example.org",
    )


def test_a_student_who_is_just_arriving_is_waited_for(service: Running) -> None:
    mentor_id, student_id = service.mentor(), new_id()
    service.publish(enrolled(student_id, mentor_id, service.clock.now()))
    assert service.schedule(student_id, in_a_week())["student_id"] == str(student_id)


def test_a_student_whom_nobody_knows_is_refused_and_leaves_nothing(service: Running) -> None:
    before = events_in_store(service)
    with service.client() as support:
        body = {"student_id": str(uuid4()), "starts_at": in_a_week().isoformat(), "duration_minutes": 45}
        problem(support.post("/sessions", json=body, headers={"Idempotency-Key": "nobody"}), 422, "student_unknown")
    assert events_in_store(service) == before
    assert service.rows("SELECT 1 FROM commands WHERE fingerprint = 'nobody'") == []


@pytest.mark.rule("S2", "S6")
def test_cancelling_with_other_shares_its_note_and_says_what_it_does(service: Running) -> None:
    session = planned_anew(service)
    address = f"/sessions/{session['session_id']}"
    with service.mentors_client(session["mentor_id"]) as mentor:
        problem(mentor.post(f"{address}/cancellation", json={"reason": "other"}), 422, "note_required")
        body = {"reason": "other", "cause": "platform", "note": "Visio en panne."}
        answer = mentor.post(f"{address}/cancellation", json=body)
        assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
        assert answer.json() == session | {
            "status": "cancelled",
            "reason": "other",
            "cause": "platform",
            "recoverable": True,
            "note": "Visio en panne.",
            "version": 2,
        }
        assert mentor.post(f"{address}/cancellation", json=body).json()["version"] == 2
        problem(
            mentor.post(f"{address}/cancellation", json={"reason": "student_early"}), 409, "session_already_cancelled"
        )
        shown = eventually(
            lambda: [
                one
                for one in mentor.get("/sessions", params={"student_id": session["student_id"]}).json()["items"]
                if one["version"] == 2
            ]
        )
        assert shown == [answer.json()]
    cancelled = service.published_of(session["session_id"], 2)[-1]
    assert cancelled.data.model_dump(mode="json")["note"] == "Visio en panne."


@pytest.mark.rule("S2", "S4", "S5")
def test_the_four_reasons_with_their_windows_in_both_languages(service: Running, planned: dict[str, Any]) -> None:
    with (
        service.mentors_client(planned["mentor_id"]) as mentor,
        service.mentors_client(planned["mentor_id"], "en") as english,
    ):
        reasons = mentor.get(f"/sessions/{planned['session_id']}/cancellation-reasons").json()["items"]
        in_english = english.get(f"/sessions/{planned['session_id']}/cancellation-reasons").json()["items"]
    assert [(one["reason"], one["available"]) for one in reasons] == [
        ("student_early", True),
        ("student_late", False),
        ("student_no_show", False),
        ("other", True),
    ]
    assert reasons[1]["label"] == "L'étudiant a annulé moins de 24h avant le début de la session"
    assert reasons[1]["closes_at"] == planned["starts_at"]
    assert reasons[1]["recoverable"] is False
    assert reasons[1]["effects"]["attendance"] == "unexcused"
    assert reasons[1]["why_unavailable"].startswith("Ce motif n’apparaît que dans les 24 h")
    assert in_english[1]["why_unavailable"].startswith("This reason appears only within the 24 h")
    assert [one["recoverable"] for one in reasons[3]["by_cause"]] == [True, True, None, None]


@pytest.mark.rule("S1", "S7", "S8")
def test_what_a_correction_would_do_is_shown_to_support_alone(service: Running, planned: dict[str, Any]) -> None:
    address = f"/sessions/{planned['session_id']}/correction-choices"
    mentors = service.mentors_client(planned["mentor_id"])
    with service.client(language="en") as support, mentors as mentor:
        assert mentor.get(address).status_code == 403
        choices = support.get(address).json()["items"]
    held, planned_again, early, *_ = choices
    assert (held["available"], held["why_unavailable"] is None, held["label"]) == (False, False, "The session was held")
    assert (planned_again["stands"], planned_again["effects"]["attendance"]) == (True, "planned")
    assert early["effects"]["attendance_text"] == "Student's file: excused absence."


def test_sessions_that_nobody_has_documented_are_counted_by_mentor_once_they_have_begun(service: Running) -> None:
    session = planned_anew(service)
    start = datetime.fromisoformat(session["starts_at"])
    asked = {"from": start.isoformat(), "to": (start + timedelta(seconds=1)).isoformat()}
    mentors = service.mentors_client(session["mentor_id"])
    with service.client("billing", "bea@example.org") as billing, mentors as mentor:
        assert mentor.get("/sessions/to-document", params=asked).status_code == 403

        def waiting() -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = billing.get("/sessions/to-document", params=asked).json()["items"]
            return [item for item in items if item["mentor_id"] == session["mentor_id"]]

        assert waiting() == []
        service.clock.set(start + timedelta(seconds=1))
        assert eventually(waiting) == [
            {"mentor_id": session["mentor_id"], "sessions": 1, "oldest_starts_at": session["starts_at"]}
        ]


@pytest.mark.rule("S4", "S5")
def test_reasons_open_and_close_as_the_clock_goes_on(service: Running) -> None:
    session = planned_anew(service)
    address = f"/sessions/{session['session_id']}"
    with service.mentors_client(session["mentor_id"]) as mentor:
        service.clock.advance(timedelta(days=6, minutes=30))
        early = {"reason": "student_early"}
        problem(mentor.post(f"{address}/cancellation", json=early), 422, "reason_not_offered")
        service.clock.advance(timedelta(days=1))
        late = {"reason": "student_late"}
        problem(mentor.post(f"{address}/cancellation", json=late), 422, "reason_not_offered")
        done = mentor.post(f"{address}/cancellation", json={"reason": "student_no_show"})
        assert (done.status_code, done.json()["recoverable"]) == (200, False)


@pytest.mark.rule("S9")
def test_a_session_is_moved_and_its_history_read_as_of_any_instant(service: Running) -> None:
    session = planned_anew(service)
    address = f"/sessions/{session['session_id']}"
    later = (in_a_week() + timedelta(days=1)).isoformat()
    with service.mentors_client(session["mentor_id"]) as mentor:
        service.clock.advance(timedelta(hours=1))
        between = service.clock.now().isoformat()
        service.clock.advance(timedelta(hours=1))
        moved = mentor.post(f"{address}/reschedule", json={"starts_at": later, "requested_by": "student"})
        assert moved.json()["starts_at"] == later.replace("+00:00", "Z")
        assert mentor.get(address, params={"as_of": between}).json() == session
        assert [one["type"] for one in service.history(session["session_id"])] == [
            "relais.sessions.SessionScheduled.v1",
            "relais.sessions.SessionRescheduled.v1",
        ]
        assert len(mentor.get(f"{address}/history", params={"as_of": between}).json()["items"]) == 1
        student = {"student_id": session["student_id"]}
        eventually(lambda: mentor.get("/sessions", params=student).json()["items"] == [moved.json()])
        assert mentor.get("/sessions", params={**student, "as_of": between}).json()["items"] == [session]
        problem(mentor.get(address, params={"as_of": "2020-01-01T00:00:00Z"}), 404, "session_unknown")
        first = mentor.get(f"{address}/history", params={"limit": 1}).json()
        second = mentor.get(f"{address}/history", params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert [first["items"][0]["version"], second["items"][0]["version"], second["next_cursor"]] == [1, 2, None]
        foreign = mentor.get("/sessions", params={"limit": 1, "cursor": first["next_cursor"]})
        problem(foreign, 400, "invalid_cursor")


@pytest.mark.rule("S2", "S4")
def test_reasons_are_read_as_they_were_offered_at_any_instant(service: Running) -> None:
    session = planned_anew(service)
    reasons = f"/sessions/{session['session_id']}/cancellation-reasons"
    late_from = datetime.fromisoformat(session["starts_at"]) - timedelta(hours=24)
    with service.mentors_client(session["mentor_id"]) as mentor:

        def offered(as_of: datetime) -> list[str]:
            items = mentor.get(reasons, params={"as_of": as_of.isoformat()}).json()["items"]
            return [item["reason"] for item in items if item["available"]]

        assert offered(late_from) == ["student_early", "other"]
        assert offered(late_from + timedelta(seconds=1)) == ["student_late", "other"]
        service.clock.advance(timedelta(hours=1))
        mentor.post(f"/sessions/{session['session_id']}/cancellation", json={"reason": "student_early"})
        service.clock.advance(timedelta(hours=1))
        assert offered(service.clock.now()) == []
        assert offered(service.clock.now() - timedelta(minutes=90)) == ["student_early", "other"]


def test_holding_waits_for_the_start(service: Running) -> None:
    session = planned_anew(service)
    address = f"/sessions/{session['session_id']}/completion"
    with service.mentors_client(session["mentor_id"]) as mentor:
        problem(mentor.post(address), 422, "session_not_started")
        service.clock.advance(timedelta(days=7, minutes=1))
        assert mentor.post(address, json={}).json()["status"] == "held"
        assert mentor.post(address).json()["version"] == 2


@pytest.mark.rule("S1")
def test_support_corrects_and_nobody_else(service: Running) -> None:
    session = planned_anew(service)
    address = f"/sessions/{session['session_id']}"
    service.clock.advance(timedelta(days=7, hours=1))
    with (
        service.mentors_client(session["mentor_id"]) as mentor,
        service.client("support", "sam@example.org") as support,
    ):
        mentor.post(f"{address}/cancellation", json={"reason": "student_no_show"})
        body = {"status": "held", "why": "Le mentor s’est trompé de session."}
        problem(mentor.post(f"{address}/correction", json=body), 403, "forbidden")
        assert support.post(f"{address}/correction", json=body).json()["status"] == "held"
        problem(support.post(f"{address}/correction", json={"status": "held", "why": ""}), 422, "invalid_body")
    no_show, corrected = service.history(session["session_id"])[1:]
    assert corrected["data"]["corrects_event_id"] == no_show["event_id"]
    assert corrected["actor"] == "support:sam@example.org"
    eventually(lambda: service.rows(LISTED, session["session_id"]) == [{"status": "held", "reason": None}])


LISTED = "SELECT status, reason FROM sessions_list WHERE session_id = %s AND valid_to IS NULL"


def test_a_repeated_key_gives_the_same_answer_and_another_body_is_refused(service: Running) -> None:
    student_id = service.student(service.mentor())
    body = {"student_id": str(student_id), "starts_at": in_a_week().isoformat(), "duration_minutes": 45}
    with service.client() as support:
        key = {"Idempotency-Key": str(uuid4())}
        first, second = (support.post("/sessions", json=body, headers=key) for _ in range(2))
        assert (first.status_code, first.json()) == (second.status_code, second.json())
        other = body | {"duration_minutes": 60}
        problem(support.post("/sessions", json=other, headers=key), 422, "idempotency_key_reused")
    assert len(service.rows("SELECT 1 FROM sessions_of_student WHERE student_id = %s", student_id)) == 1


def test_a_stale_version_is_refused(service: Running) -> None:
    session = planned_anew(service)
    address = f"/sessions/{session['session_id']}/reschedule"
    with service.mentors_client(session["mentor_id"]) as mentor:
        first, second = ((in_a_week() + timedelta(hours=hours)).isoformat() for hours in (1, 2))
        by = {"requested_by": "mentor"}
        assert mentor.post(address, json=by | {"starts_at": first}, headers={"If-Match": '"1"'}).is_success
        stale = mentor.post(address, json=by | {"starts_at": second}, headers={"If-Match": '"1"'})
        problem(stale, 412, "version_stale")
    assert len(service.history(session["session_id"])) == 2


def test_the_list_is_paged_and_filtered(service: Running) -> None:
    mentor_id = service.mentor()
    student_id = service.student(mentor_id)
    starts = [in_a_week() + timedelta(hours=hours) for hours in range(5)]
    for starts_at in reversed(starts):
        service.schedule(student_id, starts_at)
    mine = {"mentor_id": str(mentor_id)}
    written = [starts_at.isoformat().replace("+00:00", "Z") for starts_at in starts]
    with service.mentors_client(mentor_id) as mentor:
        eventually(lambda: len(mentor.get("/sessions", params=mine).json()["items"]) == 5)
        seen, cursor = [], None
        while True:
            page = mentor.get("/sessions", params={**mine, "limit": 2, **({"cursor": cursor} if cursor else {})}).json()
            seen += [one["starts_at"] for one in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == written
        within = {**mine, "from": written[1], "to": written[3], "status": "scheduled"}
        assert [one["starts_at"] for one in mentor.get("/sessions", params=within).json()["items"]] == written[1:3]
        assert mentor.get("/sessions", params={**mine, "status": "held"}).json() == {"items": [], "next_cursor": None}
        problem(mentor.get("/sessions", params={"cursor": "nonsense"}), 400, "invalid_cursor")
        problem(mentor.get("/sessions", params={"cursor": "eyJhIjoxfQ"}), 400, "invalid_cursor")


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration_minutes": 14},
        {"duration_minutes": 241},
        {"duration_minutes": "45"},
        {"duration_minutes": 45.5},
        {"starts_at": "2026-11-18T18:00:00"},
        {"starts_at": "1999-12-31T23:59:59Z"},
        {"starts_at": "2100-01-01T00:00:00Z"},
        {"starts_at": "demain"},
        {"student_id": "Chloé"},
        {"mentor_id": str(uuid4())},
    ],
)
def test_a_body_out_of_its_bounds_changes_nothing(
    service: Running, planned: dict[str, Any], wrong: dict[str, Any]
) -> None:
    before = events_in_store(service)
    good = {"student_id": planned["student_id"], "starts_at": planned["starts_at"], "duration_minutes": 45}
    with service.mentors_client(planned["mentor_id"]) as mentor:
        assert problem(mentor.post("/sessions", json=good | wrong), 422, "invalid_body")["errors"]
    assert events_in_store(service) == before


def test_every_route_asks_who_is_there(service: Running, planned: dict[str, Any]) -> None:
    address = f"{service.url}/api/sessions/{planned['session_id']}"
    problem(httpx.get(address), 401, "unauthenticated")
    with service.students_client(planned["student_id"]) as student, service.client("billing") as billing:
        for client in (student, billing):
            problem(client.post(f"{address}/cancellation", json={"reason": "student_early"}), 403, "forbidden")
            problem(client.post("/sessions/import", json={"rows": []}), 403, "forbidden")
            assert client.get(address).is_success
    with service.mentors_client(planned["mentor_id"]) as mentor:
        problem(mentor.get(f"/sessions/{uuid4()}"), 404, "session_unknown")
        problem(mentor.post(f"/sessions/{uuid4()}/completion"), 404, "session_unknown")
