"""The week of the weekly rhythm (T2): the ISO week, as people in the school's time zone count it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Self

WRITTEN: Final = re.compile(r"(20\d\d)-W(\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """An ISO week, from Monday to Sunday; ordered, and written ``2026-W47``. ``year`` is the ISO year."""

    year: int
    week: int

    @classmethod
    def of(cls, instant: datetime, zone: tzinfo) -> Self:
        """The week that ``instant`` falls in for people in ``zone``."""
        return cls.containing(instant.astimezone(zone).date())

    @classmethod
    def containing(cls, day: date) -> Self:
        year, week, _ = day.isocalendar()
        return cls(year, week)

    @classmethod
    def parse(cls, written: str) -> Self:
        """The week written ``2026-W47``, of this century. Raises ValueError, also for a week 53 that the year lacks."""
        found = WRITTEN.fullmatch(written)
        if found is None:
            raise ValueError(f"{written!r} is not written like 2026-W47")
        return cls.containing(date.fromisocalendar(int(found[1]), int(found[2]), 1))

    def starts_at(self, zone: tzinfo) -> datetime:
        """Monday at 0 o'clock in ``zone``, in UTC."""
        return datetime.combine(self.monday(), time.min, zone).astimezone(UTC)

    def ends_at(self, zone: tzinfo) -> datetime:
        """When the next week starts, in UTC; no longer within."""
        return self.next().starts_at(zone)

    def monday(self) -> date:
        return date.fromisocalendar(self.year, self.week, 1)

    def sunday(self) -> date:
        return date.fromisocalendar(self.year, self.week, 7)

    def next(self) -> "Week":
        return Week.containing(self.monday() + timedelta(weeks=1))

    def __str__(self) -> str:
        return f"{self.year:04}-W{self.week:02}"


def from_to(first: Week, last: Week) -> Iterator[Week]:
    """The weeks from ``first`` to ``last``, both included; none where ``first`` is later."""
    while first <= last:
        yield first
        first = first.next()
