"""Creates or upgrades every schema, role and topic. Safe to run twice, and from several places at once.

Each service with a ``migrations`` folder gets a schema of its name and a login role ``relais_<name>``; the chassis'
migrations (event store, relay, inbox, parked) come first, then the service's own. Plain SQL, forward only; a ledger
in each schema says what was applied, and a migration that was edited afterwards is refused.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, TupleRow

from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.settings import Settings

ADVISORY_LOCK = 0x52656C616973  # "Relais"
SERVICES = Path(__file__).resolve().parent.parent

LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""
APPLIED_IN = "SELECT name, sha256 FROM {}.schema_migrations"
APPLIED = "SELECT name, sha256 FROM schema_migrations"
RECORD = "INSERT INTO schema_migrations (name, sha256) VALUES (%s, %s)"


class MigrationError(Exception):
    """A migration that was applied has been edited since, or one failed; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def services_with_data() -> list[str]:
    """The services that own a schema: those with a folder of migrations."""
    return sorted(folder.parent.name for folder in SERVICES.glob("*/migrations") if folder.parent.name != "chassis")


def migrations_of(service: str) -> list[Migration]:
    """The chassis' migrations, then the service's own, in order of their file names."""
    return [
        Migration(f"{owner}/{file.name}", file.read_text())
        for owner in ("chassis", service)
        for file in sorted((SERVICES / owner / "migrations").glob("*.sql"))
    ]


def fingerprint_of(service: str) -> str:
    """Changes with any migration of the service."""
    digests = "".join(migration.sha256 for migration in migrations_of(service))
    return hashlib.sha256(digests.encode()).hexdigest()


def unapplied(connection: Connection[DictRow], service: str) -> list[str]:
    """The migrations that the live schema lacks, or has in another version than this code."""
    try:
        rows = connection.execute(sql.SQL(APPLIED_IN).format(sql.Identifier(service))).fetchall()
    except psycopg.errors.UndefinedTable:
        rows = []
    applied = {(row["name"], row["sha256"]) for row in rows}
    return [each.name for each in migrations_of(service) if (each.name, each.sha256) not in applied]


def build_schema(connection: Connection[DictRow], service: str, schema: str) -> None:
    """Makes, within the caller's transaction, another schema with all that the service's own one has, but empty."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema)))
    for migration in migrations_of(service):
        connection.execute(migration.text.encode())


def migrate(settings: Settings) -> list[str]:
    """Brings database and topics to the present version; gives the names of the migrations that it applied.

    Raises ``MigrationError``, and the drivers' errors where a server is away.
    """
    if settings.database_url is None:
        raise MigrationError("Set RELAIS_DATABASE_URL to the database to migrate, with a user that may create roles")
    secret = settings.database_role_password
    applied = migrate_database(settings.database_url, role_password=secret.get_secret_value() if secret else None)
    asyncio.run(ensure_topics(KafkaConnection(settings)))
    return applied


def migrate_database(url: str, *, role_password: str | None = None) -> list[str]:
    """Brings the database alone to the present version. ``role_password`` is by default that of ``url``."""
    applied: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages TO warning")
        connection.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        password = role_password or conninfo_to_dict(url).get("password")
        for service in services_with_data():
            _ensure_role_and_schema(connection, service, str(password) if password else None)
            applied += _apply(connection, service)
    return applied


def _ensure_role_and_schema(connection: Connection[TupleRow], service: str, password: str | None) -> None:
    role, schema = sql.Identifier(f"relais_{service}"), sql.Identifier(service)
    try:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        pass  # There already, perhaps made this moment for another database of the same cluster.
    else:
        if password is not None:
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(password)))
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    database = sql.Identifier(connection.info.dbname)
    for _ in range(10):  # ALTER ROLE updates one shared row; the same in another database may collide.
        try:
            connection.execute(
                sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}").format(role, database, schema)
            )
            break
        except psycopg.errors.InternalError_:
            continue
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
        connection.execute(LEDGER)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))


def _apply(connection: Connection[TupleRow], service: str) -> list[str]:
    role, schema = sql.Identifier(f"relais_{service}"), sql.Identifier(service)
    fresh: list[str] = []
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
        known: dict[str, str] = dict(connection.execute(APPLIED).fetchall())
    for migration in migrations_of(service):
        if migration.name in known:
            if known[migration.name] != migration.sha256:
                raise MigrationError(
                    f"Migration {migration.name} was edited after it was applied to schema {service}; "
                    "put it back as it was, and write what you want changed as a new file"
                )
            continue
        with connection.transaction():
            connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
            try:
                connection.execute(migration.text)
            except psycopg.Error as error:
                raise MigrationError(f"Migration {migration.name} failed in schema {service}: {error}") from error
            connection.execute(RECORD, (migration.name, migration.sha256))
        fresh.append(f"{service}: {migration.name}")
    if fresh:
        with connection.transaction():
            connection.execute(
                sql.SQL(
                    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};"
                    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"
                    "REVOKE UPDATE, DELETE ON {schema}.stored_events FROM {role};"
                    "REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_migrations FROM {role};"
                ).format(schema=schema, role=role)
            )
    return fresh
