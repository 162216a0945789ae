"""The service *sessions*, running whole in this process on real servers, with what surrounds it: people and tokens."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import httpx
import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from psycopg.rows import dict_row

from relais_contracts import CloudEvent, Contract
from relais_contracts import transfers as contract
from services.chassis.auth import LocalIssuer
from services.chassis.clock import SandboxClock
from services.chassis.ids import new_id
from services.chassis.service import serve
from services.chassis.settings import Settings
from services.sessions.main import build

DEADLINE_S = 60.0
T = TypeVar("T")


def eventually(look: Callable[[], T | None], deadline_s: float = DEADLINE_S) -> T:
    """What ``look`` finds, as soon as it finds something; fails where it never does."""
    until = time.monotonic() + deadline_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, "this never happened"
        time.sleep(0.02)


@dataclass
class Running:
    """A running service. ``clock`` is moved by the tests; ``school`` publishes as the service transfers would."""

    url: str
    database_url: str
    kafka: str
    issuer: LocalIssuer
    clock: SandboxClock
    versions: dict[UUID, int] = field(default_factory=dict)

    def client(self, role: str = "support", email: str = "sam@example.org", language: str = "fr") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.issuer.mint(role, email)}", "Accept-Language": language}
        return httpx.Client(base_url=f"{self.url}/api", headers=headers, timeout=30)

    def mentors_client(self, mentor_id: UUID | str, language: str = "fr") -> httpx.Client:
        """Requests of a mentor, or of the mentor of a session: ``service.mentors_client(session["mentor_id"])``."""
        return self.client("mentor", address_of(mentor_id), language)

    def students_client(self, student_id: UUID | str) -> httpx.Client:
        return self.client("student", address_of(student_id))

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            connection.execute("SET search_path = sessions")
            return connection.execute(query.encode(), parameters).fetchall()

    def publish(self, *events: Contract) -> None:
        """Puts events of the service transfers on their topic, in order."""
        records = [self.enveloped(event).to_record() for event in events]
        asyncio.run(_send(self.kafka, contract.TOPIC, records))

    def published(self) -> list[CloudEvent]:
        """All that is on the sessions' topic, by partition and offset."""
        return asyncio.run(_read(self.kafka, "relais.sessions"))

    def published_of(self, session_id: str, count: int) -> list[CloudEvent]:
        """The events of one session, once there are ``count``."""

        def look() -> list[CloudEvent] | None:
            found = [event for event in self.published() if str(event.subject) == session_id]
            return found if len(found) >= count else None

        return eventually(look)

    def mentor(self, timezone: str = "Europe/Paris") -> UUID:
        mentor_id = new_id()
        self.publish(
            contract.MentorRegistered(
                mentor_id=mentor_id,
                email=address_of(mentor_id),
                name="Un mentor",
                capacity=10,
                paths=("Développeur Python",),
                projects=("API",),
                timezone=timezone,
            )
        )
        eventually(lambda: self.rows("SELECT 1 FROM mentors WHERE mentor_id = %s", mentor_id))
        return mentor_id

    def student(self, mentor_id: UUID) -> UUID:
        student_id = new_id()
        self.publish(enrolled(student_id, mentor_id, self.clock.now()))
        eventually(lambda: self.rows("SELECT 1 FROM students WHERE student_id = %s", student_id))
        return student_id

    def transfer(self, student_id: UUID, from_mentor_id: UUID, to_mentor_id: UUID) -> None:
        self.publish(transferred(student_id, from_mentor_id, to_mentor_id))

    def schedule(self, student_id: UUID, starts_at: datetime, minutes: int = 45) -> dict[str, Any]:
        """By support, for whoever is the student's mentor."""
        with self.client() as support:
            answer = support.post(
                "/sessions",
                json={"student_id": str(student_id), "starts_at": starts_at.isoformat(), "duration_minutes": minutes},
            )
        assert answer.status_code == 201, answer.text
        session: dict[str, Any] = answer.json()
        return session

    def history(self, session_id: str) -> list[Mapping[str, Any]]:
        with self.client() as support:
            events: list[Mapping[str, Any]] = support.get(f"/sessions/{session_id}/history").json()["items"]
        return events

    def enveloped(self, event: Contract) -> CloudEvent:
        """The event as the service transfers would send it now."""
        subject = UUID(event.key)
        self.versions[subject] = self.versions.get(subject, 0) + 1
        return CloudEvent(
            id=new_id(),
            type=event.ce_type,
            source="/relais/transfers",
            subject=subject,
            sequence=self.versions[subject],
            time=self.clock.now(),
            correlation_id=new_id(),
            causation_id=None,
            actor="directory:school@example.org",
            traceparent=None,
            key=event.key,
            data=event,
        )


def address_of(person_id: UUID | str) -> str:
    return f"{person_id}@example.org"


def enrolled(student_id: UUID, mentor_id: UUID, at: datetime) -> contract.StudentEnrolled:
    return contract.StudentEnrolled(
        student_id=student_id,
        email=address_of(student_id),
        name="Une étudiante",
        path="Développeur Python",
        project="API",
        funding="third_party",
        language="fr",
        mentor_id=mentor_id,
        enrolled_at=at,
    )


def transferred(student_id: UUID, from_mentor_id: UUID, to_mentor_id: UUID) -> contract.StudentTransferred:
    return contract.StudentTransferred(
        student_id=student_id,
        from_mentor_id=from_mentor_id,
        to_mentor_id=to_mentor_id,
        path="Développeur Python",
        project="API",
        funding="third_party",
        kind="one_off",
    )


@contextmanager
def running(settings: Settings, admin_url: str) -> Iterator[Running]:
    """Runs the service in a thread of its own until the end of the ``with``."""
    assert settings.kafka_bootstrap_servers is not None
    assert settings.sandbox_clock_file is not None
    failures: list[BaseException] = []
    issuer = LocalIssuer(settings.data_dir / "issuer")
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        service = build(settings)
        try:
            loop.run_until_complete(serve(service, settings, None, stop))
        except BaseException as failure:
            failures.append(failure)
        finally:
            service.close()
            loop.close()

    thread = threading.Thread(target=run, name="sessions")
    thread.start()
    here = Running(
        url=f"http://{settings.host}:{settings.port}",
        database_url=admin_url,
        kafka=settings.kafka_bootstrap_servers,
        issuer=issuer,
        clock=SandboxClock(settings.sandbox_clock_file),
    )
    try:
        eventually(lambda: failures or _is_ready(here.url))
        yield here
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE_S)
    assert not failures, failures
    assert not thread.is_alive()


def in_a_week() -> datetime:
    """A start far enough away for every reason to be closed but the early one; on the minute."""
    return datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=7)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").is_success
    except httpx.TransportError:
        return False


async def _send(servers: str, topic: str, records: Sequence[tuple[bytes, bytes, list[tuple[str, bytes]]]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key=key, headers=headers)
    finally:
        await producer.stop()


async def _read(servers: str, topic: str) -> list[CloudEvent]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            await consumer._client.set_topics([topic])
            partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[CloudEvent] = []
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [
                    CloudEvent.from_record(one.key, one.value, one.headers, one.topic, one.partition, one.offset)
                    for one in records
                ]
        return found
    finally:
        await consumer.stop()
