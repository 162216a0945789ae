"""`relais clock show|advance|set|reset`: the clock of a sandbox, which all its services follow."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer

from services.cli.asking import api_client, refusal_of
from services.cli.failing import WRONG_USE, fail
from services.cli.running_stack import settings_of_running

app = typer.Typer(help="The clock of a sandbox (relais up --sandbox).", no_args_is_help=True, add_completion=False)

DURATION = re.compile(r"(?P<sign>-?)(?:(?P<w>\d+)w)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+)s)?")
DataDir = Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def show(data_dir: DataDir = None, json: AsJson = False) -> None:
    """What the sandbox's clock says."""
    _call("GET", None, data_dir, json)


@app.command(context_settings={"ignore_unknown_options": True})
def advance(
    duration: Annotated[str, typer.Argument(help="Such as 2w, 3d, 36h, 90m, 1d12h, 45s; -1h goes back.")],
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Moves it by a duration."""
    step = parse_duration(duration)
    if step is None:
        fail(f"{duration!r} is not a duration: write for example 2w, 3d, 36h, 90m or 1d12h.", WRONG_USE)
    with api_client(settings_of_running(data_dir)) as client:
        now = datetime.fromisoformat(_asked(client, "GET", None)["now"])
    _call("PUT", now + step, data_dir, json)


@app.command("set")
def set_(
    instant: Annotated[str, typer.Argument(help="RFC 3339, such as 2026-10-25T02:30:00+02:00.")],
    data_dir: DataDir = None,
    json: AsJson = False,
) -> None:
    """Moves it to an instant; it goes on ticking from there."""
    try:
        to = datetime.fromisoformat(instant)
    except ValueError:
        to = None
    if to is None or to.tzinfo is None:
        fail(f"{instant!r} is not an instant with its offset: write for example 2026-10-25T02:30:00+02:00.", WRONG_USE)
    _call("PUT", to, data_dir, json)


@app.command()
def reset(data_dir: DataDir = None, json: AsJson = False) -> None:
    """Back to the machine's clock."""
    _call("DELETE", None, data_dir, json)


def parse_duration(text: str) -> timedelta | None:
    """``1d12h`` as a timedelta; None where it is not one."""
    found = DURATION.fullmatch(text)
    if found is None or not any(found[unit] for unit in "wdhms"):
        return None
    weeks, days, hours, minutes, seconds = (int(found[unit] or 0) for unit in "wdhms")
    try:
        step = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return None
    return -step if found["sign"] else step


def _call(method: str, now: datetime | None, data_dir: Path | None, json: bool) -> None:
    with api_client(settings_of_running(data_dir)) as client:
        reading = _asked(client, method, now)
    if json:
        typer.echo(httpx.Response(200, json=reading).text)
    else:
        typer.echo(f"{reading['now']}  ({float(reading['offset_s']):+.0f} s from the machine's clock)")


def _asked(client: httpx.Client, method: str, now: datetime | None) -> dict[str, str]:
    try:
        answer = client.request(method, "/api/sandbox/clock", json=None if now is None else {"now": now.isoformat()})
    except httpx.TransportError:
        fail(f"Relais does not answer at {client.base_url}: is it running?")
    if answer.status_code == 404:
        fail("This Relais is no sandbox: its clock is the machine's. Start one with relais up --sandbox.")
    if not answer.is_success:
        fail(refusal_of(answer))
    reading: dict[str, str] = answer.json()
    return reading
