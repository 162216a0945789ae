"""Row 6: one record in a hundred is poison; its key waits in order, all others are on time, a retry makes it whole."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import psycopg
import pytest

from deploy.local import Stack
from relais_contracts import CloudEvent
from services.chassis import parked
from services.chassis.database import Database
from services.chassis.effects import Effects
from services.chassis.effects_rows import EffectsRows
from tests.chassis.pipeline import event, send
from tests.faults.members import HELD, Crew, fold, kafka_at
from tests.faults.oracle import Verdict
from tests.faults.small import Small, eventually, small_service
from tests.faults.table import Results

STUDENTS = 100
VERSIONS = 20
ONE_IN = 100
ON_TIME_S = 20.0
SUPPORT = "support:test@example.org"
BREAK = "INSERT INTO billing.broken (event_id) VALUES (%s)"
MEND = "TRUNCATE billing.broken"
OF_KEY = """
SELECT record_offset, error FROM billing.parked
WHERE record_key = %s AND state IN ('waiting', 'parked') ORDER BY parked_id
"""

Record = tuple[bytes, bytes, list[tuple[str, bytes]]]


@pytest.fixture(scope="module")
def small(stack: Stack) -> Iterator[Small]:
    with small_service(stack.database_url, stack.kafka_bootstrap_servers) as service:
        yield service


@dataclass
class Poisoned:
    """A stream in which some records are bad. ``until`` is what takes effect of a key before its first bad one."""

    records: list[Record] = field(default_factory=list)
    good: dict[str, list[UUID]] = field(default_factory=dict)
    until: dict[str, int] = field(default_factory=dict)
    broken: list[UUID] = field(default_factory=list)
    bad_count: int = 0

    def add(self, one: CloudEvent) -> None:
        self.records.append(one.to_record())
        self.good.setdefault(one.key, []).append(one.id)

    def add_bad(self, one: CloudEvent, kind: str) -> None:
        """``one`` itself raises in its handler, or comes behind a record that can't be read."""
        self.bad_count += 1
        self.until.setdefault(one.key, len(self.good.get(one.key, [])))
        key, value, headers = event(uuid4(), 1, UUID(one.key)).to_record()
        match kind:
            case "not JSON":
                self.records.append((key, b"{not json", headers))
            case "wrong schema":
                self.records.append((key, b'{"session_id": "no"}', headers))
            case "unknown type":  # A version of a type that we react to, newer than we know.
                newer = [(name, b"relais.sessions.SessionHeld.v9" if name == "ce_type" else v) for name, v in headers]
                self.records.append((key, value, newer))
            case _:
                self.broken.append(one.id)
        self.add(one)


KINDS = ("not JSON", "wrong schema", "unknown type", "handler that raises")


def poisoned_stream(choice: random.Random) -> Poisoned:
    people = [(uuid4(), uuid4()) for _ in range(STUDENTS)]
    count = STUDENTS * VERSIONS
    bad = dict(zip(choice.sample(range(count), count // ONE_IN), KINDS * count, strict=False))
    stream = Poisoned()
    for number in range(count):
        session, student = people[number % STUDENTS]
        one = event(session, number // STUDENTS + 1, student)
        if number in bad:
            stream.add_bad(one, bad[number])
        else:
            stream.add(one)
    return stream


@pytest.mark.timeout(1800)
def test_poison_holds_up_its_own_key_alone_and_a_retry_makes_it_whole(
    small: Small, crew: Crew, results: Results, runs: int | None, seed: int
) -> None:
    keys_count, slowest_s = 0, 0.0
    with results.line(6, "1 % poison: not JSON, wrong schema, unknown type, handler that raises", seed) as line:
        member = crew.consumer(small.consumer_url, small.servers, small.topic)
        for run in range(runs or 1):
            stream = poisoned_stream(random.Random(seed + run))
            slowest_s = max(slowest_s, swallow(small, stream))
            verdict = Verdict(committed_count=sum(map(len, stream.good.values())))
            small.compare_effects(verdict, stream.good)
            keys_count += len(stream.until)
            line.note = (
                f"{keys_count} keys parked in order; all other keys done within {slowest_s:.1f} s of the last record"
            )
            line.add(verdict, faults=stream.bad_count)
        member.stop()


def swallow(small: Small, stream: Poisoned) -> float:
    """Sends the stream, sees poison set aside and all else done, and repairs it. Gives the seconds of all else."""
    healthy = {key: ids for key, ids in stream.good.items() if key not in stream.until}
    with psycopg.connect(small.admin_url, autocommit=True) as connection:
        for event_id in stream.broken:
            connection.execute(BREAK, (event_id,))
    asyncio.run(send(kafka_at(small.servers), small.topic, stream.records))
    sent_at, healthy_count = time.monotonic(), sum(map(len, healthy.values()))
    eventually(lambda: len(small.effects_of(healthy)) >= healthy_count, "other keys are on time", deadline_s=ON_TIME_S)
    on_time_s = time.monotonic() - sent_at
    eventually(lambda: is_all_set_aside(small, stream), "poison is set aside with what is behind it")
    while_parked = Verdict()
    small.compare_effects(while_parked, {key: ids[: stream.until.get(key)] for key, ids in stream.good.items()})
    assert while_parked.is_clean, str(while_parked)
    repair(small, stream)
    return on_time_s


def is_all_set_aside(small: Small, stream: Poisoned) -> bool:
    """Of each poisoned key all that is behind its first bad record, in the order of its offsets; nothing else."""
    with psycopg.connect(small.admin_url, autocommit=True) as connection:
        for key, count in stream.until.items():
            rows = connection.execute(OF_KEY, (key.encode(),)).fetchall()
            assert [row[0] for row in rows] == sorted(row[0] for row in rows)
            assert all(row[1].startswith("held back") for row in rows[1:])
            if len(rows) < len(stream.good[key]) - count:
                return False
    return True


def repair(small: Small, stream: Poisoned) -> None:
    """As support does: the handler is mended, each key is retried, and what can't be read is skipped with a reason."""
    database = Database(small.consumer_url, application_name="support")
    effects = Effects(consumer="billing", rows=EffectsRows(database, "billing"), reactions={HELD: [fold]})
    with psycopg.connect(small.admin_url, autocommit=True) as connection:
        connection.execute(MEND)
    skipped_count = 0
    for key in stream.until:
        while effects.retry(small.topic, key.encode(), by=SUPPORT).open_count:
            [first] = parked.list_open(database, key=key, limit=1)
            with database.transaction() as transaction:
                assert parked.skip(transaction, first.parked_id, by=SUPPORT, reason="can't be read")
            skipped_count += 1
    assert skipped_count == stream.bad_count - len(stream.broken)
    database.close()
