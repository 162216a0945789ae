"""What a session is worth: a table with dates of validity, reason × level → share of the rate.

The rules give no amounts (docs/rules.md), so nothing here knows one: all figures come from the tariff file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a session, as the statement names it (S8)."""

    HELD = "held"
    STUDENT_EARLY = "student_early"
    STUDENT_LATE = "student_late"
    STUDENT_NO_SHOW = "student_no_show"
    OTHER = "other"


class NoTariff(Exception):
    """No version of the tariff is valid on the day of a session; the tariff file must be completed."""


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """Rates and shares from the day ``valid_from`` on, that day included, until the next version.

    ``rate_cents`` is the rate of one session by level; ``share_percent`` what of it is paid, by outcome and level.
    """

    name: str
    valid_from: date
    rate_cents: Mapping[int, int]
    share_percent: Mapping[Outcome, Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class Price:
    """What one session is worth, with all that it was computed from."""

    level: int
    rate_cents: int
    share_percent: int
    amount_cents: int
    rate_version: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """All versions, the newest first, and the level of each path; one that is not listed has the default level."""

    currency: str
    versions: Sequence[TariffVersion]
    level_by_path: Mapping[str, int]
    default_level: int

    def version_on(self, day: date) -> TariffVersion:
        """The version valid on ``day``; raises NoTariff before the first."""
        for version in self.versions:
            if version.valid_from <= day:
                return version
        raise NoTariff(f"no version of the tariff is valid on {day}")

    def price(self, outcome: Outcome, path: str | None, day: date) -> Price:
        """What a session of ``path`` on ``day`` is worth, given what became of it."""
        version = self.version_on(day)
        level = self.default_level if path is None else self.level_by_path.get(path, self.default_level)
        rate_cents, share_percent = version.rate_cents[level], version.share_percent[outcome][level]
        return Price(level, rate_cents, share_percent, share_of(rate_cents, share_percent), version.name)


def share_of(rate_cents: int, share_percent: int) -> int:
    """The share of a rate in whole cents, half a cent rounded up. Both are 0 or more.

    Each line is rounded by itself, so that a total is the sum of the lines that people see.
    """
    return (rate_cents * share_percent + 50) // 100
