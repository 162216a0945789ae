"""The month of a statement, as people in the school's time zone count it."""

import re
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final, Self

_WRITTEN: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month; ordered, and written ``2026-11``."""

    year: int
    month: int

    @classmethod
    def of(cls, instant: datetime, zone: tzinfo) -> Self:
        """The month that ``instant`` falls in for people in ``zone``."""
        local = instant.astimezone(zone)
        return cls(local.year, local.month)

    @classmethod
    def parse(cls, written: str) -> Self:
        """Reads ``2026-11``; raises ValueError for anything else."""
        match = _WRITTEN.fullmatch(written)
        if match is None or match[1] == "0000":
            raise ValueError(f"not a month written as 2026-11: {written!r}")
        return cls(int(match[1]), int(match[2]))

    def next(self) -> "Month":
        return Month(self.year + 1, 1) if self.month == 12 else Month(self.year, self.month + 1)

    def first_day(self) -> date:
        return date(self.year, self.month, 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"
