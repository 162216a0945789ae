"""How far a service is behind: counted on real servers, judged by time that the test moves, kept for an hour."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient

from deploy.local import Stack
from deploy.local.ports import free_ports
from services.chassis.auth import LocalIssuer
from services.chassis.database import Database
from services.chassis.event_store import EventStore
from services.chassis.http import create_api
from services.chassis.inbox import Inbox
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.lag import LATE_AFTER_S, MINUTES_KEPT, STOPPED_AFTER_S, LagWatch
from services.chassis.lag_api import lag_router
from services.chassis.settings import Settings
from tests.chassis.pipeline import EVENT_TYPES, append, event, eventually, relay_of, running, send

RELAY_POSITION = "INSERT INTO relay_position (relay, epoch, transaction_id) VALUES ('sessions', 1, %s)"


class Time:
    """Moved by the test; both clocks go together."""

    def __init__(self) -> None:
        self.later_s = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.later_s)

    def monotonic(self) -> float:
        return self.later_s


class Ground:
    def __init__(self, database: Database, kafka: KafkaConnection, topic: str) -> None:
        self.database, self.kafka, self.topic, self.time = database, kafka, topic, Time()
        self.store = EventStore(database, "sessions", EVENT_TYPES)
        self.inbox = Inbox(
            consumer="sessions", topics=[topic], database=database, kafka=kafka, reactions={}, before_writes=None
        )

    def relay_came_to(self, transaction_id: int) -> None:
        with self.database.connection() as connection:
            connection.execute(RELAY_POSITION, (transaction_id,))

    def watch(self, kafka: KafkaConnection | None = None, **limits: float) -> LagWatch:
        return LagWatch(
            service="sessions",
            database=self.database,
            kafka=kafka or self.kafka,
            inboxes=[self.inbox],
            now=self.time.now,
            monotonic=self.time.monotonic,
            **limits,
        )


@pytest.fixture
def ground(database: Database, database_url: str, stack: Stack) -> Ground:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE sessions.stored_events, sessions.inbox_positions, sessions.parked")
        connection.execute("TRUNCATE sessions.relay_position")
    kafka = KafkaConnection(Settings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers, kafka_partitions=2))
    topic = f"test.{uuid4().hex[:12]}"
    asyncio.run(ensure_topics(kafka, [topic]))
    return Ground(database, kafka, topic)


def test_where_nothing_waits_all_places_are_up_to_date(ground: Ground) -> None:
    async def check() -> None:
        watch = ground.watch()
        assert watch.state() == "unknown"
        await watch.look()
        await watch.close()
        lags = [standing.lag for standing in watch.standings]
        assert [(lag.topic, lag.partition) for lag in lags] == [(None, None), (ground.topic, 0), (ground.topic, 1)]
        assert [(lag.relay_backlog, lag.consumer_lag, lag.parked) for lag in lags] == [
            (0, None, 0),
            (None, 0, 0),
            (None, 0, 0),
        ]
        assert watch.state() == "up_to_date"

    asyncio.run(check())


def test_what_waits_is_on_its_way_then_late_then_stopped_and_moving_again_only_late(ground: Ground) -> None:
    async def state(watch: LagWatch) -> str:
        await watch.look()
        return watch.state()

    async def check() -> None:
        watch = ground.watch()
        append(ground.store, uuid4(), 1, uuid4())
        assert await state(watch) == "up_to_date"
        ground.time.later_s = LATE_AFTER_S
        assert await state(watch) == "behind"
        ground.time.later_s = STOPPED_AFTER_S - 1
        assert await state(watch) == "behind"
        ground.time.later_s = STOPPED_AFTER_S
        assert await state(watch) == "stopped"
        (relay, *_) = watch.standings
        assert relay.lag.relay_backlog == 1
        assert relay.lag.oldest_age_s == pytest.approx(STOPPED_AFTER_S, abs=5)
        ground.relay_came_to(1)
        append(ground.store, uuid4(), 1, uuid4())
        assert await state(watch) == "behind"
        await watch.close()

    asyncio.run(check())


def test_unread_records_count_with_the_age_of_the_first_until_they_took_effect(ground: Ground) -> None:
    async def check() -> None:
        watch, student = ground.watch(), uuid4()
        await send(ground.kafka, ground.topic, [event(uuid4(), 1, student).to_record() for _ in range(3)])
        ground.time.later_s = 60.0
        await watch.look()
        (behind,) = [standing for standing in watch.standings if standing.lag.consumer_lag]
        assert (behind.lag.consumer_lag, behind.state) == (3, "behind")
        assert behind.lag.oldest_age_s == pytest.approx(60.0, abs=10)

        async def caught_up() -> bool:
            await watch.look()
            return watch.state() == "up_to_date"

        async with running(ground.inbox.run):
            await eventually(caught_up)
        await watch.close()

    asyncio.run(check())


def test_without_kafka_the_relay_is_still_measured_and_the_rest_is_unknown(ground: Ground) -> None:
    nowhere = KafkaConnection(Settings(kafka_bootstrap_servers=f"127.0.0.1:{free_ports(1)[0]}"))
    with ground.database.connection() as connection:
        connection.execute(
            "INSERT INTO inbox_positions (consumer, topic, partition, next_offset) VALUES ('sessions', %s, 0, 4)",
            (ground.topic,),
        )

    async def check() -> None:
        watch = ground.watch(nowhere)
        append(ground.store, uuid4(), 1, None)
        await watch.look()
        relay, partition = watch.standings
        assert (relay.lag.relay_backlog, relay.state) == (1, "up_to_date")
        assert (partition.lag.partition, partition.lag.consumer_lag, partition.state) == (0, None, "unknown")
        assert watch.state() == "unknown"

    asyncio.run(check())


def test_a_database_that_hangs_makes_all_unknown_and_is_measured_again_afterwards(
    ground: Ground, database_url: str
) -> None:
    async def check() -> None:
        watch = ground.watch(database_timeout_s=0.3)
        await watch.look()
        assert watch.state() == "up_to_date"
        with psycopg.connect(database_url) as holder:
            holder.execute("LOCK TABLE sessions.relay_position IN ACCESS EXCLUSIVE MODE")
            for _ in range(2):
                await watch.look()
                assert (watch.state(), list(watch.standings)) == ("unknown", [])
        await watch.look()
        assert watch.state() == "up_to_date"
        await watch.close()

    asyncio.run(check())


def test_the_relay_leaves_nothing_behind(ground: Ground) -> None:
    async def check() -> None:
        watch = ground.watch()
        for _ in range(5):
            append(ground.store, uuid4(), 1, uuid4())
        await watch.look()
        assert watch.standings[0].lag.relay_backlog == 5

        async def published() -> bool:
            await watch.look()
            return watch.standings[0].lag.relay_backlog == 0

        async with running(relay_of(ground.database, ground.kafka, ground.topic).run):
            await eventually(published)
        await watch.close()

    asyncio.run(check())


def test_an_hour_is_kept_by_the_minute_with_the_most_of_each(ground: Ground) -> None:
    async def check() -> None:
        watch = ground.watch()
        append(ground.store, uuid4(), 1, uuid4())
        await watch.look()
        ground.relay_came_to(2**62)
        await watch.look()
        assert [minute.relay_backlog for minute in watch.minutes] == [1]
        for minute in range(1, MINUTES_KEPT + 5):
            ground.time.later_s = 60.0 * minute
            await watch.look()
        await watch.close()
        assert len(watch.minutes) == MINUTES_KEPT
        assert {minute.relay_backlog for minute in watch.minutes} == {0}

    asyncio.run(check())


def test_support_alone_reads_it_and_metrics_say_the_same(ground: Ground, tmp_path: Path) -> None:
    watch, issuer = ground.watch(), LocalIssuer(tmp_path / "issuer")
    api = create_api(
        "sessions", service="sessions", auth=issuer.authenticator(), routers=[lag_router(watch)], ready=dict
    )
    client = TestClient(api)

    def ask(role: str) -> Any:
        token = issuer.mint(role, "sam@example.org")
        return client.get("/api/lag/sessions", headers={"Authorization": f"Bearer {token}"})

    assert ask("support").json() == {
        "service": "sessions", "measured_at": None, "state": "unknown", "items": [], "minutes": []
    }  # fmt: skip
    append(ground.store, uuid4(), 1, uuid4())
    asyncio.run(watch.look())
    found = ask("support").json()
    assert [(item["topic"], item["relay_backlog"]) for item in found["items"] if item["topic"] is None] == [(None, 1)]
    assert (len(found["items"]), len(found["minutes"]), found["state"]) == (3, 1, "up_to_date")
    assert {ask(role).status_code for role in ("mentor", "student", "billing", "training", "directory")} == {403}
    metrics = client.get("/metrics").text
    assert 'relais_relay_backlog_events{service="sessions"} 1.0' in metrics
    assert f'relais_consumer_lag_events{{partition="0",service="sessions",topic="{ground.topic}"}} 0.0' in metrics
