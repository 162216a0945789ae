"""`relais lag`: how far each service is behind, by topic and partition."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated

import orjson
import psycopg
import typer
from rich.table import Column, Table

from services.chassis.lag import Lag, Measured
from services.chassis.settings import SERVICES, Settings
from services.cli.failing import fail
from services.cli.running_stack import settings_of_running
from services.cli.serve import module_of
from services.cli.showing import table_console


def command(
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Shows the backlog of each relay, the lag of each consumer, what is parked, and how old the oldest is."""
    settings = settings_of_running(data_dir)
    for name in ("database_url", "kafka_bootstrap_servers"):
        if getattr(settings, name) is None:
            fail(
                f"Aucun serveur : lancez « relais up », ou renseignez RELAIS_{name.upper()}.\n"
                f"No server: start relais up, or set RELAIS_{name.upper()}."
            )
    try:
        found = asyncio.run(measure(settings))
    except (psycopg.OperationalError, OSError) as error:
        fail(f"Un serveur ne répond pas : {error}\nA server does not answer.")
    if any(each.topic is not None and each.consumer_lag is None for each in found):
        typer.echo("Kafka ne répond pas : le retard des lecteurs est inconnu.\nKafka does not answer.", err=True)
    if json:
        typer.echo(orjson.dumps({"items": [asdict(each) for each in found]}, option=orjson.OPT_INDENT_2))
        return
    columns = ("Service", "Topic", "Partition", "Relais", "Retard", "Mis de côté", "Âge (s)")
    table = Table(*(Column(name, no_wrap=True) for name in columns), title="Ce qui attend d’être publié, lu ou repris")
    for each in found:
        table.add_row(*("" if value is None else str(value) for value in asdict(each).values()))
    table_console().print(table)


async def measure(settings: Settings) -> list[Lag]:
    """One entry for each relay and for each partition that a service reads; without its lag where Kafka is away."""
    of_each = await asyncio.gather(*(_of_service(service, settings) for service in SERVICES))
    found = [measured.lag for of_service in of_each for measured in of_service]
    return sorted(found, key=lambda each: (each.service, each.topic or "", each.partition or 0))


async def _of_service(service: str, settings: Settings) -> Sequence[Measured]:
    """As the service measures itself, with its own rights; asked of the servers, since it may be away."""
    built = import_module(module_of(service)).build(settings)
    try:
        found: Sequence[Measured] = await built.lag.measure()
        return found
    finally:
        await built.lag.close()
        built.close()
