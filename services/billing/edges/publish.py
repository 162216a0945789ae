"""Which of billing's events the others see, and as what."""

from relais_contracts import Contract
from relais_contracts import billing as contract
from services.billing.domain.events import StatementClosed
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
        case _:
            return None
