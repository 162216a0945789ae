"""Reads the tariff file (TOML) and refuses one that is not whole, saying where."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from services.billing.domain.tariff import Outcome, Tariff, TariffVersion

EXAMPLE: Final = Path(__file__).resolve().parent.parent / "tariff.example.toml"
MAX_BYTES: Final = 1_000_000

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Level = Annotated[int, Field(ge=1, le=3)]
Cents = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]


class TariffError(Exception):
    """The tariff file can't be used; the sentence says which file, where, and why."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Version(_Table):
    name: Name
    valid_from: date
    rate_cents: dict[Level, Cents]
    share_percent: dict[Outcome, dict[Level, Percent]]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [outcome.value for outcome in Outcome if outcome not in self.share_percent]
        if missing:
            raise ValueError(f"share_percent says nothing of {', '.join(missing)}")
        for outcome, shares in self.share_percent.items():
            if shares.keys() != self.rate_cents.keys():
                raise ValueError(f"share_percent.{outcome.value} must have the same levels as rate_cents")
        return self


class _File(_Table):
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    default_level: Level
    level_by_path: dict[Name, Level] = {}
    versions: Annotated[list[_Version], Field(min_length=1, max_length=1_000)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for field in ("name", "valid_from"):
            values = [getattr(version, field) for version in self.versions]
            if len(set(values)) != len(values):
                raise ValueError(f"two versions have the same {field}")
        used = {self.default_level, *self.level_by_path.values()}
        for version in self.versions:
            if not used <= version.rate_cents.keys():
                raise ValueError(f"version {version.name} has no rate for every level in use")
        return self


def read_tariff(path: Path | None) -> Tariff:
    """The tariff of ``path``, or that of the example file where None. Raises TariffError."""
    path = path or EXAMPLE
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TariffError(f"The tariff file {path} is larger than {MAX_BYTES} bytes.")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        file = _File.model_validate(content)
    except OSError as error:
        raise TariffError(f"The tariff file {path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TariffError(f"The tariff file {path} is not TOML: {error}.") from error
    except ValidationError as error:
        findings = "; ".join(_found(finding["loc"], finding["msg"]) for finding in error.errors())
        raise TariffError(f"The tariff file {path} can't be used: {findings}.") from error
    return Tariff(
        currency=file.currency,
        versions=[
            TariffVersion(version.name, version.valid_from, version.rate_cents, version.share_percent)
            for version in sorted(file.versions, key=lambda version: version.valid_from, reverse=True)
        ],
        level_by_path=file.level_by_path,
        default_level=file.default_level,
    )


def _found(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in location)
    return f"{where}: {message}" if where else message
