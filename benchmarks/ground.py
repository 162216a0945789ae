"""What the benchmarks stand on: a real, durable stack and a migrated database."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis.context import Context
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.migrate import migrate_database
from services.chassis.settings import Settings
from services.sessions.domain.events import EVENT_TYPES, Appointment, SessionHeld

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
STUDENTS = [uuid4() for _ in range(200)]
MENTORS = [uuid4() for _ in range(20)]


@dataclass(frozen=True, slots=True)
class Ground:
    database_url: str
    kafka_bootstrap_servers: str

    def url_of(self, service: str) -> str:
        return make_conninfo(self.database_url, user=f"relais_{service}")

    def database(self, service: str, max_connections: int = 8) -> Database:
        return Database(self.url_of(service), application_name=f"bench-{service}", max_connections=max_connections)

    def kafka(self) -> KafkaConnection:
        return KafkaConnection(Settings(kafka_bootstrap_servers=self.kafka_bootstrap_servers))

    def new_topic(self, name: str) -> str:
        topic = f"{name}.{uuid4().hex[:8]}"
        asyncio.run(ensure_topics(self.kafka(), [topic]))
        return topic

    def execute(self, *statements: str) -> None:
        """Statements as the administrator."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(prefix="relais-bench-") as folder:
        stack = Stack.start(Path(folder) / "stack")
        try:
            migrate_database(stack.database_url)
            yield Ground(stack.database_url, stack.kafka_bootstrap_servers)
        finally:
            stack.stop()


def context() -> Context:
    return Context("mentor:bench@example.org", uuid4(), None, None, datetime.now(UTC))


def held(number: int) -> SessionHeld:
    """The session event that the benchmarks append, publish and project."""
    return SessionHeld(
        appointment=Appointment(
            student_id=STUDENTS[number % len(STUDENTS)],
            mentor_id=MENTORS[number % len(MENTORS)],
            starts_at=NOON + timedelta(minutes=number % 50_000),
            duration_minutes=45,
            timezone="Europe/Paris",
            path="Développeur Python",
        ),
        held_at=NOON + timedelta(days=40),
    )


def session_store(database: Database) -> EventStore:
    return EventStore(database, "sessions", EVENT_TYPES)


def change(number: int, aggregate_id: UUID | None = None) -> Change:
    return Change(aggregate_id or uuid4(), 0, [held(number)])


def fill(store: EventStore, count: int) -> None:
    """Appends ``count`` events of as many sessions."""
    for start in range(0, count, 500):
        store.append([change(number) for number in range(start, min(start + 500, count))], context())
