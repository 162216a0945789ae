"""Where the Relais of a data folder is, as `relais up` writes it down, and a token for it."""

import json
from pathlib import Path
from typing import Any

from services.chassis.auth import LocalIssuer
from services.cli.importing.sending import NotSent

TOKEN_TTL_S = 3_600


def read_running(data_dir: Path) -> dict[str, Any]:
    """The folder's relais.json; NotSent where there is none, so nothing runs there."""
    try:
        running: dict[str, Any] = json.loads((data_dir / "relais.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotSent(f"Aucun Relais dans {data_dir} : lancez « relais up », ou donnez --data-dir ou --url.") from error
    return running


def url_of(data_dir: Path) -> str:
    return str(read_running(data_dir)["url"])


def access_token(data_dir: Path, role: str, email: str) -> str:
    """A token of the local issuer in ``data_dir``."""
    folder = data_dir / "issuer"
    if not folder.is_dir():
        raise NotSent(f"Pas d’émetteur local dans {data_dir} : mettez un jeton dans RELAIS_TOKEN.")
    return LocalIssuer(folder).mint(role, email, ttl_s=TOKEN_TTL_S)
