"""Billing on a real, migrated database of its own: its reactions fed by hand, its API asked over HTTP."""

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
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow

from deploy.local import Stack
from relais_contracts import CloudEvent, Contract
from relais_contracts.transfers import MentorRegistered
from services.billing.domain.events import EVENT_TYPES
from services.billing.edges.api import lines_router, statements_router
from services.billing.edges.disputes import disputes_router
from services.billing.edges.months import months_router
from services.billing.main import reactions
from services.billing.views.statements import Statements
from services.chassis.access import Guard
from services.chassis.accounts import Accounts
from services.chassis.auth import LocalIssuer
from services.chassis.commands import Commands
from services.chassis.database import Database
from services.chassis.event_store import EventStore
from services.chassis.http import create_api
from services.chassis.ids import new_id
from services.chassis.migrate import migrate_database
from tests.billing.figures import PARIS, TARIFF, paris

NOW = paris(2026, 12, 10, 9)


@dataclass
class HandClock:
    """A clock that the test sets."""

    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant


@dataclass
class Billing:
    """The service in one process, without Kafka: what it would read there is handed to its reactions."""

    database: Database
    statements: Statements
    store: EventStore
    issuer: LocalIssuer
    clock: HandClock
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        accounts = Accounts(self.database)
        guard = Guard(accounts, account_patience_s=0, tie_patience_s=0)
        routers = [
            statements_router(self.database, self.store, Commands(self.store), self.statements, guard, accounts),
            lines_router(self.database, self.statements),
            months_router(self.database, Commands(self.store), self.statements, self.clock),
            disputes_router(self.database, self.store, Commands(self.store), self.statements, guard),
        ]
        api = create_api(
            "billing",
            service="billing",
            auth=self.issuer.authenticator(),
            routers=routers,
            ready=dict,
            clock=self.clock,
        )
        self.client = TestClient(api)

    def receive(self, data: Contract, *, at: datetime | None = None) -> UUID:
        """Lets an event take effect as the inbox would, in one transaction; gives its id."""
        with self.database.transaction() as connection:
            return self.take_effect(connection, data, at=at)

    def take_effect(self, connection: Connection[DictRow], data: Contract, *, at: datetime | None = None) -> UUID:
        """The same in a transaction that the test holds open."""
        event = CloudEvent(
            id=new_id(),
            type=data.ce_type,
            source="/relais/sessions",
            subject=getattr(data, "session_id", None) or UUID(data.key),
            sequence=1,
            time=at or self.clock.now(),
            correlation_id=new_id(),
            causation_id=None,
            actor="mentor:camille@mentors.example",
            traceparent=None,
            key=data.key,
            data=data,
        )
        for react in reactions(self.statements)[event.type]:
            react(connection, event)
        return event.id

    def get(self, path: str, role: str = "billing", email: str = "bea@relais.example", **parameters: Any) -> Response:
        answer: Response = self.client.get(f"/api{path}", params=parameters, headers=self._headers(role, email))
        return answer

    def post(
        self, path: str, body: object, role: str = "billing", email: str = "bea@relais.example", **headers: str
    ) -> Response:
        answer: Response = self.client.post(f"/api{path}", json=body, headers={**self._headers(role, email), **headers})
        return answer

    def delete(self, path: str, role: str = "billing", email: str = "bea@relais.example") -> Response:
        answer: Response = self.client.delete(f"/api{path}", headers=self._headers(role, email))
        return answer

    def close(self, mentor_id: UUID, month: str, role: str = "billing", **headers: str) -> Response:
        path = f"/api/mentors/{mentor_id}/statements/{month}/close"
        answer: Response = self.client.post(path, headers={**self._headers(role, "bea@relais.example"), **headers})
        return answer

    def statement(self, mentor_id: UUID, month: str, **parameters: Any) -> dict[str, Any]:
        answer = self.get(f"/mentors/{mentor_id}/statements/{month}", **parameters)
        assert answer.status_code == 200, answer.text
        statement: dict[str, Any] = answer.json()
        return statement

    def _headers(self, role: str, email: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.mint(role, email)}"}


@pytest.fixture(scope="module")
def database_url(stack: Stack) -> Iterator[str]:
    name = f"billing_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    yield url
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def billing(database_url: str, tmp_path: Path) -> Iterator[Billing]:
    database = Database(make_conninfo(database_url, user="relais_billing"), application_name="test")
    yield Billing(
        database=database,
        statements=Statements(TARIFF, PARIS),
        store=EventStore(database, "billing", EVENT_TYPES),
        issuer=LocalIssuer(tmp_path / "issuer"),
        clock=HandClock(),
    )
    database.close()


@pytest.fixture
def mentor_id(billing: Billing) -> UUID:
    """A mentor with an account, whom no other test knows."""
    account_id = new_id()
    billing.receive(
        MentorRegistered(
            mentor_id=account_id,
            email=f"{account_id}@mentors.example",
            name="Jean Petit",
            capacity=5,
            paths=("data",),
            projects=(),
            timezone="Europe/Paris",
        )
    )
    return account_id
