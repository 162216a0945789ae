"""The processes that these tests kill: a relay or a consumer in small, forked in a few milliseconds.

A fork server has imported everything once; each member is a real process of its own that SIGKILL ends at any point.
"""

import asyncio
import hashlib
import logging
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent, sessions
from services.chassis.clock import SystemClock
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore
from services.chassis.inbox import Inbox
from services.chassis.kafka import KafkaConnection
from services.chassis.settings import Settings
from services.notifier.edges.rendering import Renderer
from services.notifier.edges.sender import Sender
from services.notifier.edges.smtp import SmtpAddress, SmtpServer
from tests.chassis.pipeline import EVENT_TYPES, Noted, context, relay_of

HELD = sessions.SessionHeld.ce_type
DELAYED = 0.2
MOST_DELAY_S = 0.01
ROLLED_BACK = 0.1
SMTP_TIMEOUT_S = 1.0

EFFECTS = """
CREATE TABLE IF NOT EXISTS billing.effects (
    effect_id bigint GENERATED ALWAYS AS IDENTITY, event_id uuid, student_id text, session_id uuid, version bigint
);
CREATE INDEX IF NOT EXISTS effects_by_student ON billing.effects (student_id, effect_id);
CREATE TABLE IF NOT EXISTS billing.chains (student_id text PRIMARY KEY, links bigint, digest bytea);
CREATE TABLE IF NOT EXISTS billing.broken (event_id uuid PRIMARY KEY);
GRANT ALL ON billing.effects, billing.chains, billing.broken TO relais_billing
"""

IS_BROKEN = "SELECT 1 FROM broken WHERE event_id = %s"
ADD_EFFECT = "INSERT INTO effects (event_id, student_id, session_id, version) VALUES (%s, %s, %s, %s)"
CHAIN = "SELECT links, digest FROM chains WHERE student_id = %s FOR UPDATE"
ADD_LINK = """
INSERT INTO chains (student_id, links, digest) VALUES (%s, %s, %s)
ON CONFLICT (student_id) DO UPDATE SET links = excluded.links, digest = excluded.digest
"""


class Crew:
    """Starts members and ends what is left of them."""

    def __init__(self) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._members: list[Member] = []

    def relay(self, database_url: str, bootstrap_servers: str, topic: str) -> "Member":
        return self._start(_relay, database_url, bootstrap_servers, topic)

    def consumer(self, database_url: str, bootstrap_servers: str, topic: str) -> "Member":
        return self._start(_consumer, database_url, bootstrap_servers, topic)

    def sender(self, database_url: str, smtp_url: str) -> "Member":
        return self._start(_sender, database_url, smtp_url)

    def writer(self, database_url: str, seed: int, event_count: int) -> "Member":
        return self._start(_writer, database_url, seed, event_count)

    def dismiss(self) -> None:
        for member in self._members:
            member.kill()
        self._members.clear()

    def _start(self, work: Callable[..., None], *arguments: Any) -> "Member":
        process = self._context.Process(target=_as_member, args=(work, *arguments), daemon=True)
        process.start()
        member = Member(process)
        self._members.append(member)
        return member


class Member:
    """One process."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        self._process.kill()
        self._process.join(10)

    def stop(self) -> None:
        """SIGTERM: finishes the work in hand."""
        self._process.terminate()
        self._process.join(30)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)


def _as_member(work: Callable[..., None], *arguments: Any) -> None:
    """A member never outlives the test that started it."""
    test = multiprocessing.parent_process()
    assert test is not None
    threading.Thread(target=_end_with, args=(test,), daemon=True).start()
    logging.basicConfig(level=logging.CRITICAL)
    work(*arguments)


def _end_with(test: BaseProcess) -> None:
    test.join()
    os._exit(1)


def _relay(database_url: str, bootstrap_servers: str, topic: str) -> None:
    database = Database(database_url, application_name="member")
    _run(relay_of(database, kafka_at(bootstrap_servers), topic).run)


def _consumer(database_url: str, bootstrap_servers: str, topic: str) -> None:
    inbox = Inbox(
        consumer="billing",
        topics=[topic],
        database=Database(database_url, application_name="member"),
        kafka=kafka_at(bootstrap_servers),
        reactions={HELD: [fold]},
    )
    _run(inbox.run)


def _sender(database_url: str, smtp_url: str) -> None:
    sender = Sender(
        database_url=database_url,
        renderer=Renderer(ZoneInfo("Europe/Paris")),
        server=SmtpServer(SmtpAddress.parse(smtp_url), timeout_s=SMTP_TIMEOUT_S),
        mail_from="Relais <relais@example.org>",
        clock=SystemClock(),
    )
    _run(sender.run)


def _writer(database_url: str, seed: int, event_count: int) -> None:
    """Appends to one aggregate of its own, with delays before the commit and roll-backs."""
    choice, aggregate_id, version = random.Random(seed), uuid4(), 0
    database = Database(database_url, application_name="writer")
    store = EventStore(database, "sessions", EVENT_TYPES)
    while version < event_count:
        noted = [Noted(aggregate_id)] * min(choice.choice([1, 1, 5, 20]), event_count - version)
        with suppress(InterruptedError), database.transaction() as connection:
            store.append([Change(aggregate_id, version, noted)], context(), connection=connection)
            if choice.random() < DELAYED:
                time.sleep(choice.random() * MOST_DELAY_S)
            if choice.random() < ROLLED_BACK:
                raise InterruptedError
            version += len(noted)


def fold(connection: Connection[DictRow], event: CloudEvent) -> None:
    """A reaction that shows each loss, double and inversion: one row an event, and a chain of digests a key.

    It raises for events that a test calls broken.
    """
    if connection.execute(IS_BROKEN, (event.id,)).fetchone() is not None:
        raise LookupError("no tariff for this event")
    connection.execute(ADD_EFFECT, (event.id, event.key, event.subject, event.sequence))
    known = connection.execute(CHAIN, (event.key,)).fetchone() or {"links": 0, "digest": b""}
    digest = hashlib.sha256(bytes(known["digest"]) + event.id.bytes).digest()
    connection.execute(ADD_LINK, (event.key, known["links"] + 1, digest))


def kafka_at(bootstrap_servers: str) -> KafkaConnection:
    return KafkaConnection(Settings(kafka_bootstrap_servers=bootstrap_servers))


def _run(part: Callable[[asyncio.Event], Any]) -> None:
    async def until_told() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await part(stop)

    asyncio.run(until_told())
