"""Whose sessions a person sees and changes, on the whole service."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

import httpx
import pytest

from services.chassis.ids import new_id
from tests.sessions.running import Running, address_of, enrolled, eventually, in_a_week


def test_another_mentor_neither_reads_nor_changes_a_session(service: Running) -> None:
    session = service.schedule(service.student(service.mentor()), in_a_week())
    address = f"/sessions/{session['session_id']}"
    with service.mentors_client(service.mentor()) as stranger:
        for read in (address, f"{address}/history", f"{address}/cancellation-reasons"):
            assert stranger.get(read).status_code == 403
        later = (in_a_week() + timedelta(days=1)).isoformat()
        for command, body in (
            ("cancellation", {"reason": "student_early"}),
            ("reschedule", {"starts_at": later, "requested_by": "mentor"}),
            ("completion", {}),
        ):
            answer = stranger.post(f"{address}/{command}", json=body, headers={"Idempotency-Key": str(uuid4())})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        new = {"student_id": session["student_id"], "starts_at": later, "duration_minutes": 45}
        assert stranger.post("/sessions", json=new).status_code == 403
        assert stranger.get("/sessions").json()["items"] == []
        assert stranger.get("/sessions", params={"student_id": session["student_id"]}).status_code == 403
        assert stranger.get("/sessions", params={"mentor_id": session["mentor_id"]}).status_code == 403
    assert len(service.history(session["session_id"])) == 1


@pytest.mark.rule("T1", "T16")
def test_who_lends_a_student_goes_on_reading_and_who_replaces_reads_what_was(service: Running) -> None:
    alice, bruno = service.mentor(), service.mentor()
    student_id = service.student(alice)
    past = service.schedule(student_id, in_a_week())
    service.clock.advance(timedelta(days=7, hours=1))
    with service.mentors_client(alice) as mentor:
        assert mentor.post(f"/sessions/{past['session_id']}/completion").is_success
    coming = service.schedule(student_id, in_a_week() + timedelta(days=8))
    service.transfer(student_id, alice, bruno)
    with service.mentors_client(alice) as lender, service.mentors_client(bruno) as replacement:
        for session in (past, coming):
            for client in (lender, replacement):
                assert client.get(f"/sessions/{session['session_id']}").is_success
        listed = partial(_ids, lender, {}), partial(_ids, replacement, {"student_id": str(student_id)})
        for look in listed:
            eventually(partial(_sees, look, {past["session_id"], coming["session_id"]}))
        cancelled = {"reason": "student_early"}
        eventually(lambda: service.history(coming["session_id"])[1:])
        assert lender.post(f"/sessions/{coming['session_id']}/cancellation", json=cancelled).status_code == 403
        assert replacement.post(f"/sessions/{coming['session_id']}/cancellation", json=cancelled).is_success


def _ids(client: httpx.Client, filters: dict[str, str]) -> set[str]:
    return {one["session_id"] for one in client.get("/sessions", params=filters).json()["items"]}


def _sees(look: Callable[[], set[str]], wanted: set[str]) -> bool:
    return look() == wanted


def test_a_student_reads_the_own_sessions_alone(service: Running) -> None:
    mentor_id = service.mentor()
    mine, others = (service.schedule(service.student(mentor_id), in_a_week()) for _ in range(2))
    with service.students_client(mine["student_id"]) as student:
        assert student.get(f"/sessions/{mine['session_id']}").json() == mine
        assert student.get(f"/sessions/{others['session_id']}").status_code == 403
        eventually(lambda: student.get("/sessions").json()["items"])
        assert _ids(student, {"mentor_id": str(mentor_id)}) == {mine["session_id"]}
        assert student.get("/sessions", params={"student_id": others["student_id"]}).status_code == 403


def test_somebody_whose_account_is_just_arriving_is_waited_for(service: Running) -> None:
    session = service.schedule(service.student(service.mentor()), in_a_week())
    student_id, mentor_id = new_id(), service.mentor()
    service.publish(enrolled(student_id, mentor_id, service.clock.now()))
    with service.client("student", address_of(student_id)) as student:
        assert student.get("/sessions", params={"student_id": str(student_id)}).is_success
        assert student.get(f"/sessions/{session['session_id']}").status_code == 403
