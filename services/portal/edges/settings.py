"""What the portal alone is told: the key of its session cookies."""

import os
import secrets
from pathlib import Path
from typing import Final

from pydantic_settings import BaseSettings, SettingsConfigDict

KEY_FILE: Final = "portal.key"
KEY_BYTES: Final = 32


class PortalSettings(BaseSettings):
    """``RELAIS_PORTAL_KEY``: 64 hexadecimal digits, shared by all replicas of the portal."""

    model_config = SettingsConfigDict(env_prefix="RELAIS_PORTAL_", extra="ignore")

    key: str = ""


def session_key(settings: PortalSettings, data_dir: Path | None) -> bytes:
    """The key given; else the one kept in the data folder; else a fresh one (sign-ins end with the process)."""
    if settings.key:
        key = bytes.fromhex(settings.key)
        if len(key) != KEY_BYTES:
            raise ValueError(f"RELAIS_PORTAL_KEY must be {KEY_BYTES * 2} hexadecimal digits")
        return key
    if data_dir is None:
        return secrets.token_bytes(KEY_BYTES)
    return _kept_key(data_dir / KEY_FILE)


def _kept_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    key = secrets.token_bytes(KEY_BYTES)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key.hex())
    return key
