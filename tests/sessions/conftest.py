"""The service running whole, for the tests that need it: one database a module, on the test session's real servers."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.migrate import migrate_database
from services.chassis.settings import Settings
from tests.sessions.running import Running, running


@pytest.fixture(scope="module")
def service(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    name = f"sessions_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    folder: Path = tmp_path_factory.mktemp("sessions")
    settings = Settings(
        database_url=url,
        kafka_bootstrap_servers=stack.kafka_bootstrap_servers,
        data_dir=folder,
        port=_free_port(),
        sandbox_clock_file=folder / "clock.json",
    )
    asyncio.run(ensure_topics(KafkaConnection(settings)))
    with running(settings, url) as here:
        yield here
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(autouse=True)
def present(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins with the machine's time."""
    yield
    if "service" in request.fixturenames:
        here: Running = request.getfixturevalue("service")
        here.clock.reset()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
