"""Row 3: the relay with a backlog, against a raw producer that sends the same records."""

import asyncio
import time
from collections.abc import Iterator

from confluent_kafka import Producer

from benchmarks.ground import Ground, fill, session_store
from benchmarks.harness import Row, compare
from relais_contracts import CloudEvent
from services.chassis.database import Database
from services.chassis.event_store import START, EventStore, Recorded
from services.chassis.relay import Publication, Publish, Relay
from services.sessions.edges.publish import SOURCE, publish

BACKLOG = 100_000
DEBEZIUM_PER_S = 6_700
LAST = """
SELECT transaction_id::text::bigint, notification_id FROM stored_events
ORDER BY stored_events.transaction_id DESC, notification_id DESC LIMIT 1
"""


def rows(ground: Ground, *, short: bool) -> Iterator[Row]:
    backlog = BACKLOG // 10 if short else BACKLOG
    ground.execute("TRUNCATE sessions.stored_events, sessions.relay_position")
    database = ground.database("sessions")
    store = session_store(database)
    fill(store, backlog)
    ground.execute("VACUUM ANALYZE sessions.stored_events")
    topic = ground.new_topic("bench.relay")
    records = _records(store)
    producer = Producer(
        {
            "bootstrap.servers": ground.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "batch.size": 512 * 1024,
            "queue.buffering.max.messages": 2 * backlog,
            "partitioner": "murmur2",
        }
    )

    def raw() -> float:
        began = time.perf_counter()
        for key, value, headers in records:
            producer.produce(topic, value, key, headers=headers)
        producer.flush()
        return backlog / (time.perf_counter() - began)

    def relayed() -> float:
        ground.execute("TRUNCATE sessions.relay_position")
        relay = Relay(
            service="sessions",
            database=database,
            store=store,
            publish=publish_on(topic),
            kafka=ground.kafka(),
            source=SOURCE,
        )
        return backlog / asyncio.run(_until_caught_up(relay, database))

    row = compare(
        "3",
        f"relay, backlog of {backlog:,}",
        "raw confluent-kafka producer, warmed",
        ours=relayed,
        theirs=raw,
        unit="events/s",
        at_least=0.60,
    )
    yield row
    database.close()


def publish_on(topic: str) -> Publish:
    """As the sessions service publishes, but on a topic of this benchmark."""

    def publish_there(event: Recorded) -> Publication | None:
        publication = publish(event)
        return None if publication is None else (topic, *publication[1:])

    return publish_there


def _records(store: EventStore) -> list[tuple[bytes, bytes, list[tuple[str, str | bytes | None]]]]:
    made: list[tuple[bytes, bytes, list[tuple[str, str | bytes | None]]]] = []
    position = START
    while True:
        page, position = store.read_committed_since(position, 5_000)
        if not page:
            return made
        for event in page:
            publication = publish(event)
            assert publication is not None
            _, key, data = publication
            cloud_event = CloudEvent(
                event.event_id, data.ce_type, SOURCE, event.aggregate_id, event.version, event.recorded_at,
                event.correlation_id, event.causation_id, event.actor, event.traceparent, key, data,
            )  # fmt: skip
            written_key, value, headers = cloud_event.to_record()
            made.append((written_key, value, list[tuple[str, str | bytes | None]](headers)))


async def _until_caught_up(relay: Relay, database: Database) -> float:
    """Seconds from the start of the relay to the position behind the last event."""
    stop = asyncio.Event()
    with database.connection() as connection:
        last = tuple((connection.execute(LAST).fetchone() or {}).values())
        began = time.perf_counter()
        running = asyncio.create_task(relay.run(stop))
        while True:
            position = connection.execute("SELECT transaction_id, notification_id FROM relay_position").fetchone()
            if position is not None and tuple(position.values()) == last:
                break
            await asyncio.sleep(0.01)
        took_s = time.perf_counter() - began
    stop.set()
    await running
    return took_s
