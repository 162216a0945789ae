"""The oracle of the fault tests: the committed events, as a multiset and in each key's order, are what stands on the
topic once doubles are dropped, what every service made rows of, and what a replay from zero makes.

It reads PostgreSQL and Kafka itself, as an administrator and with a client that is not ours. Where the stores, topics
and rows of a whole Relais are found stands in whole.py; what it finds in them is judged here, and nowhere else.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID, uuid4

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition
from psycopg import sql

from relais_contracts import CloudEvent, Header
from services.chassis.effects import StoredRecord
from services.chassis.event_store import START, EventStore, Position, Recorded
from services.chassis.relay import Publication

PAGE = 2_000
POLL_S = 10.0
SILENT_S = 60.0
SAMPLE = 3

ROWS_OF_TABLE = "SELECT (to_jsonb(t) - {passing}::text[])::text FROM {schema}.{table} AS t"
OPEN_PARKED = "SELECT consumer, topic, record_key, error FROM {schema}.parked WHERE state IN ('waiting', 'parked')"


@dataclass(frozen=True, slots=True)
class Published:
    """One event, as it was committed or as it stands on a topic."""

    event_id: UUID
    type: str
    key: str
    subject: UUID
    sequence: int


@dataclass
class Verdict:
    """What the oracle found. ``is_clean`` where nothing is lost, doubled, invented, out of order or set aside."""

    committed_count: int = 0
    record_count: int = 0
    doubled_by_relay: int = 0
    lost_count: int = 0
    doubled_count: int = 0
    """Also counts what belongs to no event."""
    inverted_count: int = 0
    row_counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        rows = ", ".join(f"{count} {name}" for name, count in self.row_counts.items())
        head = (
            f"{self.committed_count} events committed, {self.record_count} records "
            f"({self.doubled_by_relay} doubled by the relay and dropped); {rows}"
        )
        return "\n".join([head, *self.faults]) if self.faults else f"{head}; 0 lost, 0 doubled, 0 inverted"

    def compare_topic(self, committed: Sequence[Published], records: Sequence[Published]) -> None:
        """The records, doubles dropped, are the committed events, each key in its order."""
        kept = without_doubles(records)
        self.committed_count += len(committed)
        self.record_count += len(records)
        self.doubled_by_relay += len(records) - len(kept)
        self.compare("topic", [event.event_id for event in committed], [event.event_id for event in kept])
        self.compare_order("topic", by_key(committed), by_key(kept))

    def compare(self, where: str, expected: Iterable[Hashable], found: Iterable[Hashable]) -> None:
        """Each once, none more."""
        wanted, present = Counter(expected), Counter(found)
        if lost := wanted - present:
            self.lost_count += lost.total()
            self.faults.append(f"{where}: {lost.total()} lost, such as {_sample(lost)}")
        if extra := present - wanted:
            self.doubled_count += extra.total()
            invented = sum(count for one, count in extra.items() if one not in wanted)
            self.faults.append(
                f"{where}: {extra.total() - invented} doubled, {invented} of no event, such as {_sample(extra)}"
            )

    def compare_order(
        self, where: str, expected: Mapping[str, Sequence[Hashable]], found: Mapping[str, Sequence[Hashable]]
    ) -> None:
        """Of each key, what is there stands in order; what is missing or invented is said already."""
        for key, order in expected.items():
            known = set(order)
            actual = [one for one in found.get(key, []) if one in known]
            present = set(actual)
            if actual != [one for one in order if one in present] and len(present) == len(actual):
                self.inverted_count += 1
                self.faults.append(f"{where}: key {key} is out of order")

    def add(self, other: "Verdict") -> None:
        """Sums up over runs."""
        for name in ("committed_count", "record_count", "doubled_by_relay", "lost_count", "doubled_count"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.inverted_count += other.inverted_count
        self.faults += other.faults


class TopicReader:
    """Reads a topic from its beginning, and later what is new since."""

    def __init__(self, kafka_bootstrap_servers: str, topic: str) -> None:
        self.topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka_bootstrap_servers,
                "group.id": f"oracle-{uuid4()}",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,  # A fetch that waits for records would hold up the question where they end.
                "log_level": 0,  # A broker on its way up is no news here.
            }
        )
        numbers = self._consumer.list_topics(topic, timeout=POLL_S).topics[topic].partitions
        self._next = dict.fromkeys(numbers, 0)
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])

    def new_records(self) -> list[StoredRecord]:
        """Up to where each partition ends now, in the order of each partition."""
        ends = {number: self._end(number) for number in self._next}
        silent_since = time.monotonic()
        found = []
        while any(self._next[number] < end for number, end in ends.items()):
            message = self._consumer.poll(1.0)
            if message is None or message.error():  # A leader that moved, a broker that is away: it comes back.
                assert time.monotonic() - silent_since < SILENT_S, f"no answer from {self.topic}"
                continue
            silent_since = time.monotonic()
            number, offset = cast(int, message.partition()), cast(int, message.offset())
            self._next[number] = offset + 1
            headers = cast(list[Header], message.headers() or [])
            found.append(StoredRecord(self.topic, number, offset, _raw(message.key()), _raw(message.value()), headers))
        return found

    def new_events(self) -> list[Published]:
        return [published(record) for record in self.new_records()]

    def _end(self, number: int) -> int:
        deadline = time.monotonic() + SILENT_S
        while True:
            try:
                end: int = self._consumer.get_watermark_offsets(TopicPartition(self.topic, number), timeout=POLL_S)[1]
                return end
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def close(self) -> None:
        self._consumer.close()


class CommittedReader:
    """Reads what a store holds for publication, in commit order, and later what is new since."""

    def __init__(self, store: EventStore, publish: Callable[[Recorded], Publication | None]) -> None:
        self._store = store
        self._publish = publish
        self._position: Position = START

    def new_events(self) -> list[Published]:
        found: list[Published] = []
        while True:
            page, self._position = self._store.read_committed_since(self._position, PAGE)
            if not page:
                return found
            for recorded in page:
                if (publication := self._publish(recorded)) is not None:
                    _, key, data = publication
                    found.append(
                        Published(recorded.event_id, data.ce_type, key, recorded.aggregate_id, recorded.version)
                    )


def published(record: StoredRecord) -> Published:
    event = CloudEvent.from_record(record.key, record.value, record.headers)
    return Published(event.id, event.type, event.key, event.subject, event.sequence)


def without_doubles(records: Iterable[Published]) -> list[Published]:
    """What a reader keeps: what is newer than the last of its aggregate."""
    newest: dict[UUID, int] = defaultdict(int)
    kept = []
    for record in records:
        if record.sequence > newest[record.subject]:
            newest[record.subject] = record.sequence
            kept.append(record)
    return kept


def by_key(events: Iterable[Published]) -> dict[str, list[UUID]]:
    keys: dict[str, list[UUID]] = defaultdict(list)
    for event in events:
        keys[event.key].append(event.event_id)
    return keys


def rows_of(database_url: str, schema: str, table: str, passing: Sequence[str] = ()) -> list[str]:
    """All rows of a table as text, without the columns ``passing``, which say when or how often and not what."""
    query = sql.SQL(ROWS_OF_TABLE).format(
        passing=sql.Literal(list(passing)), schema=sql.Identifier(schema), table=sql.Identifier(table)
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        return [row[0] for row in connection.execute(query)]


def set_aside(database_url: str, schema: str) -> list[str]:
    """What an inbox has parked, or lets wait."""
    query = sql.SQL(OPEN_PARKED).format(schema=sql.Identifier(schema))
    with psycopg.connect(database_url, autocommit=True) as connection:
        return [f"{schema}: set aside: {row}" for row in connection.execute(query)]


def _sample(counted: "Counter[Hashable]") -> str:
    return ", ".join(str(one)[:200] for one in list(counted)[:SAMPLE])


def _raw(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
