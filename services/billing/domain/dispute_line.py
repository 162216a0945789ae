"""A mentor disputes a line of their statement, once, with a reason; billing or support answers, once.

Neither changes the line: what was documented wrongly is corrected by support, and the statement follows (S8).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.billing.domain.events import DisputeSettled, LineDisputed
from services.chassis.refusal import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Undisputed:
    """Nobody has disputed the line."""


@dataclass(frozen=True, slots=True)
class Open:
    """Waits for an answer."""

    disputed: LineDisputed


@dataclass(frozen=True, slots=True)
class Settled:
    """Was answered."""

    disputed: LineDisputed
    settled: DisputeSettled


Dispute = Undisputed | Open | Settled
DisputeEvent = LineDisputed | DisputeSettled


@dataclass(frozen=True, slots=True)
class DisputeLine:
    line_id: UUID
    mentor_id: UUID
    month: str
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class SettleDispute:
    answer: str
    now: datetime


def decide(command: DisputeLine, dispute: Dispute) -> list[LineDisputed]:
    """Said twice with the same reason: already so."""
    match dispute:
        case Undisputed():
            return [LineDisputed(command.line_id, command.mentor_id, command.month, command.reason, command.now)]
        case Open(disputed=disputed) | Settled(disputed=disputed):
            if disputed.reason == command.reason:
                return []
            raise Conflict(
                "line_already_disputed",
                "Cette ligne est déjà contestée : l'équipe facturation répond à la première contestation.",
                "This line is disputed already: the billing team answers the first dispute.",
            )
        case _:
            assert_never(dispute)


def decide_settlement(command: SettleDispute, dispute: Dispute) -> list[DisputeSettled]:
    match dispute:
        case Undisputed():
            raise NotFound("dispute_unknown", "Cette ligne n'est pas contestée.", "This line is not disputed.")
        case Open(disputed=disputed):
            return [DisputeSettled(disputed.line_id, disputed.mentor_id, disputed.month, command.answer, command.now)]
        case Settled(settled=settled):
            if settled.answer == command.answer:
                return []
            raise Conflict(
                "dispute_already_settled",
                "Cette contestation a déjà reçu sa réponse.",
                "This dispute has been answered already.",
            )
        case _:
            assert_never(dispute)


def evolve(dispute: Dispute, event: DisputeEvent) -> Dispute:
    match event:
        case LineDisputed():
            return Open(event)
        case DisputeSettled():
            assert isinstance(dispute, Open)
            return Settled(dispute.disputed, event)
        case _:
            assert_never(event)


def fold(events: Iterable[DisputeEvent]) -> Dispute:
    dispute: Dispute = Undisputed()
    for event in events:
        dispute = evolve(dispute, event)
    return dispute
