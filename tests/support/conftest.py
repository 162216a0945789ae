"""Support on a real, migrated database of its own: its reaction fed by hand, its API asked over HTTP."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from relais_contracts import CloudEvent, Contract, sessions, transfers
from services.chassis.auth import LocalIssuer
from services.chassis.database import Database
from services.chassis.http import create_api
from services.chassis.ids import new_id
from services.chassis.migrate import migrate_database
from services.support.edges.api import audit_router
from services.support.edges.other_services import EffectsElsewhere
from services.support.edges.proof import proof_router
from services.support.main import reactions

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MENTOR = "mentor:alice@example.org"


@dataclass
class Others:
    """Billing, attendance and the notifier, holding what the test puts there."""

    held: EffectsElsewhere = field(default_factory=EffectsElsewhere)
    asked: list[tuple[tuple[UUID, ...], str]] = field(default_factory=list)

    def effects_of(self, event_ids: Sequence[UUID], authorization: str) -> EffectsElsewhere:
        self.asked.append((tuple(event_ids), authorization))
        return self.held


@dataclass
class Support:
    """The service in one process, without Kafka: what it would read there is handed to its reactions."""

    database: Database
    issuer: LocalIssuer
    others: Others = field(default_factory=Others)
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = TestClient(
            create_api(
                "support",
                service="support",
                auth=self.issuer.authenticator(),
                routers=[audit_router(self.database, self.others), proof_router(self.database)],
                ready=dict,
            )
        )

    def receive(self, *events: CloudEvent) -> None:
        with self.database.transaction() as connection:
            for event in events:
                for react in reactions()[event.type]:
                    react(connection, event)

    def get(self, path: str, *, role: str = "support", **parameters: Any) -> Response:
        token = self.issuer.mint(role, "sam@example.org")
        answer: Response = self.client.get(
            f"/api/audit{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {token}", "Accept-Language": "en"},
        )
        return answer

    def found(self, **parameters: Any) -> list[UUID]:
        """The ids of the events that a search gives, in its order."""
        answer = self.get("", **parameters)
        assert answer.status_code == 200, answer.text
        return [UUID(item["event_id"]) for item in answer.json()["items"]]


def published(data: Contract, **more: Any) -> CloudEvent:
    """The data as a published event; ``more`` sets attributes."""
    attributes: dict[str, Any] = {
        "id": new_id(),
        "type": data.ce_type,
        "source": "/relais/sessions",
        "subject": getattr(data, "session_id", None) or uuid4(),
        "sequence": 1,
        "time": NOON,
        "correlation_id": uuid4(),
        "causation_id": None,
        "actor": MENTOR,
        "traceparent": None,
        "key": data.key,
        "data": data,
        "topic": data.topic,
    }
    return CloudEvent(**(attributes | more))


def held(student_id: UUID | None = None, mentor_id: UUID | None = None) -> sessions.SessionHeld:
    return sessions.SessionHeld(
        session_id=uuid4(),
        student_id=student_id or uuid4(),
        mentor_id=mentor_id or uuid4(),
        starts_at=NOON,
        duration_minutes=50,
        held_at=NOON,
    )


def transferred(from_mentor_id: UUID, to_mentor_id: UUID) -> transfers.StudentTransferred:
    return transfers.StudentTransferred(
        student_id=uuid4(),
        from_mentor_id=from_mentor_id,
        to_mentor_id=to_mentor_id,
        path="Python",
        project="Projet 1",
        funding="third_party",
        kind="one_off",
    )


@pytest.fixture(scope="module")
def database_url(stack: Stack) -> Iterator[str]:
    name = f"support_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    yield url
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def support(database_url: str, tmp_path: Path) -> Iterator[Support]:
    """With an empty log."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE support.audit_events, support.audit_heads")
    database = Database(make_conninfo(database_url, user="relais_support"), application_name="test")
    yield Support(database, LocalIssuer(tmp_path / "issuer"))
    database.close()
