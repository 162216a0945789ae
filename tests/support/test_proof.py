"""The proof of the audit log: an entry that is changed, removed or inserted is found, and named."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import orjson
import psycopg
import pytest

from services.support.domain.proof import Chain, Fault, Head, Verification
from tests.support.conftest import NOON, Support, held, published

CHAIN = Chain("relais.sessions", 0)

Line = dict[str, Any]


def verified(lines: list[Line], kept: list[Head] | None = None) -> tuple[list[Fault], Verification]:
    verification = Verification.against(kept or [])
    for line in lines:
        if "head" in line:
            verification.close(Head.of_json(line["head"]))
        else:
            verification.take(line)
    return verification.end(), verification


def exported(support: Support) -> list[Line]:
    answer = support.get("/export")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [orjson.loads(line) for line in answer.content.splitlines()]


@pytest.fixture
def log(support: Support) -> list[Line]:
    """Five entries in one chain, two in another, taken in by several transactions."""
    support.receive(*(published(held(), partition=0, offset=number) for number in range(3)))
    support.receive(*(published(held(), partition=number % 2, offset=number) for number in range(3, 7)))
    return exported(support)


def test_an_untouched_log_holds_and_its_heads_are_those_of_the_service(support: Support, log: list[Line]) -> None:
    faults, verification = verified(log)
    assert (faults, verification.entries_count) == ([], 7)
    heads = [verification.heads[chain].as_json() for chain in sorted(verification.heads)]
    assert support.get("/heads").json()["items"] == heads
    assert [head["number"] for head in heads] == [5, 2]


def test_the_chain_does_not_depend_on_how_events_were_batched(support: Support, log: list[Line]) -> None:
    events = [published(held(), partition=2, offset=number, time=NOON) for number in range(4)]
    support.receive(*events)
    together = support.get("/heads").json()["items"][-1]
    with support.database.connection() as connection:
        connection.execute("DELETE FROM audit_events WHERE partition = 2")
        connection.execute("DELETE FROM audit_heads WHERE partition = 2")
    for event in events:
        support.receive(event)
    assert support.get("/heads").json()["items"][-1] == together


@pytest.mark.mutation("the digest covers each field of the entry")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("actor", "mentor:eve@example.org"),
        ("data", {"outcome": "held"}),
        ("occurred_at", "2026-11-20T12:00:01Z"),
        ("student_id", None),
        ("subject", str(uuid4())),
        ("record_offset", 99),
        ("causation_id", str(uuid4())),
        ("digest", "00" * 32),
    ],
)
def test_a_changed_entry_is_named(log: list[Line], name: str, value: object) -> None:
    changed = [line | {name: value} if line.get("number") == 3 else line for line in log]
    faults, _ = verified(changed)
    assert faults == [Fault(CHAIN, 3, changed[2]["event_id"], "changed")]


def removed(lines: list[Line]) -> list[Line]:
    return [*lines[:2], *lines[3:]]


def doubled(lines: list[Line]) -> list[Line]:
    return [*lines[:3], lines[2], *lines[3:]]


def cut_off(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.get("number") != 5]


def exchanged(lines: list[Line]) -> list[Line]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def without_the_end(lines: list[Line]) -> list[Line]:
    return lines[:-1]


@pytest.mark.parametrize(
    ("tamper", "number", "wrong"),
    [(removed, 3, "removed"), (doubled, 3, "inserted"), (cut_off, 5, "removed"), (exchanged, 2, "removed")],
)
def test_a_removed_an_inserted_and_a_moved_entry_are_named(
    log: list[Line], tamper: Callable[[list[Line]], list[Line]], number: int, wrong: str
) -> None:
    faults, _ = verified(tamper(log))
    assert [(fault.chain, fault.number, fault.wrong) for fault in faults] == [(CHAIN, number, wrong)]


def test_an_export_that_breaks_off_is_not_taken_for_whole(log: list[Line]) -> None:
    faults, _ = verified(without_the_end(log))
    assert [(fault.chain.partition, fault.wrong) for fault in faults] == [(1, "broken_off")]


def test_a_log_that_was_written_anew_is_found_by_heads_that_were_kept(support: Support, log: list[Line]) -> None:
    _, before = verified(log)
    kept = list(before.heads.values())
    with support.database.connection() as connection:
        connection.execute("DELETE FROM audit_events WHERE partition = 0")
        connection.execute("DELETE FROM audit_heads WHERE partition = 0")
    support.receive(*(published(held(), partition=0, offset=number) for number in range(5)))
    rewritten = exported(support)
    assert verified(rewritten)[0] == []
    faults, _ = verified(rewritten, kept)
    assert [(fault.chain, fault.number, fault.wrong) for fault in faults] == [(CHAIN, 5, "changed")]
    support.receive(published(held(), partition=0, offset=5))
    assert [fault.number for fault in verified(exported(support), kept)[0]] == [5]


def test_a_log_that_has_grown_since_its_heads_were_kept_still_holds(support: Support, log: list[Line]) -> None:
    _, before = verified(log)
    support.receive(published(held(), partition=0, offset=7))
    assert verified(exported(support), list(before.heads.values()))[0] == []


def test_what_an_administrator_does_in_the_database_is_found(
    support: Support, database_url: str, log: list[Line]
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE support.audit_events SET actor = 'mentor:eve@example.org' WHERE partition = 0 AND number = 4"
        )
    faults, _ = verified(exported(support))
    assert [(fault.number, fault.event_id, fault.wrong) for fault in faults] == [(4, log[3]["event_id"], "changed")]


@pytest.mark.parametrize("role", ["mentor", "student", "billing", "training", "directory"])
def test_the_proof_is_for_support_alone(support: Support, role: str) -> None:
    assert support.get("/export", role=role).status_code == 403
    assert support.get("/heads", role=role).status_code == 403
