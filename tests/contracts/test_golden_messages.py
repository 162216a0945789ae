"""Every published type has one golden message, and every golden message of all time still loads."""

import json
from pathlib import Path
from typing import Any

import pytest

from relais_contracts import REGISTRY, TOPICS, CloudEvent, Malformed, UnknownType

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
CANCELLED = "relais.sessions.SessionCancelled.v1"


def golden(ce_type: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((EXAMPLES / f"{ce_type}.json").read_text(encoding="utf-8"))
    return message


def headers_of(message: dict[str, Any]) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in message["headers"].items()]


def read(message: dict[str, Any]) -> CloudEvent:
    return CloudEvent.from_record(message["key"].encode(), json.dumps(message["value"]).encode(), headers_of(message))


def test_every_type_has_a_golden_message_and_none_is_left_over() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(REGISTRY)


@pytest.mark.parametrize("ce_type", REGISTRY)
def test_a_golden_message_loads_and_is_written_again_as_it_was(ce_type: str) -> None:
    message = golden(ce_type)
    event = read(message)
    key, value, headers = event.to_record()
    assert {"key": key.decode(), "value": json.loads(value), "headers": {n: v.decode() for n, v in headers}} == {
        "key": message["key"],
        "value": message["value"],
        "headers": message["headers"],
    }
    assert (event.data.topic, event.data.key) == (message["topic"], message["key"])


def test_types_are_named_after_their_topic_and_their_class() -> None:
    for ce_type, contract in REGISTRY.items():
        assert contract.topic in TOPICS
        assert ce_type.startswith(f"{contract.topic}.{contract.__name__}.v")


def test_a_field_of_a_later_version_is_passed_over() -> None:
    message = golden(CANCELLED)
    message["value"]["weather"] = "rain"
    assert read(message) == read(golden(CANCELLED))


def test_an_instant_with_another_offset_is_the_same_instant() -> None:
    message = golden(CANCELLED)
    message["value"]["starts_at"] = "2026-11-19T18:00:00+01:00"
    assert read(message) == read(golden(CANCELLED))


def test_where_the_note_was_read_is_kept_beside_the_event() -> None:
    message = golden(CANCELLED)
    event = CloudEvent.from_record(
        message["key"].encode(), json.dumps(message["value"]).encode(), headers_of(message), "relais.sessions", 4, 17
    )
    assert (event.topic, event.partition, event.offset) == ("relais.sessions", 4, 17)


def test_a_type_of_a_later_version_is_unknown_and_not_malformed() -> None:
    message = golden(CANCELLED)
    message["headers"]["ce_type"] = "relais.sessions.SessionCancelled.v2"
    with pytest.raises(UnknownType) as refusal:
        read(message)
    assert refusal.value.ce_type == "relais.sessions.SessionCancelled.v2"


@pytest.mark.parametrize(
    "name", ["ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_sequence", "ce_correlationid", "ce_actor"]
)
def test_a_missing_header_is_named(name: str) -> None:
    message = golden(CANCELLED)
    del message["headers"][name]
    with pytest.raises(Malformed, match=name):
        read(message)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_id", "7"),
        ("ce_sequence", "0"),
        ("ce_sequence", "-1"),
        ("ce_sequence", "1" * 19),
        ("ce_time", "yesterday"),
        ("ce_time", "2026-11-19T17:21:40"),
        ("ce_causationid", ""),
    ],
)
def test_an_unreadable_header_is_named(name: str, value: str) -> None:
    message = golden(CANCELLED)
    message["headers"][name] = value
    with pytest.raises(Malformed, match=name):
        read(message)


@pytest.mark.parametrize(
    "value", [None, b"", b"not JSON", b"[]", b"{}", b"\xff", b'{"starts_at": "2026-11-19T17:00:00"}', b"[" * 10_000]
)
def test_a_value_that_breaks_its_contract_is_malformed(value: bytes | None) -> None:
    message = golden(CANCELLED)
    with pytest.raises(Malformed):
        CloudEvent.from_record(message["key"].encode(), value, headers_of(message))


@pytest.mark.parametrize("key", [None, b"\xff"])
def test_a_record_without_a_readable_key_is_malformed(key: bytes | None) -> None:
    message = golden(CANCELLED)
    with pytest.raises(Malformed):
        CloudEvent.from_record(key, json.dumps(message["value"]).encode(), headers_of(message))


def test_a_header_that_is_not_text_is_malformed() -> None:
    message = golden(CANCELLED)
    headers = [*headers_of(message), ("ce_actor", b"\xff")]
    with pytest.raises(Malformed, match="ce_actor"):
        CloudEvent.from_record(message["key"].encode(), json.dumps(message["value"]).encode(), headers)
