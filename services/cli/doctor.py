"""`relais doctor`: settings, servers, topics, clock, rights; each with what to do where it is not well."""

import asyncio
import os
import shutil
import smtplib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import orjson
import psycopg
import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from rich.table import Table
from rich.text import Text

from relais_contracts import TOPICS
from services.chassis.auth import LocalKeys, OidcKeys
from services.chassis.database import CONNECT_TIMEOUT_S
from services.chassis.kafka import KafkaConnection
from services.chassis.migrate import migrations_of, services_with_data
from services.chassis.settings import Settings
from services.cli.failing import FAILED
from services.cli.running_stack import issuer_folder, read_running, settings_of_running
from services.cli.showing import table_console

OLDEST_POSTGRES = 140_000
CLOCKS_APART_S = 2.0
DISK_LEAST_BYTES = 512 * 1024 * 1024
TIMEOUT_S = 5.0

LEDGER = "SELECT name FROM schema_migrations"
RIGHTS = """
SELECT has_table_privilege('stored_events', 'INSERT') AS may_append,
       has_table_privilege('stored_events', 'UPDATE') OR has_table_privilege('stored_events', 'DELETE') AS may_alter
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what it looked at, whether it is well, what it saw, and what to do where it isn't."""

    name: str
    ok: bool
    seen: str
    to_do: str = ""


def command(
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Checks settings, servers, topics, clock and rights, and says what to do. Exit status 1 where one is wrong."""
    settings = settings_of_running(data_dir)
    found = list(examine(settings))
    well = all(finding.ok for finding in found)
    if json:
        typer.echo(orjson.dumps({"ok": well, "checks": [asdict(each) for each in found]}, option=orjson.OPT_INDENT_2))
    else:
        table = Table("", "Vérification", "Constat", "À faire")
        for each in found:
            mark = Text("ok", "green") if each.ok else Text("non", "bold red")
            table.add_row(mark, Text(each.name), Text(each.seen), Text("" if each.ok else each.to_do))
        table_console().print(table)
    if not well:
        raise typer.Exit(FAILED)


def examine(settings: Settings) -> Iterator[Finding]:
    """All checks, one after the other; a check that fails is a finding, never an exception."""
    for name, check, to_do in CHECKS:
        try:
            yield from check(settings)
        except (OSError, ValueError, psycopg.Error, KafkaError, TimeoutError, smtplib.SMTPException) as error:
            yield Finding(name, False, f"{type(error).__name__}: {error}".splitlines()[0], to_do)


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    if not folder.exists():
        yield Finding("dossier de données", True, f"{folder} n’existe pas encore : relais up le crée")
        return
    free = shutil.disk_usage(folder).free
    yield Finding(
        "dossier de données",
        os.access(folder, os.W_OK) and free > DISK_LEAST_BYTES,
        f"{folder}, {free // 1024**2} Mo libres",
        "Donnez le droit d’écrire dans ce dossier, et au moins 512 Mo.",
    )
    key = issuer_folder(settings) / "key.json"
    if key.exists():
        private = not key.stat().st_mode & 0o077
        yield Finding("clé de l’émetteur local", private, str(key), f"chmod 600 {key}")


def _tariff(settings: Settings) -> Iterator[Finding]:
    file = settings.tariff_file
    yield Finding(
        "tarif",
        file is None or file.is_file(),
        str(file or "chiffres d’exemple livrés avec Relais"),
        "Corrigez RELAIS_TARIFF_FILE : ce fichier n’existe pas.",
    )


def _database(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None:
        yield Finding("PostgreSQL", False, "aucun serveur", "Lancez relais up, ou renseignez RELAIS_DATABASE_URL.")
        return
    for service in services_with_data():
        url = settings.database_url_for(service)
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            if service == services_with_data()[0]:
                yield from _server(connection)
            known = {row[0] for row in connection.execute(LEDGER)}
            missing = [each.name for each in migrations_of(service) if each.name not in known]
            rights = connection.execute(RIGHTS).fetchone()
            assert rights is not None
            may_append, may_alter = rights
            seen = "à jour" if not missing else f"il manque {', '.join(missing)}"
            yield Finding(f"schéma {service}", not missing, seen, "Lancez relais migrate.")
            yield Finding(
                f"droits de relais_{service}",
                may_append and not may_alter,
                "ajoute des événements, ne les modifie pas"
                if may_append and not may_alter
                else f"ajoute : {may_append}, modifie : {may_alter}",
                "Lancez relais migrate, sans superutilisateur dans RELAIS_DATABASE_URL pour les services.",
            )


def _server(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Finding]:
    version = connection.info.server_version
    yield Finding(
        "PostgreSQL",
        version >= OLDEST_POSTGRES,
        f"version {version // 10_000}.{version % 10_000}",
        "Relais demande PostgreSQL 14 ou plus récent.",
    )
    before = time.time()
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
    assert row is not None
    apart_s = abs(float(str(row[0])) - (before + time.time()) / 2)
    yield Finding(
        "horloge",
        apart_s <= CLOCKS_APART_S,
        f"{apart_s:.3f} s entre cette machine et PostgreSQL",
        "Réglez les horloges (NTP) : les 24 heures se comptent avec elles.",
    )
    yield Finding("fuseau horaire", True, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def _kafka(settings: Settings) -> Iterator[Finding]:
    if settings.kafka_bootstrap_servers is None:
        yield Finding(
            "Kafka", False, "aucun courtier", "Lancez relais up, ou renseignez RELAIS_KAFKA_BOOTSTRAP_SERVERS."
        )
        return
    topics = asyncio.run(_topics(KafkaConnection(settings)))
    yield Finding("Kafka", True, settings.kafka_bootstrap_servers)
    for topic in TOPICS:
        partitions = topics.get(topic, 0)
        yield Finding(f"topic {topic}", partitions > 0, f"{partitions} partitions", "Lancez relais migrate.")


async def _topics(kafka: KafkaConnection) -> dict[str, int]:
    async with asyncio.timeout(4 * TIMEOUT_S):
        admin = AIOKafkaAdminClient(**kafka.client_options())
        try:
            await admin.start()
            described = await admin.describe_topics(list(TOPICS))
            return {each["topic"]: len(each["partitions"]) for each in described if not each["error_code"]}
        finally:
            await admin.close()


def _mail(settings: Settings) -> Iterator[Finding]:
    if settings.smtp_url is None:
        yield Finding("SMTP", True, "aucun serveur : les e-mails restent en attente", "Renseignez RELAIS_SMTP_URL.")
        return
    url = urlsplit(settings.smtp_url)
    client = smtplib.SMTP_SSL if url.scheme == "smtps" else smtplib.SMTP
    with client(url.hostname or "", url.port or 0, timeout=TIMEOUT_S) as smtp:
        code, _ = smtp.noop()
    yield Finding("SMTP", code == 250, f"{url.hostname}:{url.port} répond {code}", "Vérifiez RELAIS_SMTP_URL.")


def _issuer(settings: Settings) -> Iterator[Finding]:
    folder = issuer_folder(settings)
    if settings.oidc_issuer is None and not folder.exists():
        yield Finding("émetteur de jetons", True, "local : relais up le crée")
        return
    local = settings.oidc_issuer is None or settings.oidc_issuer.startswith("file:")
    issuer, jwks = (LocalKeys(folder) if local else OidcKeys(str(settings.oidc_issuer))).load()
    yield Finding(
        "émetteur de jetons",
        bool(jwks.get("keys")),
        f"{issuer}, {len(jwks.get('keys', []))} clé(s)",
        "L’émetteur ne publie aucune clé : vérifiez RELAIS_OIDC_ISSUER.",
    )


def _services(settings: Settings) -> Iterator[Finding]:
    running = read_running(settings.data_dir)
    if running is None:
        yield Finding("services", True, f"rien ne tourne dans {settings.data_dir}")
        return
    for service, url in running.get("services", {"portal": running["url"]}).items():
        try:
            status = httpx.get(f"{url}/health/ready", timeout=TIMEOUT_S, trust_env=False).status_code
        except httpx.HTTPError as error:
            yield Finding(
                f"service {service}", False, type(error).__name__, f"Voyez son journal dans {settings.data_dir}."
            )
            continue
        well = status == httpx.codes.OK
        yield Finding(f"service {service}", well, f"{url} répond {status}", f"Ouvrez {url}/health/ready.")


CHECKS: tuple[tuple[str, Callable[[Settings], Iterator[Finding]], str], ...] = (
    ("dossier de données", _folder, "Vérifiez --data-dir."),
    ("tarif", _tariff, "Vérifiez RELAIS_TARIFF_FILE."),
    ("PostgreSQL", _database, "Vérifiez RELAIS_DATABASE_URL ; si les rôles manquent, lancez relais migrate."),
    ("Kafka", _kafka, "Vérifiez RELAIS_KAFKA_BOOTSTRAP_SERVERS, et que le courtier répond."),
    ("SMTP", _mail, "Vérifiez RELAIS_SMTP_URL, et que le serveur répond."),
    ("émetteur de jetons", _issuer, "Vérifiez RELAIS_OIDC_ISSUER."),
    ("services", _services, "Relancez relais up."),
)
"""Name, check, and what to do where it can't even be made."""
