"""Where the Relais of a data folder is, as `relais up` writes it down, and a token for it."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from services.chassis.auth import LocalIssuer
from services.chassis.settings import Settings
from services.cli.failing import fail, settings_or_fail

TOKEN_TTL_S = 3_600
STATE_FILE = "relais.json"
SERVERS = ("database_url", "kafka_bootstrap_servers", "smtp_url")


def read_running(data_dir: Path) -> dict[str, Any] | None:
    """What relais.json of the folder says; None where nothing runs there."""
    try:
        running: dict[str, Any] = json.loads((data_dir / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return running


def settings_of_running(data_dir: Path | None) -> Settings:
    """The settings; servers and services that no variable names are those of the Relais that runs in the folder."""
    settings = settings_or_fail(data_dir=data_dir)
    running = read_running(settings.data_dir) or {}
    found: dict[str, Any] = {
        name: running[name] for name in SERVERS if getattr(settings, name) is None and running.get(name)
    }
    for service, url in running.get("services", {}).items():
        if f"{service}_url" not in settings.model_fields_set:
            found[f"{service}_url"] = url
    if running.get("url"):
        found["portal_url"] = running["url"]
    return settings.model_copy(update=found)


def url_of(settings: Settings) -> str:
    """Where the running Relais answers: as relais.json says, or RELAIS_PORTAL_URL."""
    running = read_running(settings.data_dir)
    if running is not None:
        return str(running["url"])
    if "portal_url" not in settings.model_fields_set:
        fail(
            f"Aucun Relais ne tourne dans {settings.data_dir} : lancez « relais up », ou donnez --data-dir.\n"
            f"No Relais runs in {settings.data_dir}: start it with relais up, or give --data-dir."
        )
    return settings.portal_url.rstrip("/")


def issuer_folder(settings: Settings) -> Path:
    """The folder of the local issuer's key: that of the data folder, or the one that RELAIS_OIDC_ISSUER names."""
    if settings.oidc_issuer is not None and settings.oidc_issuer.startswith("file:"):
        return Path(unquote(urlsplit(settings.oidc_issuer).path))
    return settings.data_dir / "issuer"


def access_token(
    settings: Settings, role: str, email: str, *, name: str | None = None, ttl_s: int = TOKEN_TTL_S
) -> str:
    """The token in RELAIS_TOKEN, else one that the local issuer makes."""
    if given := os.environ.get("RELAIS_TOKEN"):
        return given
    return minted_token(settings, role, email)


def minted_token(
    settings: Settings, role: str, email: str, *, name: str | None = None, ttl_s: int = TOKEN_TTL_S
) -> str:
    """A token of the local issuer. Ends the command where there is none."""
    folder = issuer_folder(settings)
    if not folder.is_dir():
        fail(
            f"Pas d’émetteur local dans {folder} : lancez « relais up », ou mettez un jeton dans RELAIS_TOKEN.\n"
            f"There is no local issuer in {folder}: start relais up, or put a token into RELAIS_TOKEN."
        )
    try:
        return LocalIssuer(folder).mint(role, email, name, ttl_s)
    except (OSError, ValueError) as error:
        fail(str(error))
