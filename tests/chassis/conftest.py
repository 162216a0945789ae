"""A fresh database for each test module, migrated, on the test session's real PostgreSQL."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis.database import Database
from services.chassis.migrate import migrate_database


@pytest.fixture(scope="module")
def database_url(stack: Stack) -> Iterator[str]:
    """The administrator's URL of a database that only this module uses."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    yield url
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The sessions service's own login."""
    own = Database(make_conninfo(database_url, user="relais_sessions"), application_name="test")
    yield own
    own.close()
