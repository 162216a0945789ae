"""A month in a path."""

from typing import Annotated

from fastapi import Path

from services.billing.domain.month import Month
from services.chassis.refusal import Refused

MonthPath = Annotated[str, Path(description="The month, as 2026-11.", max_length=7)]


def month_of(written: str) -> Month:
    """Raises Refused."""
    try:
        return Month.parse(written)
    except ValueError as error:
        raise Refused("invalid_month", "Le mois s’écrit comme 2026-11.", "A month is written like 2026-11.") from error
