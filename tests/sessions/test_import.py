"""Taking in many sessions at once, with what has become of them."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.sessions.running import Running, eventually, in_a_week

PAST = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
Row = dict[str, Any]


def row(student_id: UUID, starts_at: datetime = PAST, *history: Row, **other: Any) -> Row:
    return {
        "session_id": str(uuid4()),
        "student_id": str(student_id),
        "starts_at": starts_at.isoformat(),
        "duration_minutes": 45,
        "scheduled_at": (min(starts_at, PAST) - timedelta(days=7)).isoformat(),
        "history": list(history),
    } | other


def entry(type_: str, at: datetime, **said: Any) -> Row:
    return {"type": type_, "at": at.isoformat()} | said


def send(service: Running, rows: Sequence[Row], *, dry_run: bool = False) -> httpx.Response:
    with service.client("directory", "school@example.org") as directory:
        return directory.post("/sessions/import", json={"dry_run": dry_run, "rows": list(rows)})


def status_of(service: Running, of: Row) -> tuple[str, str | None, int]:
    with service.client("support") as support:
        session = support.get(f"/sessions/{of['session_id']}").json()
    return session["status"], session["reason"], session["version"]


@pytest.fixture(scope="module")
def student_id(service: Running) -> UUID:
    return service.student(service.mentor())


@pytest.mark.rule("S1")
def test_each_row_is_decided_at_its_own_instants(service: Running, student_id: UUID) -> None:
    held = row(student_id, PAST, entry("held", PAST + HOUR))
    late = row(student_id, PAST, entry("cancelled", PAST - HOUR, reason="student_late"))
    moved = row(
        student_id,
        PAST,
        entry("rescheduled", PAST - 30 * HOUR, starts_at=(PAST + 24 * HOUR).isoformat(), requested_by="student"),
        entry("cancelled", PAST + 25 * HOUR, reason="student_no_show"),
    )
    rows = [held, late, moved]
    assert send(service, rows).json() == {"dry_run": False, "created": 3, "changed": 0, "unchanged": 0}
    assert [status_of(service, one) for one in rows] == [
        ("held", None, 2),
        ("cancelled", "student_late", 2),
        ("cancelled", "student_no_show", 3),
    ]
    assert {one["actor"] for one in service.history(moved["session_id"])} == {"import:school@example.org"}
    assert send(service, rows).json() == {"dry_run": False, "created": 0, "changed": 0, "unchanged": 3}


def test_what_came_later_is_taken_and_what_is_known_stays(service: Running, student_id: UUID) -> None:
    planned = row(student_id, PAST)
    send(service, [planned])
    held = planned | {"history": [entry("held", PAST + HOUR)]}
    assert send(service, [held]).json()["changed"] == 1
    assert send(service, [planned]).json()["unchanged"] == 1
    assert status_of(service, planned) == ("held", None, 2)


def test_one_bad_row_refuses_all_and_every_bad_row_is_named(service: Running, student_id: UUID) -> None:
    good = row(student_id, PAST, entry("held", PAST + HOUR))
    too_early = row(student_id, PAST, entry("cancelled", PAST, reason="student_no_show"))
    unreadable = row(student_id) | {"duration_minutes": 5, "mentor": "Alice"}
    disordered = row(student_id, PAST, entry("held", PAST - 30 * 24 * HOUR))
    to_come = row(student_id, PAST, entry("held", service.clock.now() + HOUR))
    stranger = row(uuid4())
    rows = [good, too_early, unreadable, disordered, to_come, stranger, good]
    answer = send(service, rows)
    assert (answer.status_code, answer.json()["code"]) == (422, "import_refused")
    assert [(error["row"], error["code"]) for error in answer.json()["errors"]] == [
        (1, "reason_not_offered"),
        (2, "invalid_row"),
        (3, "history_out_of_order"),
        (4, "history_in_the_future"),
        (5, "student_unknown"),
        (6, "session_named_twice"),
    ]
    assert all(error["detail"] for error in answer.json()["errors"])
    assert service.rows("SELECT 1 FROM stored_events WHERE originator_id = %s", UUID(good["session_id"])) == []


def test_a_dry_run_writes_nothing_and_takes_people_on_trust(service: Running, student_id: UUID) -> None:
    rows = [row(student_id), row(uuid4(), mentor_id=str(uuid4()))]
    answer = send(service, rows, dry_run=True)
    assert answer.json() == {"dry_run": True, "created": 2, "changed": 0, "unchanged": 0}
    assert service.rows("SELECT 1 FROM stored_events WHERE originator_id = %s", UUID(rows[0]["session_id"])) == []


@pytest.mark.rule("T3")
def test_what_is_yet_to_come_is_the_present_mentors_whatever_the_file_says(service: Running) -> None:
    alice, bruno = service.mentor(), service.mentor()
    student_id = service.student(bruno)
    past = row(student_id, PAST, mentor_id=str(alice))
    coming = row(student_id, in_a_week(), mentor_id=str(alice))
    send(service, [past, coming])
    with service.client() as support:
        mentors = [support.get(f"/sessions/{one['session_id']}").json()["mentor_id"] for one in (past, coming)]
    assert mentors == [str(alice), str(bruno)]
    service.transfer(student_id, bruno, alice)
    assert service.published_of(coming["session_id"], 2)[-1].type == "relais.sessions.SessionReassigned.v1"


def test_a_thousand_rows_go_in_at_once_and_into_the_list(service: Running) -> None:
    student_id = service.student(service.mentor())
    rows = [row(student_id, PAST + n * HOUR, entry("held", PAST + (n + 1) * HOUR)) for n in range(1_000)]
    began = time.perf_counter()
    answer = send(service, rows)
    took_s = time.perf_counter() - began
    assert answer.json()["created"] == 1_000, answer.text
    again_began = time.perf_counter()
    assert send(service, rows).json()["unchanged"] == 1_000
    again_took_s = time.perf_counter() - again_began
    print(f"\nimport: {1_000 / took_s:.0f} rows/s new, {1_000 / again_took_s:.0f} rows/s known already")
    eventually(
        lambda: (
            service.rows("SELECT count(*) AS n FROM sessions_list WHERE student_id = %s AND version = 2", student_id)[
                0
            ]["n"]
            == 1_000
        ),
        60,
    )
    too_many = send(service, [*rows, *rows])
    assert too_many.status_code == 422
