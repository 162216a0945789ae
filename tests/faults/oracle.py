"""The oracle of the fault tests: the committed events, as a multiset and in each key's order, are what stands on the
topic once doubles are dropped, and what every service made rows of.

It reads PostgreSQL and Kafka itself, as an administrator and with a client that is not ours.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID, uuid4

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from psycopg import sql
from psycopg.conninfo import make_conninfo

from relais_contracts import TOPICS, CloudEvent, Header, sessions
from services.chassis.database import Database
from services.chassis.event_store import START, EventStore, EventTypes, Recorded
from services.chassis.relay import Publication
from services.sessions.domain.events import EVENT_TYPES as SESSIONS_EVENT_TYPES
from services.sessions.edges.publish import publish as publish_sessions
from services.transfers.domain.event_types import EVENT_TYPES as TRANSFERS_EVENT_TYPES
from services.transfers.edges.publish import publish as publish_transfers

PAGE = 2_000
POLL_S = 10.0

STORES: Mapping[str, tuple[EventTypes, Callable[[Recorded], Publication | None]]] = {
    "sessions": (SESSIONS_EVENT_TYPES, publish_sessions),
    "transfers": (TRANSFERS_EVENT_TYPES, publish_transfers),
}

BILLED = {sessions.SessionHeld.ce_type, sessions.SessionCancelled.ce_type}
WRITTEN_ABOUT = {sessions.SessionCancelled.ce_type, sessions.SessionRescheduled.ce_type}

ROWS: Mapping[str, tuple[str, str, Callable[[str], bool]]] = {
    "lines": ("billing", "SELECT event_id FROM statement_lines", BILLED.__contains__),
    "entries": ("attendance", "SELECT event_id FROM session_states", lambda ce_type: ".sessions." in ce_type),
    "e-mails": ("notifier", "SELECT event_id FROM emails WHERE state = 'sent'", WRITTEN_ABOUT.__contains__),
    "audit": ("support", "SELECT event_id FROM audit_events", lambda _: True),
}
"""What each service makes of events: its schema, one event id a row, and the types that it makes exactly one row of."""

OPEN_PARKED = "SELECT consumer, topic, record_key, error FROM parked WHERE state IN ('waiting', 'parked')"


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
    """What the oracle found. ``is_clean`` where nothing is lost, doubled, invented or out of order."""

    committed_count: int = 0
    record_count: int = 0
    doubled_by_relay: int = 0
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


def judge(database_url: str, kafka_bootstrap_servers: str, *, rows: Iterable[str] = ROWS) -> Verdict:
    """Compares stores, topics and rows as they are now."""
    verdict = Verdict()
    committed = {service: committed_events(database_url, service) for service in STORES}
    everything = [event for events in committed.values() for event in events]
    verdict.committed_count = len(everything)
    records = [record for topic in TOPICS for record in records_of(kafka_bootstrap_servers, topic)]
    kept = without_doubles(records)
    verdict.record_count, verdict.doubled_by_relay = len(records), len(records) - len(kept)
    _compare(verdict, "topic", [e.event_id for e in everything], [e.event_id for e in kept])
    for service, events in committed.items():
        _compare_order(verdict, service, events, kept)
    for name in rows:
        schema, query, makes_row = ROWS[name]
        found = event_ids(database_url, schema, query)
        verdict.row_counts[name] = len(found)
        _compare(verdict, name, [e.event_id for e in everything if makes_row(e.type)], found)
        verdict.faults += [f"{schema}: set aside: {row}" for row in _rows(database_url, schema, OPEN_PARKED)]
    return verdict


def committed_events(database_url: str, service: str) -> list[Published]:
    """What a service's store holds for publication, in commit order."""
    event_types, publish = STORES[service]
    database = Database(make_conninfo(database_url, user=f"relais_{service}"), application_name="oracle")
    try:
        found: list[Published] = []
        store, position = EventStore(database, service, event_types), START
        while True:
            page, position = store.read_committed_since(position, PAGE)
            if not page:
                return found
            for recorded in page:
                publication = publish(recorded)
                if publication is not None:
                    _, key, data = publication
                    found.append(
                        Published(recorded.event_id, data.ce_type, key, recorded.aggregate_id, recorded.version)
                    )
    finally:
        database.close()


def records_of(kafka_bootstrap_servers: str, topic: str) -> list[Published]:
    """All records of a topic, in the order of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka_bootstrap_servers,
            "group.id": f"oracle-{uuid4()}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,  # A broker on its way up is no news here.
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=POLL_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found, ended = [], 0
        while ended < len(partitions):
            message = consumer.poll(POLL_S)
            assert message is not None, f"no answer from {topic}"
            if message.error():
                ended += 1
                continue
            headers = cast(list[Header], message.headers() or [])
            event = CloudEvent.from_record(message.key(), message.value(), headers)
            found.append(Published(event.id, event.type, event.key, event.subject, event.sequence))
        return found
    finally:
        consumer.close()


def without_doubles(records: Iterable[Published]) -> list[Published]:
    """What a reader keeps: what is newer than the last of its aggregate."""
    newest: dict[UUID, int] = defaultdict(int)
    kept = []
    for record in records:
        if record.sequence > newest[record.subject]:
            newest[record.subject] = record.sequence
            kept.append(record)
    return kept


def event_ids(database_url: str, schema: str, query: str) -> list[UUID]:
    return [row[0] for row in _rows(database_url, schema, query)]


def _rows(database_url: str, schema: str, query: str) -> Sequence[tuple[UUID, ...]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        return connection.execute(query.encode()).fetchall()


def _compare(verdict: Verdict, where: str, expected: Iterable[UUID], found: Iterable[UUID]) -> None:
    wanted, present = Counter(expected), Counter(found)
    if lost := wanted - present:
        verdict.faults.append(f"{where}: {lost.total()} lost, such as {next(iter(lost))}")
    if extra := present - wanted:
        doubled = {event_id for event_id in extra if event_id in wanted}
        verdict.faults.append(
            f"{where}: {len(doubled)} doubled, {len(extra) - len(doubled)} of no event, such as {next(iter(extra))}"
        )


def _compare_order(verdict: Verdict, service: str, committed: Iterable[Published], kept: Iterable[Published]) -> None:
    """The order of each key, where nothing is missing or invented (that is said already)."""
    expected, found = _by_key(committed), _by_key(kept)
    for key, order in expected.items():
        known = set(order)
        actual = [event_id for event_id in found.get(key, []) if event_id in known]
        if len(actual) == len(order) and actual != order:
            verdict.faults.append(f"{service}: key {key} is out of order on its topic")


def _by_key(events: Iterable[Published]) -> dict[str, list[UUID]]:
    keys: dict[str, list[UUID]] = defaultdict(list)
    for event in events:
        keys[event.key].append(event.event_id)
    return keys
