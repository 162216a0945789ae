"""`relais audit log|verify|export`: who did what, the proof that it was not altered, all of it as JSON lines."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from services.cli.asking import api_client, get_or_fail, lines_or_fail
from services.cli.failing import FAILED, fail
from services.cli.running_stack import settings_of_running
from services.cli.showing import progress_console, table_console
from services.support.domain.proof import Fault, Head, Verification

app = typer.Typer(help="The audit log, its proof, and all of it as JSON lines.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

PAGE_MAX = 200
SHOW_PROGRESS_EVERY = 5_000
WRONG = {
    "changed": "a été modifiée / was changed",
    "removed": "manque / is missing",
    "inserted": "n’a pas sa place ici / does not belong here",
    "unproven": "n’a pas d’empreinte : relais replay audit --switch / has no digest: rebuild the view",
    "broken_off": "et la suite manquent / and what follows is missing: the export is not whole",
}


@app.command()
def log(
    actor: Annotated[str | None, typer.Option(help="mentor:a@example.org, or the address alone.")] = None,
    subject: Annotated[str | None, typer.Option(help="The session, student or mentor itself.")] = None,
    student: Annotated[str | None, typer.Option(help="All that concerns this student.")] = None,
    type: Annotated[str | None, typer.Option(help="relais.sessions.SessionHeld.v1")] = None,
    since: Annotated[str | None, typer.Option("--from", help="From this instant on (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before this instant.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, newest first.")] = 50,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Searches the audit log: who did what, newest first."""
    asked = {"actor": actor, "subject": subject, "student_id": student, "type": type, "from": since, "to": until}
    items: list[Any] = []
    with api_client(settings_of_running(data_dir)) as client:
        cursor = None
        while len(items) < limit:
            given = asked | {"cursor": cursor, "limit": str(min(PAGE_MAX, limit - len(items)))}
            wanted = [(name, value) for name, value in given.items() if value is not None]
            page = get_or_fail(client, "/api/audit", wanted)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    if json:
        typer.echo(orjson.dumps({"items": items}, option=orjson.OPT_INDENT_2))
        return
    columns = [Column(name, no_wrap=True) for name in ("Quand", "Qui", "Quoi", "Sujet", "Événement")]
    table = Table(*columns, title="Journal d’audit")
    for item in items:
        name = str(item["event_type"]).removeprefix("relais.")
        told = (f"{item['occurred_at'][:19]}Z", item["actor"], name, item["subject"], item["event_id"])
        table.add_row(*(Text(cell) for cell in told))
    table_console().print(table)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Option(help="An export, instead of the running Relais.")] = None,
    heads: Annotated[Path | None, typer.Option(help="Heads that were kept, as --json printed them before.")] = None,
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Computes every digest again, and names the first entry of a chain that does not fit.

    Prints the heads of the chains: keep them elsewhere, and a log that was rewritten as a whole is found too (--heads).
    """
    verification = Verification.against(_kept(heads) if heads is not None else ())
    if file is not None:
        try:
            with file.open("rb") as lines:
                _take(verification, lines, str(file))
        except OSError as error:
            fail(f"{file} : {error.strerror}")
    else:
        with api_client(settings_of_running(data_dir)) as client, lines_or_fail(client, "/api/audit/export") as lines:
            _take(verification, lines, str(client.base_url))
    faults = verification.end()
    if json:
        found = {
            "ok": not faults,
            "entries": verification.entries_count,
            "faults": [_as_json(fault) for fault in faults],
            "heads": [verification.heads[chain].as_json() for chain in sorted(verification.heads)],
        }
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        for fault in faults:
            event = f" ({fault.event_id})" if fault.event_id else ""
            typer.echo(f"{fault.chain} : l’entrée {fault.number}{event} {WRONG[fault.wrong]}", err=True)
        for chain in sorted(verification.heads):
            head = verification.heads[chain]
            typer.echo(f"{chain}  {head.number}  {head.digest.hex()}")
        typer.echo(f"{verification.entries_count} entrées, {len(faults)} chaîne(s) rompue(s)")
    if faults:
        raise typer.Exit(FAILED)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="File to write; standard output otherwise.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Writes every entry with its digest, one JSON object a line; `relais audit verify --file` needs nothing else."""
    with api_client(settings_of_running(data_dir)) as client, lines_or_fail(client, "/api/audit/export") as lines:
        try:
            with out.open("wb") if out is not None else typer.get_binary_stream("stdout") as target:
                for line in lines:
                    target.write(line)
        except OSError as error:
            fail(f"{out or 'stdout'} : {error.strerror}")


def _take(verification: Verification, lines: Iterable[bytes], name: str) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} entrées"), TimeElapsedColumn())
    with Progress(*columns, console=progress_console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("")
        for number, line in enumerate(lines, start=1):
            try:
                said = orjson.loads(line)
                if "head" in said:
                    verification.close(Head.of_json(said["head"]))
                else:
                    verification.take(said)
            except (ValueError, KeyError, TypeError):
                fail(f"{name} : la ligne {number} n’est pas une entrée du journal.\nLine {number} is no audit entry.")
            if number % SHOW_PROGRESS_EVERY == 0:
                progress.update(task, completed=number)


def _kept(path: Path) -> list[Head]:
    try:
        return [Head.of_json(said) for said in orjson.loads(path.read_bytes())["heads"]]
    except (OSError, ValueError, KeyError, TypeError):
        fail(f"{path} ne contient pas de têtes de chaîne.\n{path} has no heads: keep what verify --json prints.")


def _as_json(fault: Fault) -> dict[str, Any]:
    return {
        "topic": fault.chain.topic,
        "partition": fault.chain.partition,
        "number": fault.number,
        "event_id": fault.event_id,
        "wrong": fault.wrong,
    }
