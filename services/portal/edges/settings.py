"""The key of the session cookies: given, or kept in the data folder."""

import os
import secrets
from pathlib import Path
from typing import Final

from services.chassis.settings import Settings

KEY_FILE: Final = "portal.key"
KEY_BYTES: Final = 32


def session_key(settings: Settings) -> bytes:
    """``portal_key``; else the one kept in the data folder; else a fresh one (sign-ins end with the process)."""
    if settings.portal_key is not None:
        return _key(settings.portal_key.get_secret_value())
    if not settings.data_dir.exists():
        return secrets.token_bytes(KEY_BYTES)
    return _kept_key(settings.data_dir / KEY_FILE)


def _key(digits: str) -> bytes:
    key = bytes.fromhex(digits)
    if len(key) != KEY_BYTES:
        raise ValueError(f"RELAIS_PORTAL_KEY must be {KEY_BYTES * 2} hexadecimal digits")
    return key


def _kept_key(path: Path) -> bytes:
    """The key of the folder, made where there is none; of several portals that start at once, one wins."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES))
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    return _key(path.read_text(encoding="ascii"))
