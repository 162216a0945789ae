"""Row 6: rebuilding a view from its first event, against COPY of those events out of the event store.

Each view is measured by itself, its indexes and its comparison with the live one included.
"""

import asyncio
import time
from collections.abc import Iterator
from importlib import import_module

from aiokafka import AIOKafkaProducer

from benchmarks.ground import NOON, Ground, held
from benchmarks.harness import Row, compare
from relais_contracts import CloudEvent, sessions
from services.chassis.event_store import Recorded
from services.chassis.ids import new_id
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.replay.rebuild import Rebuild, administrator
from services.chassis.replay.view import View
from services.chassis.settings import Settings
from services.sessions.edges.publish import SOURCE, publish

EVENTS = 100_000
SHORT_EVENTS = 20_000
VIEWS = ("billing", "attendance", "support")
IN_FLIGHT = 5_000

# The events as the event store of their service has them.
STORE = """
INSERT INTO sessions.stored_events (originator_id, originator_version, topic, state)
SELECT gen_random_uuid(), 1, 'sessions.SessionHeld.v1', convert_to(jsonb_build_object(
    'event_id', gen_random_uuid(), 'data', jsonb_build_object('appointment', jsonb_build_object(
        'student_id', gen_random_uuid(), 'mentor_id', gen_random_uuid(), 'starts_at', now(), 'duration_minutes', 45,
        'timezone', 'Europe/Paris', 'path', 'Développeur Python'), 'held_at', now()),
    'recorded_at', now(), 'actor', 'mentor:bench@example.org', 'correlation_id', gen_random_uuid(),
    'causation_id', null, 'traceparent', null)::text, 'UTF8')
FROM generate_series(1, {count})
"""
COPY_OUT = "COPY (SELECT * FROM sessions.stored_events) TO STDOUT (FORMAT binary)"

# As if the live view had dealt with all of it: a rebuild goes no further than that.
POSITIONS = """
INSERT INTO {service}.inbox_positions (consumer, topic, partition, next_offset)
VALUES ('{service}', '{topic}', {partition}, {end})
"""


class Quiet:
    """Progress that nobody watches."""

    def stage(self, name: str, total_count: int | None = None) -> None: ...
    def advance(self, count: int) -> None: ...


def rows(ground: Ground, *, short: bool) -> Iterator[Row]:
    event_count = SHORT_EVENTS if short else EVENTS
    asyncio.run(ensure_topics(ground.kafka()))
    ends = asyncio.run(publish_all(ground.kafka(), sessions.TOPIC, event_count))
    ground.execute(
        "TRUNCATE sessions.stored_events", STORE.format(count=event_count), "VACUUM ANALYZE sessions.stored_events"
    )
    for service in VIEWS:
        view: View = import_module(f"services.{service}.main").view(Settings())
        ground.execute(
            f"TRUNCATE {service}.inbox_positions",
            *(
                POSITIONS.format(service=service, topic=sessions.TOPIC, partition=partition, end=end)
                for partition, end in ends.items()
            ),
        )

        def rebuilt(view: View = view) -> float:
            began = time.perf_counter()
            asyncio.run(rebuild(ground, view))
            return time.perf_counter() - began

        def copied() -> float:
            began = time.perf_counter()
            with administrator(ground.database_url) as connection, connection.cursor().copy(COPY_OUT) as copy:
                for _ in copy:
                    pass
            return time.perf_counter() - began

        yield compare(
            "6",
            f"rebuild of {view.names[0]} from {event_count:,} events",
            "COPY of those events out",
            ours=rebuilt,
            theirs=copied,
            unit="s",
            at_most=4.0,
            rounds=3,
        )


async def rebuild(ground: Ground, view: View) -> None:
    """Builds the view from nothing."""
    with administrator(ground.database_url) as connection:
        again = Rebuild(
            view,
            connection=connection,
            database_url=ground.database_url,
            service_url=ground.url_of(view.service),
            kafka=ground.kafka(),
            progress=Quiet(),
        )
        again.drop()
        await again.build()


async def publish_all(kafka: KafkaConnection, topic: str, event_count: int) -> dict[int, int]:
    """Publishes so many sessions held; gives the end of each partition."""
    ends: dict[int, int] = {}
    async with AIOKafkaProducer(**kafka.client_options(), enable_idempotence=True, linger_ms=20) as producer:
        for begin in range(0, event_count, IN_FLIGHT):
            sent = []
            for number in range(begin, min(begin + IN_FLIGHT, event_count)):
                key, value, headers = event(number).to_record()
                sent.append(await producer.send(topic, value, key, headers=headers))
            for place in await asyncio.gather(*sent):
                ends[place.partition] = max(ends.get(place.partition, 0), place.offset + 1)
    return ends


def event(number: int) -> CloudEvent:
    """A session that was held, as its service publishes it."""
    recorded = Recorded(
        event_id=new_id(),
        aggregate_id=new_id(),
        version=1,
        name="sessions.SessionHeld.v1",
        data=held(number),
        recorded_at=NOON,
        actor="mentor:bench@example.org",
        correlation_id=new_id(),
        causation_id=None,
        traceparent=None,
    )
    publication = publish(recorded)
    assert publication is not None
    _, key, data = publication
    return CloudEvent(
        recorded.event_id, data.ce_type, SOURCE, recorded.aggregate_id, 1, NOON, recorded.correlation_id, None,
        recorded.actor, None, key, data,
    )  # fmt: skip
