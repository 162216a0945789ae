"""Row 4: each event takes effect once, though consumers are killed around their commit and members come and go."""

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from relais_contracts import CloudEvent
from services.chassis.database import Database
from services.chassis.effects import Effects
from services.chassis.effects_rows import EffectsRows
from tests.chassis.pipeline import event, send
from tests.faults.members import EFFECTS, HELD, Crew, Member, fold, kafka_at
from tests.faults.oracle import TopicReader, Verdict, rows_of
from tests.faults.proxy import Proxy, ProxyHouse, When
from tests.faults.small import Small, at_once, eventually, small_service
from tests.faults.table import Results
from tests.faults.whole import fresh_database, replay_topic

KEYS = 8
EVENTS = 320
SLICE = 40
AT_ONCE = 8
COME_AND_GO_S = 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """When the proxy stops a COMMIT, and whether the consumer is killed then or only loses its connection."""

    when: When
    is_killed: bool


FAULTS = {
    "consumer: kill -9 before its commit": Fault("before", True),
    "consumer: kill -9 after its commit, before it hears of it": Fault("after", True),
    "consumer: the reply to its commit is lost": Fault("after", False),
    "members join and leave every 2 s, some by kill -9": None,
}


@dataclass
class Consuming:
    """A small service whose first consumer reaches PostgreSQL through a proxy."""

    small: Small
    proxy: Proxy
    url: str

    def begin(self, crew: Crew, *, through_proxy: bool = False) -> Member:
        url = self.url if through_proxy else self.small.consumer_url
        return crew.consumer(url, self.small.servers, self.small.topic)


def consuming(stack: Stack, house: ProxyHouse, opened: ExitStack) -> Consuming:
    small = opened.enter_context(small_service(stack.database_url, stack.kafka_bootstrap_servers))
    proxy, url = house.postgres(small.consumer_url)
    return Consuming(small, proxy, url)


def stream() -> list[CloudEvent]:
    """Events of two sessions a student, in turns."""
    people = [(uuid4(), student) for student in (uuid4() for _ in range(KEYS)) for _ in range(2)]
    return [
        event(session, n // len(people) + 1, student)
        for n in range(EVENTS)
        for session, student in [people[n % len(people)]]
    ]


def next_round(events: Sequence[CloudEvent]) -> list[CloudEvent]:
    """One more event of each session."""
    return [event(one.subject, one.sequence + 1, UUID(one.key)) for one in events[-2 * KEYS :]]


def send_with_doubles(small: Small, events: Sequence[CloudEvent], choice: random.Random, *, pause_s: float) -> None:
    """As relays do that are killed now and then: from an earlier position again."""

    async def all_of_them() -> None:
        start = 0
        while start < len(events):
            end = min(start + SLICE, len(events))
            await send(kafka_at(small.servers), small.topic, [one.to_record() for one in events[start:end]])
            await asyncio.sleep(pause_s * choice.random())
            start = end if end == len(events) or choice.random() < 0.8 else end - choice.randrange(SLICE // 2)

    asyncio.run(all_of_them())


def run(service: Consuming, crew: Crew, fault: Fault | None, seed: int, verdicts: dict[int, Verdict]) -> None:
    choice, events = random.Random(seed), stream()
    begin = partial(service.begin, crew)
    sending = threading.Thread(target=send_with_doubles, args=(service.small, events, choice), kwargs={"pause_s": 0.3})
    if fault is None:
        sending.start()
        come_and_go(begin, sending, choice)
        last = begin()
    else:
        trap = service.proxy.trap("COMMIT", fault.when, choice.randrange(1, 5))
        first = begin(through_proxy=True)
        sending.start()
        while not trap.sprung.wait(2.0):
            if not sending.is_alive():  # It took all in fewer commits: a little more, until it is met.
                fresh = next_round(events)
                events += fresh
                send_with_doubles(service.small, fresh, choice, pause_s=0)
        if fault.is_killed:
            first.kill()
        trap.cut()
        last = begin()
        if not fault.is_killed:
            first.stop()
    sending.join()
    keys = keyed(events)
    eventually(lambda: len(service.small.effects_of(keys)) >= len(events), "all events have taken effect")
    last.stop()
    verdicts[seed] = Verdict(committed_count=len(events))
    service.small.compare_effects(verdicts[seed], keys)


def come_and_go(begin: "partial[Member]", sending: threading.Thread, choice: random.Random) -> None:
    members = [begin()]
    while sending.is_alive() or len(members) < 4:
        members.append(begin())
        time.sleep(COME_AND_GO_S * choice.uniform(0.5, 1.0))
        leaving = choice.choice([member for member in members if member.is_alive])
        leaving.kill() if choice.random() < 0.3 else leaving.stop()
    for member in members:
        member.stop()


def keyed(events: Sequence[CloudEvent]) -> dict[str, list[UUID]]:
    keys: dict[str, list[UUID]] = {}
    for one in events:
        keys.setdefault(one.key, []).append(one.id)
    return keys


def compare_with_replay(small: Small) -> Verdict:
    """The rows, whole, against those that the same reaction makes of the topic from offset 0 in an empty database."""
    verdict = Verdict()
    reader = TopicReader(small.servers, small.topic)
    with fresh_database(small.admin_url) as fresh_url:
        with psycopg.connect(fresh_url, autocommit=True) as connection:
            connection.execute(EFFECTS)
        database = Database(make_conninfo(fresh_url, user="relais_billing"), application_name="replay")
        rows = EffectsRows(database, "billing")
        replay_topic(
            Effects(consumer="billing", rows=rows, reactions={HELD: [fold]}), small.topic, reader.new_records()
        )
        for table, passing in (("chains", ()), ("effects", ("effect_id",))):
            live = rows_of(small.admin_url, "billing", table, passing)
            verdict.compare(f"{table} against a replay from zero", rows_of(fresh_url, "billing", table, passing), live)
        database.close()
    reader.close()
    return verdict


@pytest.mark.timeout(3600)
def test_each_event_takes_effect_once(
    stack: Stack, house: ProxyHouse, crew: Crew, results: Results, runs: int | None, seed: int
) -> None:
    """Side by side, each in a database of its own: a group waits six seconds for a member that died."""
    names = list(FAULTS)
    rounds = (runs or 1) * len(names)
    with ExitStack() as opened:
        lines = {name: opened.enter_context(results.line(4, name, seed)) for name in names}
        services = [consuming(stack, house, opened) for _ in range(min(rounds, AT_ONCE))]
        for start in range(0, rounds, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, rounds))
            verdicts: dict[int, Verdict] = {}
            works = [
                partial(run, services[n - start], crew, FAULTS[names[n % len(names)]], seed + n, verdicts)
                for n in numbers
            ]
            at_once(works)
            for n in numbers:
                lines[names[n % len(names)]].add(verdicts[seed + n])
        for service in services:
            against = compare_with_replay(service.small)
            assert against.is_clean, str(against)
        for line in lines.values():
            line.note = "side by side; rows = a replay from zero, byte for byte"
