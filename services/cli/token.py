"""`relais token --as ROLE:EMAIL`: an access token of the local issuer, for the API."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from services.chassis.auth import ROLES
from services.cli.failing import WRONG_USE, fail
from services.cli.importing.cells import EMAIL
from services.cli.running_stack import TOKEN_TTL_S, minted_token, settings_of_running

TTL_MAX_S = 30 * 24 * 3_600


def command(
    as_: Annotated[str, typer.Option("--as", metavar="ROLE:EMAIL", help=f"Roles: {', '.join(ROLES)}.")],
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the person; else the address.")] = None,
    ttl_s: Annotated[int, typer.Option(help="Seconds that it is valid.", min=1, max=TTL_MAX_S)] = TOKEN_TTL_S,
    json: Annotated[bool, typer.Option("--json", help="With its role and validity, as JSON.")] = False,
) -> None:
    """Prints an access token: curl -H "Authorization: Bearer $(relais token --as mentor:alice@example.org)" …"""
    role, _, email = as_.partition(":")
    if role not in ROLES or not EMAIL.fullmatch(email):
        fail(
            f"« {as_} » : écrivez --as ROLE:EMAIL, par exemple mentor:alice@example.org ; rôles : {', '.join(ROLES)}.\n"
            f"Write --as ROLE:EMAIL, for example mentor:alice@example.org; roles are {', '.join(ROLES)}.",
            WRONG_USE,
        )
    token = minted_token(settings_of_running(data_dir), role, email, name=name, ttl_s=ttl_s)
    if json:
        typer.echo(orjson.dumps({"token": token, "role": role, "email": email.lower(), "ttl_s": ttl_s}))
    else:
        typer.echo(token)
