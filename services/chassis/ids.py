"""Identifiers: UUIDv7 (RFC 9562) for what is new, UUIDv5 for what must come out the same when it is made again."""

from uuid import UUID

from uuid_utils.compat import uuid5, uuid7

_NAMESPACE = UUID("6f1d9a52-3c55-5d0e-9a55-0b1f6a1d7e11")


def new_id() -> UUID:
    """A fresh UUIDv7: it begins with its instant in milliseconds, so indexes grow at their end."""
    fresh: UUID = uuid7()
    return fresh


def derived_id(*parts: object) -> UUID:
    """A UUIDv5 of ``parts``: the same parts give the same id on every machine, so a repetition finds its own work."""
    derived: UUID = uuid5(_NAMESPACE, "\x1f".join(map(str, parts)))
    return derived
