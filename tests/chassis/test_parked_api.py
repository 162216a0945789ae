"""What was set aside, over HTTP: by key and in order, retried, skipped with a reason, repeated safely."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow

from relais_contracts import CloudEvent, sessions
from services.chassis.auth import LocalIssuer
from services.chassis.database import Database
from services.chassis.effects import Effects, Reaction, StoredRecord
from services.chassis.effects_rows import EffectsRows
from services.chassis.event_store import START, EventStore
from services.chassis.http import create_api
from services.chassis.parked_api import PARKED_EVENTS, no_others, parked_gauges, parked_router, with_skips
from tests.chassis.pipeline import event

HELD = sessions.SessionHeld.ce_type
TOPIC = "relais.sessions"


@dataclass
class Billing:
    """A consumer whose reaction fails for the sessions in ``poison``, with its API."""

    database: Database
    effects: Effects
    store: EventStore
    client: TestClient
    poison: set[UUID]
    issuer: LocalIssuer
    next_offset: int = 0

    def receive(self, *events: CloudEvent) -> None:
        records = []
        for one in events:
            key, value, headers = one.to_record()
            records.append(StoredRecord(TOPIC, 0, self.next_offset, key, value, headers))
            self.next_offset += 1
        expected = self.effects.rows.positions(TOPIC, [0])
        self.effects.apply_one_by_one(TOPIC, {0: records}, expected)

    def get(self, path: str = "", *, role: str = "support", **parameters: Any) -> Response:
        return self.ask("GET", path, role=role, params=parameters)

    def post(self, path: str, body: object = None, *, key: str | None = None, role: str = "support") -> Response:
        return self.ask("POST", path, role=role, json=body, headers={"Idempotency-Key": key} if key else {})

    def ask(self, method: str, path: str, *, role: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
        token = self.issuer.mint(role, "sam@example.org")
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en", **(headers or {})}
        answer: Response = self.client.request(method, f"/api/parked/billing{path}", headers=headers, **more)
        return answer

    def open(self, **parameters: Any) -> list[dict[str, Any]]:
        answer = self.get(**parameters)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


@pytest.fixture
def billing(database_url: str, tmp_path: Path) -> Iterator[Billing]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE billing.parked, billing.inbox_positions, billing.inbox_versions")
        connection.execute("TRUNCATE billing.stored_events, billing.commands")
    database = Database(make_conninfo(database_url, user="relais_billing"), application_name="test")
    poison: set[UUID] = set()

    def react(connection: Connection[DictRow], one: CloudEvent) -> None:
        if one.subject in poison:
            raise LookupError(f"no tariff for {one.subject}")

    reactions: dict[str, list[Reaction]] = {HELD: [react]}
    effects = Effects(consumer="billing", rows=EffectsRows(database, "billing"), reactions=reactions)
    store = EventStore(database, "billing", PARKED_EVENTS)
    issuer = LocalIssuer(tmp_path / "issuer")
    api = create_api(
        "billing",
        service="billing",
        auth=issuer.authenticator(),
        routers=[parked_router("billing", effects, store, database)],
        ready=dict,
        before_metrics=parked_gauges(database),
    )
    yield Billing(database, effects, store, TestClient(api), poison, issuer)
    database.close()


Poisoned = Callable[[int], list[CloudEvent]]


@pytest.fixture
def poisoned(billing: Billing) -> Poisoned:
    """Sets aside a key: its first event for itself, the others behind it."""

    def park(count: int) -> list[CloudEvent]:
        student = uuid4()
        events = [event(uuid4(), 1, student) for _ in range(count)]
        billing.poison.add(events[0].subject)
        billing.receive(*events)
        return events

    return park


def test_what_is_set_aside_is_listed_by_key_and_in_order_page_by_page(billing: Billing, poisoned: Poisoned) -> None:
    one, other = poisoned(3), poisoned(2)
    listed = billing.open()
    assert [(item["key"], item["offset"]) for item in listed] == sorted(
        [(event.key, offset) for offset, event in enumerate([*one, *other])]
    )
    assert listed[0]["error"].startswith("LookupError: no tariff")
    assert [item["event_id"] for item in billing.open(key=one[0].key)] == [str(event.id) for event in one]
    pages, cursor = [], None
    while True:
        page = billing.get(limit=2, **({"cursor": cursor} if cursor else {})).json()
        pages.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [item for page in pages for item in page] == listed


def test_one_is_shown_with_its_record(billing: Billing, poisoned: Poisoned) -> None:
    (bad,) = poisoned(1)
    found = billing.get(f"/{billing.open()[0]['parked_id']}").json()
    assert found["value"] == bad.data.model_dump_json()
    assert ["ce_id", str(bad.id)] in found["headers"]


def test_a_retry_that_fails_again_stays_with_its_new_error_and_all_behind_it(
    billing: Billing, poisoned: Poisoned
) -> None:
    events = poisoned(3)
    behind = billing.open()[2]["parked_id"]
    billing.poison.clear()
    billing.poison.add(events[1].subject)
    came_to = billing.post(f"/{behind}/retry").json()
    assert (came_to["settled"], came_to["open"]) == (1, 2)
    assert str(events[1].subject) in came_to["error"]
    still = billing.open()
    assert [item["event_id"] for item in still] == [str(events[1].id), str(events[2].id)]
    assert str(events[1].subject) in still[0]["error"]
    billing.poison.clear()
    assert billing.post(f"/{behind}/retry").json() | {"key": ""} == {
        "service": "billing", "parked_id": behind, "key": "", "settled": 2, "open": 0, "error": None,
    }  # fmt: skip
    assert billing.post(f"/{behind}/retry").json()["code"] == "parked_already_settled"


def test_a_skip_says_who_and_why_and_is_published_in_the_same_transaction(billing: Billing, poisoned: Poisoned) -> None:
    events = poisoned(2)
    first = billing.open()[0]["parked_id"]
    settled = billing.post(f"/{first}/skip", {"reason": " a test of 2019 "}).json()
    assert (settled["state"], settled["settled_by"], settled["reason"]) == (
        "skipped", "support:sam@example.org", "a test of 2019",
    )  # fmt: skip
    (recorded,) = billing.store.read_committed_since(START, 10)[0]
    published = with_skips(no_others)(recorded)
    assert published is not None
    topic, key, data = published
    assert (topic, key, recorded.actor) == ("relais.operations", "billing", "support:sam@example.org")
    assert data.model_dump(include={"parked_id", "event_id", "event_type", "reason", "read_from", "offset"}) == {
        "parked_id": first, "event_id": events[0].id, "event_type": HELD, "reason": "a test of 2019",
        "read_from": TOPIC, "offset": 0,
    }  # fmt: skip
    assert [item["event_id"] for item in billing.open()] == [str(events[1].id)]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 1_001}])
def test_a_skip_without_a_reason_changes_nothing(billing: Billing, poisoned: Poisoned, body: object) -> None:
    poisoned(1)
    before = billing.open()
    assert billing.post(f"/{before[0]['parked_id']}/skip", body).status_code == 422
    assert billing.open() == before
    assert billing.store.read_committed_since(START, 10)[0] == []


def test_the_same_key_gives_the_same_answer_and_another_body_is_refused(billing: Billing, poisoned: Poisoned) -> None:
    poisoned(1)
    first = billing.open()[0]["parked_id"]
    once = billing.post(f"/{first}/skip", {"reason": "a test"}, key="k1")
    assert (once.status_code, billing.post(f"/{first}/skip", {"reason": "a test"}, key="k1").json()) == (
        200, once.json(),
    )  # fmt: skip
    assert billing.post(f"/{first}/skip", {"reason": "other"}, key="k1").json()["code"] == "idempotency_key_reused"
    again = billing.post(f"/{first}/skip", {"reason": "a test"}, key="k2")
    assert (again.status_code, again.json()["code"]) == (409, "parked_already_settled")
    assert len(billing.store.read_committed_since(START, 10)[0]) == 1


def test_only_support_may_look_or_decide(billing: Billing, poisoned: Poisoned) -> None:
    poisoned(1)
    first = billing.open()[0]["parked_id"]
    assert billing.get(role="mentor").status_code == 403
    assert billing.post(f"/{first}/skip", {"reason": "mine"}, role="billing").status_code == 403
    assert billing.get("/999999999").json()["code"] == "parked_unknown"
    assert billing.get(cursor="eyJhZnRlciI6ICJ4In0").json()["code"] == "invalid_cursor"


def test_the_metrics_say_how_much_is_set_aside_and_since_when(billing: Billing, poisoned: Poisoned) -> None:
    poisoned(3)
    text = billing.client.get("/metrics").text
    labels = '{consumer="billing",topic="relais.sessions"}'
    assert f"relais_parked_events{labels} 3.0" in text
    assert f"relais_parked_oldest_age_seconds{labels}" in text
