"""A mentor disputes a line of their statement, and says why then or later; billing or support answers, once.

Until it is answered the mentor may take it back. None of it changes the line: what was documented wrongly is
corrected by support, and the statement follows (S8).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.billing.domain.events import DisputeExplained, DisputeSettled, DisputeWithdrawn, LineDisputed
from services.chassis.refusal import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Undisputed:
    """Nobody disputes the line, or no longer."""


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
DisputeEvent = LineDisputed | DisputeExplained | DisputeWithdrawn | DisputeSettled


@dataclass(frozen=True, slots=True)
class DisputeLine:
    line_id: UUID
    mentor_id: UUID
    month: str
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class WithdrawDispute:
    now: datetime


@dataclass(frozen=True, slots=True)
class SettleDispute:
    answer: str
    now: datetime


ALREADY_SETTLED = Conflict(
    "dispute_already_settled",
    "Cette contestation a déjà reçu sa réponse.",
    "This dispute has been answered already.",
)


def decide(command: DisputeLine, dispute: Dispute) -> list[LineDisputed | DisputeExplained]:
    """Said twice with the same reason: already so. A reason that was not given at first is added."""
    match dispute:
        case Undisputed():
            return [LineDisputed(command.line_id, command.mentor_id, command.month, command.reason, command.now)]
        case Open(disputed=LineDisputed(reason="")) if command.reason:
            return [DisputeExplained(command.line_id, command.reason, command.now)]
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


def decide_withdrawal(command: WithdrawDispute, dispute: Dispute) -> list[DisputeWithdrawn]:
    """Nothing to take back: already so."""
    match dispute:
        case Undisputed():
            return []
        case Open(disputed=disputed):
            return [DisputeWithdrawn(disputed.line_id, disputed.mentor_id, disputed.month, command.now)]
        case Settled():
            raise ALREADY_SETTLED
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
            raise ALREADY_SETTLED
        case _:
            assert_never(dispute)


def evolve(dispute: Dispute, event: DisputeEvent) -> Dispute:
    match event:
        case LineDisputed():
            return Open(event)
        case DisputeExplained():
            assert isinstance(dispute, Open)
            return Open(replace(dispute.disputed, reason=event.reason))
        case DisputeWithdrawn():
            return Undisputed()
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
