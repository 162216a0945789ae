"""`relais explain EVENT_ID`: one event and everything that it caused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from rich.table import Column, Table
from rich.text import Text

from services.cli.asking import api_client, get_or_fail
from services.cli.running_stack import settings_of_running
from services.cli.showing import table_console

Row = tuple[str, str, str, str]


def command(
    event_id: Annotated[UUID, typer.Argument(metavar="EVENT_ID", help="The id of an event (ce_id).")],
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")] = None,
    json: Annotated[bool, typer.Option("--json", help="As the API answers.")] = False,
) -> None:
    """Shows an event and what it caused: events, statement lines, attendance entries, e-mails, re-assignments."""
    with api_client(settings_of_running(data_dir)) as client:
        found = get_or_fail(client, f"/api/audit/events/{event_id}/consequences")
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    table = Table(
        Column("Quoi", no_wrap=True),
        Column("Qui, ou état", overflow="fold"),
        Column("Quand", no_wrap=True),
        Column("Détail", overflow="fold"),
        title=f"Événement {event_id}",
    )
    for row in rows(found):
        table.add_row(*(Text(cell) for cell in row))
    console = table_console()
    console.print(table)
    for service in found["effects"]["unavailable"]:
        console.print(f"Le service {service} ne répond pas : ses effets manquent ici.", markup=False)


def rows(found: Mapping[str, Any]) -> Iterator[Row]:
    """What, who or in which state, when, and what of it: one line each, in the order of cause and effect."""
    yield event_row(found["event"], indent="")
    for caused in found["caused"]:
        yield event_row(caused, indent="  " * caused["depth"] + "↳ ")
    yield from effect_rows(found["effects"])


def event_row(event: Mapping[str, Any], *, indent: str) -> Row:
    name = str(event["event_type"]).removeprefix("relais.")
    return indent + name, event["actor"], _shown(event["occurred_at"]), _facts(event["data"])


def effect_rows(effects: Mapping[str, Any]) -> Iterator[Row]:
    for line in effects["statement_lines"]:
        amount = f"{line['amount_cents'] / 100:.2f} {line['currency']}"
        what = f"{line['outcome']}, {line['share_percent']} % : {amount} ({line['rate_version']})"
        yield "↳ ligne d’appel à facturation", line["kind"], line["month"], what
    for entry in effects["attendance_entries"]:
        what = f"session {entry['session_id']} : {entry['outcome']}"
        yield "↳ dossier d’assiduité", entry.get("counts_as") or "", entry["week"], what
    for email in effects["emails"]:
        what = f"{email['template']} → {email['to'] or '?'} : {email['subject'] or ''}"
        yield "↳ e-mail", email["state"], _shown(email["sent_at"] or email["created_at"]), what


def _shown(instant: str) -> str:
    """RFC 3339, in UTC, to the second."""
    return f"{instant[:19]}Z"


def _facts(data: Mapping[str, Any]) -> str:
    """The event's data without the ids, which the table has no room for."""
    return ", ".join(
        f"{name}={value}" for name, value in data.items() if value is not None and not name.endswith("_id")
    )
