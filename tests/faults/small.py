"""A service in small, long-lived: its own database and topic, writers, and readers for the oracle of what is new."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from uuid import UUID, uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore, VersionConflict
from services.chassis.kafka import ensure_topics
from services.chassis.migrate import migrate_database
from tests.chassis.pipeline import EVENT_TYPES, Noted, context, publish_on
from tests.faults.members import EFFECTS, kafka_at
from tests.faults.oracle import CommittedReader, Published, TopicReader, Verdict, by_key

DEADLINE_S = 45.0
WRITERS = 3
ROLLED_BACK = 0.1
POSITION = "SELECT transaction_id, notification_id FROM relay_position"
NEWEST = """
SELECT transaction_id::text::bigint AS transaction_id, notification_id FROM stored_events
ORDER BY stored_events.transaction_id DESC, notification_id DESC LIMIT 1
"""
EFFECTS_OF = "SELECT student_id, event_id FROM billing.effects WHERE student_id = ANY(%s) ORDER BY effect_id"
EPOCH = "SELECT epoch FROM relay_position"


@dataclass
class Small:
    """``url`` and ``servers`` lead to the servers themselves; a member may be given a way through proxies instead."""

    admin_url: str
    servers: str
    topic: str
    database: Database
    store: EventStore
    committed: CommittedReader
    published: TopicReader
    students: dict[UUID, UUID] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.database.url

    @property
    def consumer_url(self) -> str:
        return make_conninfo(self.admin_url, user="relais_billing")

    def begin_run(self, aggregates: int = 12, keys: int = 6) -> None:
        """New aggregates for each run, so that one run's figures are its own. Several of them share a key."""
        students = [uuid4() for _ in range(keys)]
        self.students = {uuid4(): students[number % keys] for number in range(aggregates)}

    def write(self, seed: int, event_count: int, *, pause_s: float = 0.0) -> None:
        """Appends until ``event_count`` events of this run are committed, from several writers, with roll-backs."""
        left, guard = [event_count], threading.Lock()
        at_once(
            [
                partial(self._writer, random.Random(seed * 100 + number), left, guard, pause_s)
                for number in range(WRITERS)
            ]
        )

    def _writer(self, choice: random.Random, left: list[int], guard: threading.Lock, pause_s: float) -> None:
        aggregates = sorted(self.students)
        versions = dict.fromkeys(aggregates, 0)
        while left[0] > 0:
            picked = choice.sample(aggregates, choice.choice([1, 1, 1, 2]))
            changes = [
                Change(one, versions[one], [Noted(self.students[one])] * choice.choice([1, 1, 3])) for one in picked
            ]
            try:
                self.store.append(changes, context(), also=_refuse if choice.random() < ROLLED_BACK else None)
            except (VersionConflict, _RolledBack):
                for one, stream in self.store.load_many(picked).items():
                    versions[one] = len(stream)
                continue
            for change in changes:
                versions[change.aggregate_id] += len(change.events)
            with guard:
                left[0] -= sum(len(change.events) for change in changes)
            if pause_s:
                time.sleep(pause_s * choice.random())

    def is_published(self) -> bool:
        """Whether the relay's position is behind the last event."""
        with self.database.connection() as connection:
            position = connection.execute(POSITION).fetchone()
            newest = connection.execute(NEWEST).fetchone()
        return newest is None or position == newest

    def epoch(self) -> int:
        with self.database.connection() as connection:
            row = connection.execute(EPOCH).fetchone()
        return 0 if row is None else int(row["epoch"])

    def has_led_since(self, epoch: int) -> bool:
        """Whether a relay took the lead after that."""
        return self.epoch() > epoch

    def judge_new(self) -> Verdict:
        """What is committed and published since the last look."""
        return self.judge(self.committed.new_events())

    def judge(self, committed: Sequence[Published], *, with_effects: bool = False) -> Verdict:
        """What is published since the last look against ``committed``; ``with_effects``, and what a consumer made."""
        verdict = Verdict()
        verdict.compare_topic(committed, self.published.new_events())
        if with_effects:
            self.compare_effects(verdict, by_key(committed))
        return verdict

    def compare_effects(self, verdict: Verdict, expected: Mapping[str, Sequence[UUID]]) -> None:
        """One effect an event, each key in order."""
        found: dict[str, list[UUID]] = {key: [] for key in expected}
        for key, event_id in self.effects_of(expected):
            found[key].append(event_id)
        verdict.compare("effects", chain(*expected.values()), chain(*found.values()))
        verdict.compare_order("effects", expected, found)

    def effects_of(self, keys: Iterable[str]) -> list[tuple[str, UUID]]:
        """Key and event of each effect, in the order in which they came about."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            return connection.execute(EFFECTS_OF, (list(keys),)).fetchall()


class _RolledBack(Exception):
    pass


def _refuse(_: object) -> None:
    raise _RolledBack


@contextmanager
def small_service(admin_url: str, servers: str, *, replication: int = 1) -> Iterator[Small]:
    """A fresh database beside that of ``admin_url`` and a fresh topic."""
    name = f"small_{uuid4().hex[:12]}"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = make_conninfo(admin_url, dbname=name)
    migrate_database(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(EFFECTS)
    topic = f"test.{name}"
    kafka = kafka_at(servers)
    kafka.replication_factor = replication
    asyncio.run(ensure_topics(kafka, [topic]))
    database = Database(make_conninfo(url, user="relais_sessions"), application_name="test")
    store = EventStore(database, "sessions", EVENT_TYPES)
    reader = TopicReader(servers, topic)
    try:
        yield Small(url, servers, topic, database, store, CommittedReader(store, publish_on(topic)), reader)
    finally:
        reader.close()
        database.close()
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def at_once(works: Sequence[Callable[[], object]]) -> None:
    """Does all of them side by side, and raises what the first of them raised."""
    with ThreadPoolExecutor(len(works)) as threads:
        for done in [threads.submit(work) for work in works]:
            done.result()


def eventually(condition: Callable[[], bool], what: str, *, deadline_s: float = DEADLINE_S) -> float:
    """Waits until ``condition`` holds, and gives the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < deadline_s, f"within {deadline_s:.0f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began
