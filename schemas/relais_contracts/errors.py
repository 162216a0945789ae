"""What can be wrong with a record.

ContractError
├── UnknownType   a type that this version of the contracts does not know: newer than us, pass it over
└── Malformed     a type that we know, with headers or a value that break its contract: set it aside
"""


class ContractError(Exception):
    """A record that is not one of our events."""


class UnknownType(ContractError):
    """The record's `ce_type` is not in the registry of this version of the contracts."""

    def __init__(self, ce_type: str) -> None:
        super().__init__(f"unknown event type {ce_type!r}")
        self.ce_type = ce_type


class Malformed(ContractError):
    """The record breaks the contract: a header is missing or unreadable, or the value does not fit its schema."""
