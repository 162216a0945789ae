"""What billing itself decides, as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StatementClosed:
    """A mentor's statement of one month was closed with these lines and will never change again."""

    mentor_id: UUID
    month: str
    currency: str
    total_cents: int
    line_ids: tuple[UUID, ...]
    closed_at: datetime


EVENT_TYPES: Mapping[str, type] = {"billing.StatementClosed.v1": StatementClosed}
"""Stored name → event. Names are never changed."""
