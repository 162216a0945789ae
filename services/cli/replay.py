"""`relais replay VIEW`: builds a view again beside the live one; shows the differences; switches."""

import asyncio
import getpass
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import orjson
import psycopg
import typer
from aiokafka.errors import KafkaError
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from services.chassis.garbage import search_rarely
from services.chassis.kafka import KafkaConnection
from services.chassis.replay.comparing import Comparison
from services.chassis.replay.reading import EventsGone
from services.chassis.replay.rebuild import AlreadyRunning, Built, NotCaughtUp, Rebuild, administrator
from services.chassis.replay.shadow import NotMigrated
from services.chassis.replay.view import View
from services.chassis.settings import SERVICES, Settings
from services.cli.failing import FAILED, WRONG_USE, fail
from services.cli.running_stack import settings_of_running
from services.cli.serve import module_of
from services.cli.showing import progress_console, table_console

STAGES = {
    "prepare": "prépare les tables",
    "read": "relit les événements",
    "index": "construit les index",
    "compare": "compare",
    "switch": "bascule",
}


def command(
    view: Annotated[
        str | None, typer.Argument(help="billing, attendance, audit…: --list says which there are.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="With the events up to this instant alone (RFC 3339).")] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Compare with the live view, row by row; 1 where they differ.")
    ] = False,
    switch: Annotated[
        bool, typer.Option("--switch", help="Put the rebuilt tables in the place of the live ones.")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Drop the rebuild, and what was live before a switch.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="The views that there are.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Builds a view again from its first event, beside the live one, which goes on serving; nothing is sent by it.

    One that was interrupted goes on from where it was. Without --switch nothing changes for anybody.
    """
    settings = settings_of_running(data_dir)
    if list_ or view is None:
        if not list_:
            fail("Quelle vue ? relais replay --list\nWhich view? relais replay --list", WRONG_USE)
        _list(settings, json)
        return
    wanted = _view(settings, view)
    until = _instant(as_of)
    if until is not None and switch:
        fail(
            "Une vue du passé ne remplace pas la vue actuelle.\nA view of the past can't replace the live one.",
            WRONG_USE,
        )
    try:
        if drop:
            _drop(settings, wanted)
            return
        search_rarely()
        built, found = asyncio.run(_replay(settings, wanted, until, diff=diff, switch=switch))
    except AlreadyRunning:
        fail(f"La vue {view} est déjà en cours de reconstruction.\nThis view is being rebuilt already.")
    except NotMigrated as missing:
        fail(f"Lancez d’abord relais migrate : {missing}\nRun relais migrate first.")
    except NotCaughtUp:
        fail(f"La vue {view} change trop vite, ou est tenue : réessayez.\nThe view could not be held: try again.")
    except psycopg.errors.InsufficientPrivilege as error:
        fail(f"Il faut le compte d’administration de la base, comme pour relais migrate : {error}")
    except EventsGone as gone:
        fail(f"{gone} ne commence plus par son premier événement.\nThis topic lost its first events.")
    except (psycopg.OperationalError, KafkaError, OSError) as error:
        fail(f"Un serveur ne répond pas : {error}\nA server does not answer. Run the same again to go on.")
    _tell(wanted, built, found, switched=switch, json=json)
    if diff and any(one.difference_count for one in found):
        raise typer.Exit(FAILED)


async def _replay(
    settings: Settings, view: View, as_of: datetime | None, *, diff: bool, switch: bool
) -> tuple[Built, Sequence[Comparison]]:
    url = _database_url(settings)
    with administrator(url) as connection, _progress() as progress:
        rebuild = Rebuild(
            view,
            connection=connection,
            database_url=url,
            service_url=settings.database_url_for(view.service),
            kafka=KafkaConnection(settings),
            progress=progress,
            as_of=as_of,
        )
        built = await rebuild.build()
        found = await rebuild.compare() if diff else []
        if switch:
            await rebuild.switch(by=f"operator:{_own_name()}")
        return built, found


def _own_name() -> str:
    """Who runs this command; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _drop(settings: Settings, view: View) -> None:
    url = _database_url(settings)
    with administrator(url) as connection, _progress() as progress:
        Rebuild(
            view,
            connection=connection,
            database_url=url,
            service_url=url,
            kafka=KafkaConnection(settings),
            progress=progress,
        ).drop()


class _Shown:
    """Progress on standard error: the stage, how far, how fast, how long still."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def stage(self, name: str, total_count: int | None = None) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(STAGES[name], total=total_count, rate="")

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, count)
            task = self._progress.tasks[-1]
            self._progress.update(self._task, rate=f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def _progress() -> Iterator[_Shown]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=progress_console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield _Shown(progress)


def _tell(view: View, built: Built, found: Sequence[Comparison], *, switched: bool, json: bool) -> None:
    if json:
        told: dict[str, Any] = {
            "service": view.service,
            "resumed": built.was_resumed,
            "events": built.events_count,
            "set_aside": built.set_aside_count,
            "tables": {name: asdict(side) for name, side in built.tables.items()},
            "comparisons": [asdict(one) for one in found],
            "switched": switched,
        }
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2, default=str))
        return
    table = Table("Table", Column("Lignes", justify="right"), "Somme de contrôle", "Écarts")
    by_table = {one.table: one for one in found}
    for name, side in built.tables.items():
        compared = by_table.get(name)
        if compared is not None:
            side = compared.rebuilt
        table.add_row(
            name, f"{side.row_count:,}", side.checksum, "" if compared is None else str(compared.difference_count)
        )
    table_console().print(table)
    for one in found:
        for difference in one.differences:
            key = ", ".join(f"{name}={value}" for name, value in difference.key.items())
            table_console().print(
                Text(f"{one.table} {key}\n  live    {difference.live}\n  rebuilt {difference.rebuilt}")
            )
        if one.difference_count > len(one.differences):
            typer.echo(f"… {one.difference_count - len(one.differences)} autres écarts dans {one.table}")
    if built.set_aside_count:
        typer.echo(f"{built.set_aside_count} événement(s) mis de côté par la reconstruction")
    if switched:
        typer.echo(
            f"Les tables d’avant restent dans le schéma {view.service}_before : relais replay {view.names[0]} --drop"
        )
    else:
        typer.echo(f"La vue reconstruite est dans le schéma {view.service}_rebuild.")


def _list(settings: Settings, json: bool) -> None:
    views = [_of_service(settings, service) for service in SERVICES]
    if json:
        items = [
            {"names": view.names, "service": view.service, "tables": [table.name for table in view.tables]}
            for view in views
        ]
        typer.echo(orjson.dumps({"items": items}, option=orjson.OPT_INDENT_2))
        return
    table = Table("Vue", "Service", "Tables")
    for view in views:
        table.add_row(", ".join(view.names), view.service, ", ".join(table.name for table in view.tables))
    table_console().print(table)


def _view(settings: Settings, name: str) -> View:
    views = (_of_service(settings, service) for service in SERVICES)
    found = next((view for view in views if name in (*view.names, view.service)), None)
    if found is None:
        fail(f"Pas de vue {name} : relais replay --list\nThere is no view {name}.", WRONG_USE)
    return found


def _of_service(settings: Settings, service: str) -> View:
    view: View = import_module(module_of(service)).view(settings)
    return view


def _instant(written: str | None) -> datetime | None:
    if written is None:
        return None
    try:
        instant = datetime.fromisoformat(written)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        fail(f"{written!r} is not an instant with its offset: write for example 2026-10-25T02:30:00+02:00.", WRONG_USE)
    return instant


def _database_url(settings: Settings) -> str:
    for name in ("database_url", "kafka_bootstrap_servers"):
        if getattr(settings, name) is None:
            fail(
                f"Aucun serveur : lancez « relais up », ou renseignez RELAIS_{name.upper()}.\n"
                f"No server: start relais up, or set RELAIS_{name.upper()}."
            )
    return str(settings.database_url)
