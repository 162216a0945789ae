"""On which statement a session stands, and what it adds there.

The rule: *a session is owed what its last documented outcome is worth, less what closed statements already hold for
it.* While its month is open that is one line, and a correction puts another in its place. A closed statement never
changes: what is documented later becomes an adjustment line on the mentor's next open statement (S8).

A documented session is moved only after a correction has planned it again, which takes back whatever its month held.
So the lines of another month are settled among themselves, and stay when the session is documented in its new one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from uuid import UUID

from services.billing.domain.month import Month
from services.billing.domain.tariff import Outcome, Price, Tariff


class Kind(StrEnum):
    """A session in its own month, or the adjustment of one after its month was closed."""

    SESSION = "session"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class Documented:
    """What an event says about one session. ``outcome`` is None where the session is to be held again."""

    event_id: UUID
    session_id: UUID
    student_id: UUID
    mentor_id: UUID
    starts_at: datetime
    duration_minutes: int
    path: str | None
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class EarlierLine:
    """A line that stands already for the same session and mentor; ``of`` is the month in which the session was then."""

    line_id: UUID
    month: Month
    of: Month
    outcome: Outcome
    amount_cents: int


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line to add to the statement of ``month``."""

    month: Month
    kind: Kind
    outcome: Outcome
    price: Price
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Posting:
    """What one event does to a mentor's statements: lines that no longer stand, and at most one new line."""

    superseded: Sequence[UUID]
    line: NewLine | None


def post(
    documented: Documented,
    earlier: Sequence[EarlierLine],
    closed_months: Collection[Month],
    tariff: Tariff,
    zone: tzinfo,
) -> Posting:
    """Decides what ``documented`` does, given the lines of its session that stand and the mentor's closed months.

    The tariff is that of the session's own day, whenever it is documented. Raises NoTariff.
    """
    month = Month.of(documented.starts_at, zone)
    of_month = [line for line in earlier if line.of == month]
    settled = [line for line in of_month if line.month in closed_months]
    superseded = [line.line_id for line in of_month if line.month not in closed_months]
    if not settled and documented.outcome is None:
        return Posting(superseded, None)

    outcome = documented.outcome or settled[-1].outcome
    price = tariff.price(outcome, documented.path, documented.starts_at.astimezone(zone).date())
    if documented.outcome is None:
        price = Price(price.level, price.rate_cents, 0, 0, price.rate_version)  # What was paid is taken back whole.
    if not settled and month not in closed_months:
        return Posting(superseded, NewLine(month, Kind.SESSION, outcome, price, price.amount_cents))
    difference_cents = price.amount_cents - sum(line.amount_cents for line in settled)
    first_open = first_open_from(month, closed_months)
    return Posting(superseded, NewLine(first_open, Kind.ADJUSTMENT, outcome, price, difference_cents))


def first_open_from(month: Month, closed_months: Collection[Month]) -> Month:
    """The first month from ``month`` on whose statement is open."""
    while month in closed_months:
        month = month.next()
    return month
