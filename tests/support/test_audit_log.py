"""The audit log: every event once, found by who, what and when, and what it caused."""

from datetime import timedelta
from uuid import uuid4

import pytest

from relais_contracts import transfers
from services.support.edges.other_services import EffectsElsewhere
from tests.support.conftest import MENTOR, NOON, Support, held, published, transferred

SECOND = timedelta(seconds=1)


def test_an_event_is_found_as_it_was_published(support: Support) -> None:
    event = published(held())
    support.receive(event)
    (item,) = support.get("").json()["items"]
    assert item == {
        "event_id": str(event.id),
        "event_type": "relais.sessions.SessionHeld.v1",
        "topic": "relais.sessions",
        "source": "/relais/sessions",
        "subject": str(event.subject),
        "sequence": 1,
        "student_id": str(event.data.student_id),  # type: ignore[attr-defined]
        "mentor_id": str(event.data.mentor_id),  # type: ignore[attr-defined]
        "actor": MENTOR,
        "occurred_at": "2026-11-20T12:00:00Z",
        "correlation_id": str(event.correlation_id),
        "causation_id": None,
        "data": event.data.model_dump(mode="json"),
    }


def test_the_same_event_twice_is_one_row(support: Support) -> None:
    event = published(held())
    support.receive(event)
    support.receive(event)
    assert support.found() == [event.id]


def test_it_is_searched_by_actor_subject_student_type_correlation_and_time(support: Support) -> None:
    student_id = uuid4()
    first = published(held(student_id))
    second = published(held(), actor="support:sam@example.org", time=NOON + SECOND)
    support.receive(first, second)
    assert support.found(actor=MENTOR) == [first.id]
    assert support.found(actor="Sam@example.org") == [second.id]
    assert support.found(subject=second.subject) == [second.id]
    assert support.found(student_id=student_id) == [first.id]
    assert support.found(type="relais.sessions.SessionHeld.v1") == [second.id, first.id]
    assert support.found(type="relais.sessions.SessionCancelled.v1") == []
    assert support.found(correlation_id=first.correlation_id) == [first.id]


def test_what_concerns_a_mentor_is_found_also_where_a_student_came_or_went(support: Support) -> None:
    mentor_id, other_id = uuid4(), uuid4()
    account = {
        "email": "a@example.org",
        "name": "A",
        "capacity": 1,
        "paths": (),
        "projects": (),
        "timezone": "Europe/Paris",
    }
    events = [
        published(transfers.MentorRegistered(mentor_id=mentor_id, **account), subject=mentor_id),
        published(held(mentor_id=mentor_id), time=NOON + SECOND),
        published(transferred(mentor_id, other_id), time=NOON + 2 * SECOND),
        published(transferred(other_id, mentor_id), time=NOON + 3 * SECOND),
    ]
    support.receive(*events, published(held(), time=NOON + 4 * SECOND))
    newest_first = [event.id for event in reversed(events)]
    assert support.found(mentor_id=mentor_id) == newest_first
    assert support.found(mentor_id=mentor_id, type="relais.sessions.SessionHeld.v1") == [events[1].id]
    assert support.found(mentor_id=mentor_id, to=(NOON + 2 * SECOND).isoformat()) == newest_first[2:]
    assert support.found(mentor_id=mentor_id, as_of=(NOON + 2 * SECOND).isoformat()) == newest_first[1:]
    first = support.get("", mentor_id=mentor_id, limit=3).json()
    rest = support.get("", mentor_id=mentor_id, limit=3, cursor=first["next_cursor"]).json()
    assert [item["event_id"] for page in (first, rest) for item in page["items"]] == list(map(str, newest_first))
    refused = support.get("", mentor_id=mentor_id, student_id=uuid4())
    assert (refused.status_code, refused.json()["code"]) == (422, "filters_exclude_each_other")


@pytest.mark.parametrize(
    ("parameters", "which"),
    [({"from": 0}, [1, 0]), ({"from": 1}, [1]), ({"to": 1}, [0]), ({"to": 2}, [1, 0]), ({"as_of": 0}, [0])],
)
def test_from_is_included_and_to_is_not(support: Support, parameters: dict[str, int], which: list[int]) -> None:
    events = [published(held(), time=NOON + number * SECOND) for number in range(2)]
    support.receive(*events)
    given = {name: (NOON + number * SECOND).isoformat() for name, number in parameters.items()}
    assert support.found(**given) == [events[number].id for number in which]


def test_pages_follow_each_other_without_a_gap_also_within_one_instant(support: Support) -> None:
    events = [published(held()) for _ in range(7)]
    support.receive(*events)
    pages, cursor = [], None
    while True:
        answer = support.get("", limit=3, **({"cursor": cursor} if cursor else {})).json()
        pages.append([item["event_id"] for item in answer["items"]])
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [event_id for page in pages for event_id in page] == [str(event.id) for event in reversed(events)]


def test_consequences_follow_the_causes_and_ask_the_other_services_for_all_of_them(support: Support) -> None:
    cause = published(held())
    directly = published(held(), causation_id=cause.id)
    in_turn = published(held(), causation_id=directly.id)
    support.receive(cause, directly, in_turn, published(held()))
    support.others.held = EffectsElsewhere(
        statement_lines=[{"line_id": "1"}],
        attendance_entries=[],
        emails=[{"email_id": "2"}],
        unavailable=("attendance",),
    )
    answer = support.get(f"/events/{cause.id}/consequences").json()
    assert answer["event"]["event_id"] == str(cause.id)
    assert [(caused["event_id"], caused["depth"]) for caused in answer["caused"]] == [
        (str(directly.id), 1),
        (str(in_turn.id), 2),
    ]
    assert answer["effects"] == {
        "statement_lines": [{"line_id": "1"}],
        "attendance_entries": [],
        "emails": [{"email_id": "2"}],
        "unavailable": ["attendance"],
    }
    ((asked, authorization),) = support.others.asked
    assert set(asked) == {cause.id, directly.id, in_turn.id}
    assert authorization.startswith("Bearer ")


def test_causes_in_a_circle_end(support: Support) -> None:
    one, other = published(held()), published(held())
    support.receive(
        published(held(), id=one.id, causation_id=other.id), published(held(), id=other.id, causation_id=one.id)
    )
    answer = support.get(f"/events/{one.id}/consequences").json()
    assert [caused["event_id"] for caused in answer["caused"]] == [str(other.id)]


def test_the_span_of_a_student_says_from_when_to_when_and_how_the_events_lie_in_between(support: Support) -> None:
    student_id = uuid4()
    support.receive(*(published(held(student_id), time=NOON + hours * 3600 * SECOND) for hours in (0, 1, 60)))
    span = support.get("/span", student_id=student_id).json()
    assert (span["events"], span["first_at"], span["last_at"]) == (3, "2026-11-20T12:00:00Z", "2026-11-23T00:00:00Z")
    assert span["buckets"] == [1, 1, *[0] * 57, 1]
    assert support.get("/span", subject=uuid4()).json() == {
        "events": 0,
        "first_at": None,
        "last_at": None,
        "buckets": [0] * 60,
    }
    assert support.get("/span").json()["code"] == "one_subject_needed"
    assert support.get("/span", subject=uuid4(), mentor_id=uuid4()).status_code == 422


def test_an_event_is_read_by_its_id(support: Support) -> None:
    event = published(held())
    support.receive(event)
    assert support.get(f"/events/{event.id}").json()["event_id"] == str(event.id)
    assert support.get(f"/events/{uuid4()}").json()["code"] == "event_unknown"


def test_an_unknown_event_is_not_found(support: Support) -> None:
    answer = support.get(f"/events/{uuid4()}/consequences")
    assert (answer.status_code, answer.json()["code"]) == (404, "event_unknown")


@pytest.mark.parametrize("role", ["mentor", "student", "billing", "training", "directory"])
def test_the_log_is_for_support_alone(support: Support, role: str) -> None:
    for path in ("", "/span", f"/events/{uuid4()}"):
        assert support.get(path, role=role).status_code == 403
    assert support.get(f"/events/{uuid4()}/consequences", role=role).status_code == 403
    assert support.client.get("/api/audit").status_code == 401
