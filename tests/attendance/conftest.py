"""Attendance on a real, migrated database of its own: its reactions fed by hand, its API asked over HTTP."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from relais_contracts import CloudEvent, Contract
from services.attendance.edges.api import attendance_router, entries_router
from services.attendance.edges.continuity import continuity_router
from services.attendance.edges.period import period_router
from services.attendance.main import REACTIONS
from services.chassis.access import Guard
from services.chassis.accounts import Accounts
from services.chassis.auth import LocalIssuer
from services.chassis.database import Database
from services.chassis.http import create_api
from services.chassis.ids import new_id
from services.chassis.migrate import migrate_database
from tests.attendance.school import PARIS, paris

NOW = paris(2026, 11, 20, 12)


@dataclass
class HandClock:
    """A clock that the test sets."""

    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant


@dataclass
class Attendance:
    """The service in one process, without Kafka: what it would read there is handed to its reactions."""

    database: Database
    issuer: LocalIssuer
    clock: HandClock = field(default_factory=HandClock)
    client: TestClient = field(init=False)
    _sequences: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        guard = Guard(Accounts(self.database), account_patience_s=0, tie_patience_s=0)
        api = create_api(
            "attendance",
            service="attendance",
            auth=self.issuer.authenticator(),
            routers=[
                attendance_router(self.database, guard, self.clock, PARIS),
                entries_router(self.database, PARIS),
                continuity_router(self.database, guard, self.clock, PARIS),
                period_router(self.database, guard, self.clock, PARIS),
            ],
            ready=dict,
            clock=self.clock,
        )
        self.client = TestClient(api)

    def receive(self, data: Contract, *, at: datetime | None = None) -> UUID:
        """Lets an event take effect as the inbox would, in one transaction; gives its id."""
        subject: UUID = getattr(data, "session_id", None) or UUID(data.key)
        self._sequences[subject] += 1
        event = CloudEvent(
            id=new_id(),
            type=data.ce_type,
            source="/relais/sessions",
            subject=subject,
            sequence=self._sequences[subject],
            time=at or self.clock.now(),
            correlation_id=new_id(),
            causation_id=None,
            actor="mentor:camille@mentors.example",
            traceparent=None,
            key=data.key,
            data=data,
        )
        with self.database.transaction() as connection:
            for react in REACTIONS[event.type]:
                react(connection, event)
        return event.id

    def get(
        self, path: str, /, role: str = "training", email: str = "someone@relais.example", **parameters: Any
    ) -> Response:
        headers = {"Authorization": f"Bearer {self.issuer.mint(role, email)}"}
        answer: Response = self.client.get(f"/api{path}", params=parameters, headers=headers)
        return answer

    def file(self, student_id: UUID, **parameters: Any) -> dict[str, Any]:
        answer = self.get(f"/students/{student_id}/attendance", **parameters)
        assert answer.status_code == 200, answer.text
        file: dict[str, Any] = answer.json()
        return file


@pytest.fixture(scope="module")
def database_url(stack: Stack) -> Iterator[str]:
    name = f"attendance_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    yield url
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def attendance(database_url: str, tmp_path: Path) -> Iterator[Attendance]:
    database = Database(make_conninfo(database_url, user="relais_attendance"), application_name="test")
    yield Attendance(database=database, issuer=LocalIssuer(tmp_path / "issuer"))
    database.close()


@pytest.fixture
def student_id() -> UUID:
    """A student whom no other test knows."""
    return new_id()
