"""The relay on real servers: complete, in the order of each key, and never past what the brokers acknowledged."""

import asyncio
import random
import threading
from collections import defaultdict
from uuid import UUID, uuid4

import psycopg
import pytest
from confluent_kafka import Message, Producer

from deploy.local import Stack
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore, Position, VersionConflict
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.leadership import Fenced, Leadership
from services.chassis.relay import HOLD_S, Relay, partition_hash
from services.chassis.settings import Settings
from tests.chassis.pipeline import (
    EVENT_TYPES,
    Noted,
    append,
    context,
    eventually,
    publish_on,
    read_topic,
    relay_of,
    running,
    without_doubles,
)

POSITION = "SELECT transaction_id, notification_id FROM relay_position"
COMMITTED = """
SELECT originator_id, originator_version, transaction_id::text::bigint AS transaction_id, notification_id
FROM stored_events ORDER BY stored_events.transaction_id, stored_events.notification_id
"""


@pytest.fixture
def kafka(stack: Stack) -> KafkaConnection:
    return KafkaConnection(Settings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers))


@pytest.fixture
def topic(kafka: KafkaConnection) -> str:
    name = f"test.relay.{uuid4().hex[:8]}"
    asyncio.run(ensure_topics(kafka, [name]))
    return name


@pytest.fixture
def store(database_url: str, database: Database) -> EventStore:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE sessions.stored_events, sessions.relay_position")
    return EventStore(database, "sessions", EVENT_TYPES)


def committed(database: Database, students: dict[UUID, UUID]) -> dict[str, list[tuple[UUID, int]]]:
    """What the store holds, in commit order, by key."""
    by_key: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    with database.connection() as connection:
        for row in connection.execute(COMMITTED):
            by_key[str(students[row["originator_id"]])].append((row["originator_id"], row["originator_version"]))
    return by_key


def is_caught_up(database: Database) -> bool:
    with database.connection() as connection:
        position = connection.execute(POSITION).fetchone()
        last = connection.execute(COMMITTED.replace("ORDER BY", "ORDER BY 1 = 2,")).fetchall()
    if position is None or not last:
        return False
    newest = max((row["transaction_id"], row["notification_id"]) for row in last)
    return (position["transaction_id"], position["notification_id"]) == newest


def write(store: EventStore, students: dict[UUID, UUID], *, seed: int, events: int) -> None:
    """One writer: events of random aggregates, now and then two at once, now and then rolled back."""
    choice = random.Random(seed)
    versions = {aggregate_id: len(store.load(aggregate_id)) for aggregate_id in students}
    for _ in range(events):
        one, other = choice.sample(sorted(students), 2)
        changes = [Change(one, versions[one], [Noted(students[one])] * choice.choice([1, 1, 3]))]
        if choice.random() < 0.3:
            changes.append(Change(other, versions[other], [Noted(students[other])]))
        roll_back = choice.random() < 0.1
        try:
            store.append(changes, context(), also=_refuse if roll_back else None)
        except (VersionConflict, _RolledBack):
            for change in changes:
                versions[change.aggregate_id] = len(store.load(change.aggregate_id))
        else:
            for change in changes:
                versions[change.aggregate_id] += len(change.events)


class _RolledBack(Exception):
    pass


def _refuse(_: object) -> None:
    raise _RolledBack


def test_all_that_is_committed_is_published_once_in_the_order_of_each_key(
    store: EventStore, database: Database, kafka: KafkaConnection, topic: str
) -> None:
    students = {uuid4(): uuid4() for _ in range(12)}
    relay = relay_of(database, kafka, topic)
    store.on_appended = relay.wake
    writers = [
        threading.Thread(target=write, args=(store, students), kwargs={"seed": seed, "events": 100})
        for seed in range(4)
    ]

    async def scenario() -> None:
        async with running(relay.run):
            for writer in writers:
                writer.start()
            await eventually(lambda: not any(writer.is_alive() for writer in writers))
            await eventually(lambda: is_caught_up(database))
        events = await read_topic(kafka, topic)
        assert without_doubles(events) == committed(database, students)
        assert len(events) == sum(map(len, committed(database, students).values()))

    asyncio.run(scenario())


def test_a_relay_that_is_killed_again_and_again_skips_nothing_and_inverts_nothing(
    store: EventStore, database: Database, kafka: KafkaConnection, topic: str
) -> None:
    students = {uuid4(): uuid4() for _ in range(12)}
    choice = random.Random(5)
    writer = threading.Thread(target=write, args=(store, students), kwargs={"seed": 1, "events": 600})

    async def scenario() -> None:
        writer.start()
        while writer.is_alive():
            relay = asyncio.create_task(relay_of(database, kafka, topic).run(asyncio.Event()))
            await asyncio.sleep(choice.uniform(0.1, 0.8))
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)
        async with running(relay_of(database, kafka, topic).run):
            await eventually(lambda: is_caught_up(database))
        assert without_doubles(await read_topic(kafka, topic)) == committed(database, students)

    asyncio.run(scenario())


def test_while_parts_of_an_import_come_in_the_relay_waits_and_then_goes_on_by_itself(
    store: EventStore, database: Database, kafka: KafkaConnection, topic: str
) -> None:
    relay = relay_of(database, kafka, topic)
    store.on_appended = relay.wake
    relay.hold()
    append(store, uuid4(), 1, uuid4())

    async def scenario() -> None:
        async with running(relay.run):
            await asyncio.sleep(HOLD_S / 2)
            relay.hold()
            await asyncio.sleep(HOLD_S * 0.7)
            assert not is_caught_up(database)
            await eventually(lambda: is_caught_up(database))
        assert len(await read_topic(kafka, topic)) == 1

    asyncio.run(scenario())


def test_private_events_are_passed_over(
    store: EventStore, database: Database, kafka: KafkaConnection, topic: str
) -> None:
    aggregate_id, student_id = uuid4(), uuid4()
    append(store, aggregate_id, 1, None)
    append(store, aggregate_id, 2, student_id)
    append(store, aggregate_id, 3, None)

    async def scenario() -> None:
        async with running(relay_of(database, kafka, topic).run):
            await eventually(lambda: is_caught_up(database))
        published = await read_topic(kafka, topic)
        assert [(one.subject, one.sequence) for one in published] == [(aggregate_id, 2)]
        assert published[0].source == "/relais/sessions"
        assert published[0].actor == "support:test@example.org"

    asyncio.run(scenario())


def test_of_two_relays_one_publishes_and_the_other_takes_over(
    store: EventStore, database: Database, kafka: KafkaConnection, topic: str
) -> None:
    student_id = uuid4()

    async def scenario() -> None:
        async with running(relay_of(database, kafka, topic).run) as stop_first:
            append(store, uuid4(), 1, student_id)
            await eventually(lambda: is_caught_up(database))
            async with running(relay_of(database, kafka, topic).run):
                append(store, uuid4(), 1, student_id)
                await eventually(lambda: is_caught_up(database))
                stop_first.set()
                append(store, uuid4(), 1, student_id)
                await eventually(lambda: is_caught_up(database), deadline_s=10)
        assert len(await read_topic(kafka, topic)) == 3

    asyncio.run(scenario())


def test_a_relay_whose_session_is_cut_goes_on_from_its_position(
    store: EventStore, database_url: str, database: Database, kafka: KafkaConnection, topic: str
) -> None:
    students = {uuid4(): uuid4() for _ in range(4)}
    writer = threading.Thread(target=write, args=(store, students), kwargs={"seed": 2, "events": 300})

    def cut() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'relais-relay-sessions' AND datname = current_database()"
            )

    async def scenario() -> None:
        async with running(relay_of(database, kafka, topic).run):
            writer.start()
            while writer.is_alive():
                await asyncio.sleep(0.3)
                await asyncio.to_thread(cut)
            await eventually(lambda: is_caught_up(database))
        assert without_doubles(await read_topic(kafka, topic)) == committed(database, students)

    asyncio.run(scenario())


@pytest.mark.mutation("the fence of the relay's position")
def test_a_relay_that_was_replaced_cannot_move_the_position(store: EventStore, database: Database) -> None:
    replaced = Leadership.take(database.url, "sessions")
    assert replaced is not None
    assert Leadership.take(database.url, "sessions") is None
    with database.connection() as connection:
        connection.execute("UPDATE relay_position SET epoch = epoch + 1")
    with pytest.raises(Fenced):
        replaced.move_to(Position(10**9, 1))
    with pytest.raises(Fenced):
        replaced.confirm()
    replaced.close()
    successor = Leadership.take(database.url, "sessions")
    assert successor is not None
    assert successor.position == Position(0, 0)
    successor.close()


@pytest.mark.mutation("the position moves behind the acknowledgement")
def test_the_position_stays_where_the_brokers_are_away(store: EventStore, database: Database, stack: Stack) -> None:
    append(store, uuid4(), 1, uuid4())
    nobody = KafkaConnection(Settings(kafka_bootstrap_servers="127.0.0.1:9"))

    async def scenario() -> None:
        async with running(relay_of(database, nobody, "test.relay.nowhere").run):
            await asyncio.sleep(1.0)
        with database.connection() as connection:
            assert connection.execute(POSITION).fetchone() == {"transaction_id": 0, "notification_id": 0}

    asyncio.run(scenario())


def test_an_event_that_cannot_be_published_holds_the_relay_and_is_not_skipped(
    store: EventStore, database: Database, kafka: KafkaConnection, topic: str
) -> None:
    broken = threading.Event()
    broken.set()
    publish = publish_on(topic)

    def publish_or_fail(event: object) -> object:
        if broken.is_set():
            raise RuntimeError("no contract for this event")
        return publish(event)  # type: ignore[arg-type]

    relay = Relay(
        service="sessions",
        database=database,
        store=store,
        publish=publish_or_fail,  # type: ignore[arg-type]
        kafka=kafka,
        source="/relais/sessions",
    )
    append(store, uuid4(), 1, uuid4())

    async def scenario() -> None:
        async with running(relay.run):
            await asyncio.sleep(0.5)
            assert await read_topic(kafka, topic) == []
            broken.clear()
            await eventually(lambda: is_caught_up(database))
        assert len(await read_topic(kafka, topic)) == 1

    asyncio.run(scenario())


def test_other_clients_find_the_same_partition_for_a_key(kafka: KafkaConnection, topic: str) -> None:
    keys = [str(uuid4()).encode() for _ in range(50)]
    found: dict[bytes, int] = {}

    def note(_: object, message: Message) -> None:
        found[bytes(message.key() or b"")] = int(message.partition() or 0)

    producer = Producer({"bootstrap.servers": ",".join(kafka.bootstrap_servers), "partitioner": "murmur2"})
    for key in keys:
        producer.produce(
            topic,
            b"{}",
            key,
            on_delivery=lambda _, message: found.update({bytes(message.key() or b""): int(message.partition() or 0)}),
        )
    producer.flush(10)
    assert found == {key: partition_hash(key) % kafka.partitions for key in keys}
