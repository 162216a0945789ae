"""Services' inboxes on real servers in this process, events published for them, and rebuilds of their views."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Producer
from psycopg import sql
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from relais_contracts import CloudEvent, Contract, sessions, transfers
from services.chassis.auth import LocalIssuer
from services.chassis.ids import new_id
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.migrate import migrate_database
from services.chassis.replay.comparing import Comparison
from services.chassis.replay.rebuild import Built, Rebuild, administrator
from services.chassis.replay.view import View
from services.chassis.service import Service
from services.chassis.settings import Settings

WITHIN_S = 60.0
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)


class Quiet:
    """Progress that nobody watches."""

    def stage(self, name: str, total_count: int | None = None) -> None: ...
    def advance(self, count: int) -> None: ...


@dataclass
class Ground:
    """One database and one broker; the inboxes of the services that a test asks for."""

    settings: Settings
    issuer: LocalIssuer
    versions: dict[UUID, int] = field(default_factory=dict)
    patience_s: float = WITHIN_S

    @property
    def database_url(self) -> str:
        assert self.settings.database_url is not None
        return self.settings.database_url

    def view(self, service: str) -> View:
        view: View = import_module(f"services.{service}.main").view(self.settings)
        return view

    @contextmanager
    def live(self, name: str) -> Iterator[Service]:
        """The service, whose inboxes run until the end."""
        service: Service = import_module(f"services.{name}.main").build(self.settings)
        stop, loop = asyncio.Event(), asyncio.new_event_loop()

        async def run() -> None:
            await asyncio.gather(*(inbox.run(stop) for inbox in service.inboxes))

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
        thread.start()
        try:
            yield service
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(WITHIN_S)
            loop.close()
            service.close()

    def publish(self, *said: Contract, at: datetime = NOON, spoil: bool = False) -> list[CloudEvent]:
        """Publishes events as their services would; ``spoil`` makes records of them that nobody can read."""
        events = [self._event(data, at) for data in said]
        producer = Producer({"bootstrap.servers": self.settings.kafka_bootstrap_servers, "enable.idempotence": True})
        for event in events:
            key, value, headers = event.to_record()
            while True:
                try:
                    producer.produce(event.data.topic, b"spoilt" if spoil else value, key, headers=list(headers))
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(WITHIN_S) == 0
        return events

    def _event(self, data: Contract, at: datetime) -> CloudEvent:
        subject: UUID = getattr(data, "session_id", None) or getattr(data, "student_id", None) or data.mentor_id  # type: ignore[attr-defined]
        self.versions[subject] = self.versions.get(subject, 0) + 1
        return CloudEvent(
            new_id(), data.ce_type, "/relais/test", subject, self.versions[subject], at, new_id(), None,
            "mentor:camille@mentors.example", None, data.key, data,
        )  # fmt: skip

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What an administrator reads, or does."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            found = connection.execute(query.encode(), parameters)
            return found.fetchall() if found.description else []

    def wait(self, look: Callable[[], object]) -> None:
        deadline = time.monotonic() + self.patience_s
        while not look():
            assert time.monotonic() < deadline, "this never happened"
            time.sleep(0.02)

    def wait_until_read(self, service: str) -> None:
        """Until the service's inbox has come to the end of all its topics."""
        ends = sum(asyncio.run(self._ends(self.view(service).topics)).values())
        query = f"SELECT coalesce(sum(next_offset), 0) FROM {service}.inbox_positions"
        self.wait(lambda: self.rows(query)[0][0] == ends)

    async def _ends(self, topics: Sequence[str]) -> dict[Any, int]:
        consumer = AIOKafkaConsumer(*topics, **KafkaConnection(self.settings).client_options())
        await consumer.start()
        try:
            ends: dict[Any, int] = await consumer.end_offsets(list(consumer.assignment()))
            return ends
        finally:
            await consumer.stop()

    def replay(
        self, service: str, *, diff: bool = True, switch: bool = False, as_of: datetime | None = None
    ) -> tuple[Built, list[Comparison]]:
        """As `relais replay` does it, in this process."""

        async def run() -> tuple[Built, list[Comparison]]:
            with administrator(self.database_url) as connection:
                rebuild = self.rebuild(service, connection, as_of)
                built = await rebuild.build()
                found = await rebuild.compare() if diff else []
                if switch:
                    await rebuild.switch(by="operator:olga")
                return built, found

        return asyncio.run(run())

    def rebuild(self, service: str, connection: Any, as_of: datetime | None = None) -> Rebuild:
        return Rebuild(
            self.view(service),
            connection=connection,
            database_url=self.database_url,
            service_url=self.settings.database_url_for(service),
            kafka=KafkaConnection(self.settings),
            progress=Quiet(),
            as_of=as_of,
        )

    def command(self, *arguments: str) -> "subprocess.Popen[str]":
        """`relais` in a process of its own."""
        environment = {
            "RELAIS_DATABASE_URL": self.database_url,
            "RELAIS_KAFKA_BOOTSTRAP_SERVERS": str(self.settings.kafka_bootstrap_servers),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )

    def drop(self, service: str) -> None:
        with administrator(self.database_url) as connection:
            self.rebuild(service, connection).drop()


def held(
    mentor_id: UUID, student_id: UUID | None = None, session_id: UUID | None = None, *, day: int = 0
) -> sessions.SessionHeld:
    starts_at = NOON + timedelta(days=day)
    return sessions.SessionHeld(
        session_id=session_id or uuid4(),
        student_id=student_id or uuid4(),
        mentor_id=mentor_id,
        starts_at=starts_at,
        duration_minutes=45,
        held_at=starts_at,
    )


def registered(mentor_id: UUID) -> transfers.MentorRegistered:
    return transfers.MentorRegistered(
        mentor_id=mentor_id,
        email=f"{mentor_id.hex[-12:]}@mentors.example",
        name="Alice",
        capacity=5,
        paths=("web",),
        projects=("Site",),
        timezone="Europe/Paris",
    )


def differences(found: Sequence[Comparison]) -> dict[str, int]:
    """Tables that differ, with how many rows do."""
    return {one.table: one.difference_count for one in found if one.difference_count or one.live != one.rebuilt}


@pytest.fixture(scope="session")
def ground(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    name = f"replay_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    folder: Path = tmp_path_factory.mktemp("issuer")
    settings = Settings(
        database_url=url, kafka_bootstrap_servers=stack.kafka_bootstrap_servers, oidc_issuer=folder.as_uri()
    )
    asyncio.run(ensure_topics(KafkaConnection(settings)))
    yield Ground(settings, LocalIssuer(folder))
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
