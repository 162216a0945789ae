"""A service in small for the tests of relay and inbox: aggregates whose events say one thing, published for real."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent, sessions
from services.chassis.context import Context
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore, Recorded
from services.chassis.kafka import KafkaConnection
from services.chassis.relay import Publication, Publish, Relay

T = TypeVar("T")

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MENTOR = UUID("01900000-0000-7000-8000-000000000001")
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Noted:
    """A private event; ``student_id`` None where it is not published."""

    student_id: UUID | None


EVENT_TYPES = {"test.Noted.v1": Noted}


def context() -> Context:
    return Context("support:test@example.org", uuid4(), None, None, datetime.now(UTC))


def held(session_id: UUID, student_id: UUID) -> sessions.SessionHeld:
    return sessions.SessionHeld(
        session_id=session_id,
        student_id=student_id,
        mentor_id=MENTOR,
        starts_at=NOON,
        duration_minutes=45,
        held_at=NOON,
    )


def publish_on(topic: str) -> Publish:
    def publish(event: Recorded) -> Publication | None:
        student_id = event.data.student_id
        return None if student_id is None else (topic, str(student_id), held(event.aggregate_id, student_id))

    return publish


def relay_of(database: Database, kafka: KafkaConnection, topic: str) -> Relay:
    return Relay(
        service="sessions",
        database=database,
        store=EventStore(database, "sessions", EVENT_TYPES),
        publish=publish_on(topic),
        kafka=kafka,
        source="/relais/sessions",
    )


def append(store: EventStore, aggregate_id: UUID, version: int, student_id: UUID | None) -> Recorded:
    return store.append([Change(aggregate_id, version - 1, [Noted(student_id)])], context())[0]


def event(session_id: UUID, version: int, student_id: UUID) -> CloudEvent:
    """A published event as the relay would make it."""
    return CloudEvent(
        id=uuid4(),
        type=sessions.SessionHeld.ce_type,
        source="/relais/sessions",
        subject=session_id,
        sequence=version,
        time=NOON,
        correlation_id=uuid4(),
        causation_id=None,
        actor="support:test@example.org",
        traceparent=None,
        key=str(student_id),
        data=held(session_id, student_id),
    )


async def send(kafka: KafkaConnection, topic: str, records: Iterable[tuple[bytes, bytes, Sequence[Any]]]) -> None:
    """Sends raw records in order, to the partitions that their keys have."""
    async with AIOKafkaProducer(**kafka.client_options(), enable_idempotence=True) as producer:
        sent = [await producer.send(topic, value, key, headers=list(headers)) for key, value, headers in records]
        await asyncio.gather(*sent)


async def read_topic(kafka: KafkaConnection, topic: str) -> list[CloudEvent]:
    """All that stands on the topic now, in the order of each partition."""
    partitions = [TopicPartition(topic, number) for number in range(kafka.partitions)]
    consumer = AIOKafkaConsumer(**kafka.client_options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        events: list[CloudEvent] = []
        while len(events) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                events += [
                    CloudEvent.from_record(r.key, r.value, r.headers, r.topic, r.partition, r.offset) for r in records
                ]
        return events
    finally:
        await consumer.stop()


def without_doubles(events: Iterable[CloudEvent]) -> dict[str, list[tuple[UUID, int]]]:
    """What a reader keeps, in the order of each key: (aggregate, version), where it is newer than the last one."""
    newest: dict[UUID, int] = defaultdict(int)
    kept: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    for one in events:
        if one.sequence > newest[one.subject]:
            newest[one.subject] = one.sequence
            kept[one.key].append((one.subject, one.sequence))
    return kept


def record_effect(connection: Connection[DictRow], one: CloudEvent) -> None:
    """A reaction that leaves one row for each time that it ran."""
    connection.execute(
        "INSERT INTO effects (student_id, session_id, version) VALUES (%s, %s, %s)",
        (one.key, one.subject, one.sequence),
    )


def effects_in(database: Database) -> dict[str, list[tuple[UUID, int]]]:
    """(aggregate, version) of each effect, in the order in which they came about, by key."""
    found: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    with database.connection() as connection:
        for row in connection.execute("SELECT student_id, session_id, version FROM effects ORDER BY effect_id"):
            found[row["student_id"]].append((row["session_id"], row["version"]))
    return found


@asynccontextmanager
async def running(*parts: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> AsyncIterator[asyncio.Event]:
    """Runs relays and inboxes beside the body; stops them cleanly behind it, or at once where the event is set."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(part(stop)) for part in parts]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE_S)


async def eventually(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], deadline_s: float = DEADLINE_S
) -> None:
    """Waits until ``condition`` holds; fails where it does not within ``deadline_s``."""
    async with asyncio.timeout(deadline_s):
        while True:
            holds = await asyncio.to_thread(condition)
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await asyncio.sleep(0.05)
