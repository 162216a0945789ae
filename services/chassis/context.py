"""The context of a command: who asked for it, when, and as part of what."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Context:
    """What every event records beside its data.

    ``actor`` is ``role:e-mail``, ``import:e-mail`` or ``service:name``; ``correlation_id`` is shared by all that one
    request caused; ``causation_id`` is the id of the event that a reaction answers to; ``traceparent`` is the W3C
    trace context as received; ``now`` is the instant at which the command is decided (UTC).
    """

    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None
    now: datetime
