"""Which of billing's events the others see, and as what."""

from relais_contracts import Contract
from relais_contracts import billing as contract
from services.billing.domain.events import DisputeSettled, DisputeWithdrawn, LineDisputed, StatementClosed
from services.chassis.event_store import Recorded


def publish(recorded: Recorded) -> tuple[str, str, Contract] | None:
    """Topic, key and data of the published event."""
    match recorded.data:
        case StatementClosed() as closed:
            data = contract.StatementClosed(
                mentor_id=closed.mentor_id,
                month=closed.month,
                currency=closed.currency,
                total_cents=closed.total_cents,
                lines=len(closed.line_ids),
                closed_at=closed.closed_at,
            )
            return data.topic, data.key, data
        # What was said stays between the two: the others learn that it was said.
        case LineDisputed() as disputed:
            said = contract.LineDisputed(
                line_id=disputed.line_id,
                mentor_id=disputed.mentor_id,
                month=disputed.month,
                disputed_at=disputed.disputed_at,
            )
            return said.topic, said.key, said
        case DisputeWithdrawn() as withdrawn:
            taken_back = contract.DisputeWithdrawn(
                line_id=withdrawn.line_id,
                mentor_id=withdrawn.mentor_id,
                month=withdrawn.month,
                withdrawn_at=withdrawn.withdrawn_at,
            )
            return taken_back.topic, taken_back.key, taken_back
        case DisputeSettled() as settled:
            answered = contract.DisputeSettled(
                line_id=settled.line_id,
                mentor_id=settled.mentor_id,
                month=settled.month,
                settled_at=settled.settled_at,
            )
            return answered.topic, answered.key, answered
        case _:
            return None
