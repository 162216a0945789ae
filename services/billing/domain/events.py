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


@dataclass(frozen=True, slots=True)
class LineDisputed:
    """A mentor does not agree with a line. ``reason``: why, or nothing as long as they have not said."""

    line_id: UUID
    mentor_id: UUID
    month: str
    reason: str
    disputed_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeExplained:
    """The mentor said why, after disputing a line without a word."""

    line_id: UUID
    reason: str
    explained_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeWithdrawn:
    """The mentor took it back, before it was answered."""

    line_id: UUID
    mentor_id: UUID
    month: str
    withdrawn_at: datetime


@dataclass(frozen=True, slots=True)
class DisputeSettled:
    """Billing or support answered."""

    line_id: UUID
    mentor_id: UUID
    month: str
    answer: str
    settled_at: datetime


EVENT_TYPES: Mapping[str, type] = {
    "billing.StatementClosed.v1": StatementClosed,
    "billing.LineDisputed.v1": LineDisputed,
    "billing.DisputeExplained.v1": DisputeExplained,
    "billing.DisputeWithdrawn.v1": DisputeWithdrawn,
    "billing.DisputeSettled.v1": DisputeSettled,
}
"""Stored name → event. Names are never changed."""
