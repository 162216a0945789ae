"""`relais parked list|show|retry|skip`: what was set aside, why, and back in order."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx
import orjson
import typer
from rich.table import Column, Table
from rich.text import Text

from services.chassis.settings import SERVICES
from services.cli.asking import api_client, get_or_fail, post_or_fail
from services.cli.failing import FAILED, WRONG_USE, fail
from services.cli.running_stack import settings_of_running
from services.cli.showing import table_console

app = typer.Typer(help="What was set aside, why, and back in order.", no_args_is_help=True, add_completion=False)

DataDir = Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Service = Annotated[str | None, typer.Option(help=f"Only this service's: {', '.join(SERVICES)}.")]
Id = Annotated[str, typer.Argument(help="SERVICE/NUMBER as the list shows it, such as billing/17.", metavar="ID")]

PAGE = "200"


@app.command("list")
def list_(
    service: Service = None,
    key: Annotated[str | None, typer.Option(help="Only the events of this key (a student, mostly).")] = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Lists what is set aside and not settled, by service and key, in the order in which a retry takes it."""
    with api_client(settings_of_running(data_dir)) as client:
        items = list(_open(client, service, key))
    if json:
        typer.echo(orjson.dumps({"items": items}, option=orjson.OPT_INDENT_2))
        return
    columns = ("Numéro", "Clé", "Événement", "État", "Essais", "Depuis")
    table = Table(
        *(Column(name, no_wrap=True) for name in columns),
        Column("Pourquoi", overflow="fold"),
        title="Événements mis de côté",
    )
    for item in items:
        name = str(item["event_type"] or "?").removeprefix("relais.")
        since = f"{item['parked_at'][:19]}Z"
        told = (_number(item), item["key"], name, item["state"], str(item["attempts"]), since, item["error"])
        table.add_row(*(Text(cell) for cell in told))
    table_console().print(table)


@app.command()
def show(identifier: Id, data_dir: DataDir = None, json: AsJson = False) -> None:
    """Shows one event that was set aside: its record, its error, and what became of it."""
    path = _path(identifier)
    with api_client(settings_of_running(data_dir)) as client:
        found = get_or_fail(client, path)
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    for name, value in found.items():
        if name == "headers":
            for header, said in value:
                typer.echo(f"  {header}: {said}")
        elif value is not None:
            typer.echo(f"{name}: {value}")


@app.command()
def retry(
    identifier: Annotated[
        str | None, typer.Argument(help="SERVICE/NUMBER, or a key: all of its events, in order.", metavar="[ID|KEY]")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every key that has something set aside.")] = False,
    service: Service = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Tries again, in order. What fails again stays set aside, with its new error, and so does all behind it."""
    if (identifier is None) != everything:
        fail("Donnez un numéro ou une clé, ou --all.\nGive a number or a key, or --all.", WRONG_USE)
    with api_client(settings_of_running(data_dir)) as client:
        if identifier is not None and _is_number(identifier):
            paths = [_path(identifier)]
        else:
            firsts: dict[tuple[str, ...], str] = {}
            for item in _open(client, service, identifier):
                firsts.setdefault((item["service"], item["topic"], item["key"]), _path(_number(item)))
            paths = list(firsts.values())
        if identifier is not None and not paths:
            fail(f"Rien n’est mis de côté pour {identifier}.\nNothing is set aside for {identifier}.")
        came_to = [dict(post_or_fail(client, f"{path}/retry", None, idempotency_key=str(uuid4()))) for path in paths]
    if json:
        typer.echo(orjson.dumps({"items": came_to}, option=orjson.OPT_INDENT_2))
    for one in () if json else came_to:
        typer.echo(f"{one['service']} {one['key']}: {one['settled']} repris, {one['open']} encore de côté")
        if one["error"]:
            typer.echo(f"  {one['error']}")
    if any(one["open"] for one in came_to):
        raise typer.Exit(FAILED)


@app.command()
def skip(
    identifier: Id,
    reason: Annotated[str, typer.Option(help="Why it is to have no effect; kept with who said it, and audited.")],
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Settles one event without its effect. What stands behind it stays set aside: retry it then."""
    path = _path(identifier)
    if not reason.strip():
        fail('Dites pourquoi : --reason « … ».\nSay why: --reason "…".', WRONG_USE)
    with api_client(settings_of_running(data_dir)) as client:
        settled = post_or_fail(client, f"{path}/skip", {"reason": reason}, idempotency_key=str(uuid4()))
    if json:
        typer.echo(orjson.dumps(settled, option=orjson.OPT_INDENT_2))
    else:
        typer.echo(f"{_number(settled)} écarté par {settled['settled_by']} : {settled['reason']}")


def _open(client: httpx.Client, service: str | None, key: str | None) -> Iterator[Mapping[str, Any]]:
    if service is not None and service not in SERVICES:
        fail(f"Pas de service {service}.\nThere is no service {service}.", WRONG_USE)
    cursor = None
    while True:
        given = {"service": service, "key": key, "cursor": cursor, "limit": PAGE}
        page = get_or_fail(client, "/api/parked", [(name, value) for name, value in given.items() if value is not None])
        for name in page["unavailable"]:
            typer.echo(f"Le service {name} ne répond pas.\nThe service {name} does not answer.", err=True)
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _number(item: Mapping[str, Any]) -> str:
    return f"{item['service']}/{item['parked_id']}"


def _is_number(identifier: str) -> bool:
    service, _, number = identifier.partition("/")
    return service in SERVICES and number.isdecimal()


def _path(identifier: str) -> str:
    if not _is_number(identifier):
        fail(f"{identifier!r} n’est pas un numéro comme billing/17.\nThis is no number such as billing/17.", WRONG_USE)
    return f"/api/parked/{identifier}"
