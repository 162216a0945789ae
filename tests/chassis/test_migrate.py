"""Migrations: safe to run twice and at once, and never edited afterwards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis import migrate
from services.chassis.migrate import MigrationError, migrate_database, services_with_data


@pytest.fixture
def empty_database(stack: Stack) -> Iterator[str]:
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield make_conninfo(stack.database_url, dbname=name)
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_four_at_once_apply_each_migration_once(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(migrate_database, [empty_database] * 4) for name in names]
    assert applied
    assert len(applied) == len(set(applied))
    assert migrate_database(empty_database) == []


def test_each_service_reaches_its_own_schema_only(empty_database: str) -> None:
    migrate_database(empty_database)
    services = services_with_data()
    assert {"sessions", "transfers", "billing", "attendance", "notifier", "support"} <= set(services)
    for service, other in zip(services, [*services[1:], services[0]], strict=True):
        with psycopg.connect(make_conninfo(empty_database, user=f"relais_{service}"), autocommit=True) as connection:
            connection.execute("SELECT * FROM stored_events")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {other}.stored_events")


def test_a_migration_that_was_edited_is_refused(empty_database: str) -> None:
    migrate_database(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("UPDATE sessions.schema_migrations SET sha256 = 'x' WHERE name LIKE 'chassis/0001%'")
    with pytest.raises(MigrationError, match=r"chassis/0001_event_store.sql was edited after it was applied"):
        migrate_database(empty_database)


def test_without_a_database_it_says_what_to_set() -> None:
    from services.chassis.settings import Settings

    with pytest.raises(MigrationError, match="RELAIS_DATABASE_URL"):
        migrate.migrate(Settings(database_url=None))
