"""A transfer hands the upcoming sessions over, whatever happens at the same instant."""

import threading
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from tests.sessions.running import Running, eventually, in_a_week

OF_STUDENT = """
SELECT session_id, mentor_id, version FROM sessions_list WHERE student_id = %s AND valid_to IS NULL
"""
MENTOR_OF = "SELECT mentor_id FROM students WHERE student_id = %s"
ROUNDS = 6


def has_mentor(service: Running, student_id: UUID, mentor_id: UUID) -> bool:
    return service.rows(MENTOR_OF, student_id) == [{"mentor_id": mentor_id}]


def has_grown(planned: list[str], before: int) -> bool:
    return len(planned) > before


@pytest.mark.rule("T1", "T3")
def test_upcoming_sessions_go_to_the_new_mentor_and_what_is_over_stays(service: Running) -> None:
    alice, bruno = service.mentor(), service.mentor()
    student_id = service.student(alice)
    upcoming = service.schedule(student_id, in_a_week())
    over = service.schedule(student_id, in_a_week() - timedelta(days=8))
    service.transfer(student_id, alice, bruno)
    handed_over = service.published_of(upcoming["session_id"], 2)[-1]
    assert handed_over.type == "relais.sessions.SessionReassigned.v1"
    assert handed_over.data.model_dump(mode="json") == {
        "session_id": upcoming["session_id"],
        "student_id": str(student_id),
        "from_mentor_id": str(alice),
        "to_mentor_id": str(bruno),
        "starts_at": upcoming["starts_at"],
        "duration_minutes": 45,
    }
    assert handed_over.actor == "service:sessions"
    assert handed_over.causation_id is not None
    assert len(service.history(over["session_id"])) == 1
    assert service.schedule(student_id, in_a_week())["mentor_id"] == str(bruno)


@pytest.mark.rule("T3")
def test_no_session_planned_or_moved_at_the_instant_of_a_transfer_is_left_behind(service: Running) -> None:
    alice, bruno = service.mentor(), service.mentor()
    student_id = service.student(alice)
    moving = service.schedule(student_id, in_a_week())
    stop = threading.Event()
    planned: list[str] = []

    def plan() -> None:
        while not stop.is_set():
            planned.append(service.schedule(student_id, in_a_week())["session_id"])

    def move() -> None:
        hours = 0
        with service.client() as support:
            while not stop.is_set():
                hours += 1
                starts_at = (in_a_week() + timedelta(hours=hours)).isoformat()
                body = {"starts_at": starts_at, "requested_by": "mentor"}
                answer = support.post(f"/sessions/{moving['session_id']}/reschedule", json=body)
                assert answer.is_success, answer.text

    threads = [threading.Thread(target=work) for work in (plan, plan, move)]
    for thread in threads:
        thread.start()
    mentors = [alice, bruno]
    for number in range(ROUNDS):
        before = len(planned)
        eventually(partial(has_grown, planned, before))
        here, there = mentors[number % 2], mentors[(number + 1) % 2]
        service.transfer(student_id, here, there)
        eventually(partial(has_mentor, service, student_id, there))
    stop.set()
    for thread in threads:
        thread.join()
    last = mentors[ROUNDS % 2]
    sessions = [*planned, moving["session_id"]]
    with service.client() as support:
        left_behind = [
            session_id
            for session_id in sessions
            if support.get(f"/sessions/{session_id}").json()["mentor_id"] != str(last)
        ]
    assert left_behind == []
    eventually(lambda: {row["mentor_id"] for row in service.rows(OF_STUDENT, student_id)} == {last})
    assert service.rows("SELECT error FROM parked WHERE state IN ('waiting', 'parked')") == []


@pytest.mark.rule("S1", "T3")
def test_a_session_planned_again_after_a_transfer_is_the_new_mentors(service: Running) -> None:
    alice, bruno = service.mentor(), service.mentor()
    student_id = service.student(alice)
    session = service.schedule(student_id, in_a_week())
    address = f"/sessions/{session['session_id']}"
    with service.client() as support:
        assert support.post(f"{address}/cancellation", json={"reason": "student_early"}).is_success
        service.transfer(student_id, alice, bruno)
        eventually(partial(has_mentor, service, student_id, bruno))
        body = {"status": "scheduled", "why": "Annulée par erreur."}
        again = support.post(f"{address}/correction", json=body).json()
    assert (again["status"], again["mentor_id"], again["version"]) == ("scheduled", str(bruno), 4)
