"""The service transfers as it runs: API over HTTP, relay and inbox, on the session's real PostgreSQL and Kafka."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis.auth import LocalIssuer
from services.chassis.ids import new_id
from services.chassis.migrate import migrate
from services.chassis.service import Only, serve
from services.chassis.settings import Settings
from services.transfers.main import build

READY_WITHIN_S = 60.0
LIMITS = httpx.Limits(max_connections=250, max_keepalive_connections=50)
SOON_S = 20.0


@dataclass(frozen=True)
class Api:
    """Requests to the running service in somebody's name. Each account that it makes has its own id and e-mail."""

    client: httpx.Client
    issuer: LocalIssuer
    database_url: str
    kafka_bootstrap_servers: str
    run: str = field(default_factory=lambda: uuid4().hex[:8])

    def as_(
        self, role: str, email: str = "someone@example.org", *, language: str = "fr"
    ) -> Callable[..., httpx.Response]:
        headers = {"Authorization": f"Bearer {self.issuer.mint(role, email)}", "Accept-Language": language}

        def request(method: str, path: str, body: object = None, **more: Any) -> httpx.Response:
            extra: Mapping[str, str] = more.pop("headers", {})
            return self.client.request(method, f"/api{path}", json=body, headers={**headers, **extra}, **more)

        return request

    def mentor(self, **account: Any) -> tuple[UUID, str]:
        """A registered mentor: id and e-mail."""
        mentor_id = new_id()
        email = account.setdefault("email", f"mentor-{mentor_id}@example.org")
        body = mentor_account(**account)
        answer = self.as_("directory")("PUT", f"/mentors/{mentor_id}", body)
        assert answer.status_code == 201, answer.text
        return mentor_id, email

    def student(self, mentor_id: UUID, **account: Any) -> UUID:
        student_id = new_id()
        account.setdefault("email", f"student-{student_id}@example.org")
        body = student_account(mentor_id, **account)
        answer = self.as_("directory")("PUT", f"/students/{student_id}", body)
        assert answer.status_code == 201, answer.text
        return student_id

    def rows(self) -> dict[str, int]:
        """How many rows each of the service's tables has."""
        with psycopg.connect(self.database_url) as connection:
            tables = ("stored_events", "commands", "mentor_emails", "mentor_list", "student_list")
            return {
                table: connection.execute(f"SELECT count(*) FROM transfers.{table}").fetchone()[0]  # type: ignore[index]
                for table in tables
            }


def mentor_account(**given: Any) -> dict[str, Any]:
    account = {
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "capacity": 3,
        "paths": ["data"],
        "projects": ["projet-5"],
        "timezone": "Europe/Paris",
    }
    return account | given


def student_account(mentor_id: UUID, **given: Any) -> dict[str, Any]:
    account = {
        "email": "leo@example.org",
        "name": "Léo Martin",
        "path": "data",
        "project": "projet-5",
        "funding": "third_party",
        "mentor_id": str(mentor_id),
        "language": "fr",
    }
    return account | given


def soon(condition: Callable[[], bool], *, within_s: float = SOON_S) -> None:
    """Waits until `condition` holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def service_settings(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the service on a database of its own, migrated."""
    name = f"transfers_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    settings = Settings(
        database_url=make_conninfo(stack.database_url, dbname=name),
        kafka_bootstrap_servers=stack.kafka_bootstrap_servers,
        data_dir=tmp_path_factory.mktemp("transfers"),
    )
    migrate(settings)
    return settings


@pytest.fixture(scope="session")
def api(service_settings: Settings) -> Iterator[Api]:
    """The whole service: API, relay, inbox, reminders."""
    with running(service_settings, None) as whole:
        yield whole


@contextmanager
def running(settings: Settings, only: Only | None) -> Iterator[Api]:
    """The service, or a part of it, on a port of its own."""
    settings = settings.model_copy(update={"port": _free_port()})
    issuer = LocalIssuer(settings.data_dir / "issuer")
    stopped = threading.Event()
    thread = threading.Thread(target=_run, args=(settings, only, stopped))
    thread.start()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{settings.port}", timeout=120, trust_env=False, limits=LIMITS
    ) as client:
        try:
            soon(lambda: _is_ready(client), within_s=READY_WITHIN_S)
            assert settings.database_url is not None
            assert settings.kafka_bootstrap_servers is not None
            yield Api(client, issuer, settings.database_url, settings.kafka_bootstrap_servers)
        finally:
            stopped.set()
            thread.join(READY_WITHIN_S)


def _run(settings: Settings, only: Only | None, stopped: threading.Event) -> None:
    service = build(settings)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        waiting = asyncio.create_task(asyncio.to_thread(stopped.wait))
        waiting.add_done_callback(lambda _: stop.set())
        await serve(service, settings, only, stop)

    try:
        asyncio.run(until_stopped())
    finally:
        stopped.set()
        service.close()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
