"""Commands: repeated ones answered as before, raced ones decided again, refused ones leaving nothing."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import orjson
import pytest
from fastapi import Response

from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Commands, Decision, check_if_match
from services.chassis.context import Context
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore
from services.chassis.refusal import Refused, Stale

ALICE = Principal("mentor", "alice@example.org", "Alice", ("mentor",))


@dataclass(frozen=True, slots=True)
class Counted:
    count: int


@pytest.fixture
def store(database: Database) -> EventStore:
    return EventStore(database, "sessions", {"test.Counted.v1": Counted})


def request(*, key: str | None = None, fingerprint: str = "body", if_match: int | None = None) -> CommandRequest:
    context = Context("mentor:alice@example.org", uuid4(), None, None, datetime.now(UTC))
    return CommandRequest(context, key, fingerprint, if_match, "fr", ALICE)


def count_up(store: EventStore, commands: Commands, aggregate_id: UUID, asked: CommandRequest) -> Response:
    """Adds one event to the aggregate and answers with its version."""

    def attempt() -> Decision:
        version = len(store.load(aggregate_id))
        return Decision(
            [Change(aggregate_id, version, [Counted(version + 1)])], lambda: {"version": version + 1}, status=201
        )

    return commands.execute(asked, attempt)


def test_the_same_key_and_body_give_the_same_answer_and_one_event(store: EventStore) -> None:
    aggregate_id, key = uuid4(), str(uuid4())
    first = count_up(store, Commands(store), aggregate_id, request(key=key))
    again = count_up(store, Commands(store), aggregate_id, request(key=key))
    assert (again.status_code, again.body) == (first.status_code, first.body) == (201, b'{"version":1}')
    assert again.headers["etag"] == '"1"'
    assert len(store.load(aggregate_id)) == 1


def test_the_same_key_with_another_body_is_refused(store: EventStore) -> None:
    aggregate_id, key = uuid4(), str(uuid4())
    count_up(store, Commands(store), aggregate_id, request(key=key))
    with pytest.raises(Refused) as refused:
        count_up(store, Commands(store), aggregate_id, request(key=key, fingerprint="another body"))
    assert refused.value.code == "idempotency_key_reused"
    assert len(store.load(aggregate_id)) == 1


def test_a_refused_command_leaves_no_trace_under_its_key(store: EventStore) -> None:
    aggregate_id, key = uuid4(), str(uuid4())

    def refuse() -> Decision:
        raise Refused("no", "Non.", "No.")

    with pytest.raises(Refused):
        Commands(store).execute(request(key=key), refuse)
    assert count_up(store, Commands(store), aggregate_id, request(key=key, fingerprint="another")).status_code == 201


def test_a_command_that_changes_nothing_still_remembers_its_key(store: EventStore) -> None:
    key = str(uuid4())
    answer = Commands(store).execute(request(key=key), lambda: Decision([], lambda: {"version": 7}))
    assert answer.body == b'{"version":7}'
    with pytest.raises(Refused):
        Commands(store).execute(request(key=key, fingerprint="another"), lambda: Decision([], dict))


@pytest.mark.parametrize("with_key", [False, True])
def test_twenty_at_once_are_decided_one_after_the_other(store: EventStore, with_key: bool) -> None:
    """Without keys: twenty events, versions 1 to 20. With one key: one event and twenty equal answers."""
    aggregate_id, key = uuid4(), str(uuid4()) if with_key else None
    answers: list[int] = []

    def run() -> None:
        answer = count_up(store, Commands(store), aggregate_id, request(key=key))
        answers.append(orjson.loads(answer.body)["version"])

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ([1] * 20 if with_key else list(range(1, 21)))
    assert [event.version for event in store.load(aggregate_id)] == ([1] if with_key else list(range(1, 21)))


def test_a_stale_if_match_is_refused() -> None:
    check_if_match(request(if_match=3), 3)
    check_if_match(request(), 3)
    with pytest.raises(Stale):
        check_if_match(request(if_match=2), 3)
