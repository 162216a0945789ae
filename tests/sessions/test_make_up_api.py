"""Making up for a missed session over HTTP: tied both ways, once, also when two ask at the same instant."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.sessions.running import Running, eventually, in_a_week
from tests.sessions.test_import import PAST, Row, entry, row, send

pytestmark = pytest.mark.rule("T2", "T6", "T8")

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
RACES = 20


@pytest.fixture(scope="module")
def student_id(service: Running) -> UUID:
    return service.student(service.mentor())


def plan(service: Running, student_id: UUID, starts_at: datetime, makes_up_for: str | None) -> httpx.Response:
    body = {"student_id": str(student_id), "starts_at": starts_at.isoformat(), "duration_minutes": 45}
    with service.client() as support:
        return support.post("/sessions", json=body | {"makes_up_for": makes_up_for})


def cancel(service: Running, session: dict[str, Any], **body: Any) -> dict[str, Any]:
    with service.client() as support:
        answer = support.post(f"/sessions/{session['session_id']}/cancellation", json=body)
    assert answer.is_success, answer.text
    done: dict[str, Any] = answer.json()
    return done


def correct(service: Running, session: dict[str, Any], **body: Any) -> dict[str, Any]:
    with service.client("support") as support:
        answer = support.post(f"/sessions/{session['session_id']}/correction", json=body | {"why": "Vu avec eux."})
    assert answer.is_success, answer.text
    done: dict[str, Any] = answer.json()
    return done


def missed(service: Running, student_id: UUID) -> dict[str, Any]:
    """A session to come that its mentor, who will be away, cancelled."""
    session = service.schedule(student_id, in_a_week() + 14 * DAY)
    return cancel(service, session, reason="other", cause="mentor", note="Je serai absente.")


def read(service: Running, session_id: str) -> dict[str, Any]:
    with service.client() as support:
        found: dict[str, Any] = support.get(f"/sessions/{session_id}").json()
    return found


def test_a_session_is_caught_up_before_an_absence_and_both_say_so(service: Running, student_id: UUID) -> None:
    away = missed(service, student_id)
    made = plan(service, student_id, in_a_week(), away["session_id"])
    assert (made.status_code, made.json()["makes_up_for"], made.json()["version"]) == (201, away["session_id"], 1)
    session_id = made.json()["session_id"]
    assert read(service, away["session_id"])["made_up_by"] == session_id
    (published,) = service.published_of(session_id, 1)
    assert published.data.model_dump(mode="json")["makes_up_for"] == away["session_id"]
    assert [one["type"].split(".")[2] for one in service.history(away["session_id"])] == [
        "SessionScheduled",
        "SessionCancelled",
    ]

    def listed() -> dict[str, Any]:
        with service.client() as support:
            items = support.get("/sessions", params={"student_id": str(student_id)}).json()["items"]
        return {one["session_id"]: (one["makes_up_for"], one["made_up_by"]) for one in items}

    eventually(lambda: listed().get(away["session_id"]) == (None, session_id))
    assert listed()[session_id] == (away["session_id"], None)


def test_every_event_of_a_make_up_says_what_it_makes_up_for(service: Running, student_id: UUID) -> None:
    away = missed(service, student_id)
    session = plan(service, student_id, in_a_week(), away["session_id"]).json()
    with service.client() as support:
        moved = {"starts_at": (in_a_week() + DAY).isoformat(), "requested_by": "mentor"}
        assert support.post(f"/sessions/{session['session_id']}/reschedule", json=moved).is_success
    cancel(service, session, reason="student_early")
    events = service.published_of(session["session_id"], 3)
    assert {str(event.data.model_dump()["makes_up_for"]) for event in events} == {away["session_id"]}


@pytest.mark.rule("S4")
@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_cannot_be_made_up_for_is_refused_with_a_sentence_and_leaves_nothing(
    service: Running, student_id: UUID, language: str
) -> None:
    late = service.schedule(student_id, service.clock.now() + HOUR)
    cancel(service, late, reason="student_late")
    to_qualify = service.schedule(student_id, in_a_week())
    cancel(service, to_qualify, reason="other", note="Malade.")
    planned = service.schedule(student_id, in_a_week())
    of_another = missed(service, service.student(service.mentor()))
    before = service.rows("SELECT count(*) AS n FROM stored_events")
    for session_id, code in (
        (late["session_id"], "not_recoverable"),
        (to_qualify["session_id"], "recoverable_to_qualify"),
        (planned["session_id"], "session_not_missed"),
        (of_another["session_id"], "not_the_same_student"),
        (str(uuid4()), "session_unknown"),
    ):
        body = {"student_id": str(student_id), "starts_at": in_a_week().isoformat(), "duration_minutes": 45}
        with service.client(language=language) as support:
            answer = support.post("/sessions", json=body | {"makes_up_for": session_id})
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert answer.json()["detail"].endswith(".")
    assert service.rows("SELECT count(*) AS n FROM stored_events") == before


def test_a_cancelled_make_up_leaves_the_missed_one_free(service: Running, student_id: UUID) -> None:
    away = missed(service, student_id)
    first = plan(service, student_id, in_a_week(), away["session_id"]).json()
    refused = plan(service, student_id, in_a_week() + DAY, away["session_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "already_made_up")
    cancel(service, first, reason="student_early")
    assert read(service, away["session_id"])["made_up_by"] is None
    second = plan(service, student_id, in_a_week() + DAY, away["session_id"])
    assert second.status_code == 201, second.text
    assert read(service, away["session_id"])["made_up_by"] == second.json()["session_id"]
    in_turn = plan(service, student_id, in_a_week() + 2 * DAY, first["session_id"])
    assert (in_turn.status_code, in_turn.json()["code"]) == (422, "makes_up_itself")

    again = correct(service, first, status="scheduled")
    assert (again["status"], again["makes_up_for"]) == ("scheduled", None)


@pytest.mark.rule("S1")
def test_a_make_up_that_support_restores_takes_its_place_again(service: Running, student_id: UUID) -> None:
    away = missed(service, student_id)
    made = plan(service, student_id, in_a_week(), away["session_id"]).json()
    cancel(service, made, reason="student_early")
    restored = correct(service, made, status="scheduled")
    assert (restored["status"], restored["makes_up_for"]) == ("scheduled", away["session_id"])
    assert read(service, away["session_id"])["made_up_by"] == made["session_id"]


def both_at_once(*asked: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """The answers to requests that start at the same instant."""
    answers: list[httpx.Response] = []
    ready = threading.Barrier(len(asked))

    def run(ask: Callable[[], httpx.Response]) -> None:
        ready.wait()
        answers.append(ask())

    threads = [threading.Thread(target=run, args=(ask,)) for ask in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_two_at_the_same_instant_one_makes_up_for_it(service: Running, student_id: UUID) -> None:
    outcomes: Counter[tuple[int, str | None]] = Counter()
    for _ in range(RACES):
        away = missed(service, student_id)
        ask = partial(plan, service, student_id, makes_up_for=away["session_id"])
        answers = both_at_once(partial(ask, in_a_week()), partial(ask, in_a_week() + 2 * HOUR))
        outcomes.update((answer.status_code, answer.json().get("code")) for answer in answers)
        made = [answer.json()["session_id"] for answer in answers if answer.status_code == 201]
        assert [read(service, away["session_id"])["made_up_by"]] == made
    assert outcomes == {(201, None): RACES, (409, "already_made_up"): RACES}
    print(f"\nmake-ups at the same instant: {RACES} races, {dict(outcomes)}")


def test_imported_sessions_make_up_for_each_other_whatever_their_order(service: Running, student_id: UUID) -> None:
    away = row(student_id, PAST + 7 * DAY, entry("cancelled", PAST, reason="student_early"))
    before = row(student_id, PAST, entry("held", PAST + HOUR), makes_up_for=away["session_id"])
    rows: list[Row] = [before, away]
    assert send(service, rows, dry_run=True).json()["created"] == 2
    assert send(service, rows).json() == {"dry_run": False, "created": 2, "changed": 0, "unchanged": 0}
    assert read(service, away["session_id"])["made_up_by"] == before["session_id"]
    assert send(service, rows).json()["unchanged"] == 2

    second = row(student_id, PAST + DAY, makes_up_for=away["session_id"])
    refused = send(service, [row(student_id, PAST), second])
    assert [(one["row"], one["code"]) for one in refused.json()["errors"]] == [(1, "already_made_up")]


def test_an_imported_cancellation_of_a_make_up_leaves_the_missed_one_free(service: Running, student_id: UUID) -> None:
    away = row(student_id, PAST, entry("cancelled", PAST - 2 * DAY, reason="student_early"))
    first = row(student_id, PAST + 7 * DAY, makes_up_for=away["session_id"])
    send(service, [away, first])
    assert read(service, away["session_id"])["made_up_by"] == first["session_id"]
    over = first | {"history": [entry("cancelled", PAST + DAY, reason="student_early")]}
    second = row(student_id, PAST + 14 * DAY, makes_up_for=away["session_id"])
    assert send(service, [second, over]).json() == {"dry_run": False, "created": 1, "changed": 1, "unchanged": 0}
    assert read(service, away["session_id"])["made_up_by"] == second["session_id"]
