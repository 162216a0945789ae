"""Every published event, by its type."""

from collections.abc import Mapping
from types import MappingProxyType

from relais_contracts import billing, operations, sessions, transfers
from relais_contracts.contract import Contract

REGISTRY: Mapping[str, type[Contract]] = MappingProxyType(
    {
        contract.ce_type: contract
        for contract in (*sessions.EVENTS, *transfers.EVENTS, *billing.EVENTS, *operations.EVENTS)
    }
)
"""`ce_type` → model."""

TOPICS: tuple[str, ...] = (sessions.TOPIC, transfers.TOPIC, billing.TOPIC, operations.TOPIC)
"""The topics on which they are published."""
