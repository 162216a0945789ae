"""The proof of the audit log: chains of digests, one for each partition of a topic, in the order of arrival.

An entry's digest covers the entry and the digest before it, so that one that was changed, removed or inserted breaks
its chain from there on. A head, which is a chain's last number and digest, vouches for all before it: kept elsewhere,
it also finds a log that was written anew with digests that fit. Pure; what an entry holds stands in ENTRY_FIELDS.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

import orjson

ENTRY_FIELDS: Final = (
    "topic",
    "partition",
    "number",
    "record_offset",
    "event_id",
    "event_type",
    "source",
    "subject",
    "sequence",
    "student_id",
    "mentor_id",
    "actor",
    "occurred_at",
    "correlation_id",
    "causation_id",
    "traceparent",
    "data",
)
"""What the digest covers. Ids as text, ``occurred_at`` in RFC 3339 in UTC, ``data`` as JSON."""

BEGINNING: Final = bytes(32)
"""What stands before the first entry of a chain."""

Wrong = Literal["changed", "removed", "inserted", "unproven", "broken_off"]


@dataclass(frozen=True, slots=True, order=True)
class Chain:
    """One partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain; ``number`` counts from 1."""

    chain: Chain
    number: int
    digest: bytes

    def as_json(self) -> dict[str, Any]:
        return {
            "topic": self.chain.topic,
            "partition": self.chain.partition,
            "number": self.number,
            "digest": self.digest.hex(),
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError or ValueError for what is no head."""
        return cls(
            Chain(str(said["topic"]), int(said["partition"])), int(said["number"]), bytes.fromhex(said["digest"])
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """The first entry of a chain that does not fit: its number, and its event where there is one."""

    chain: Chain
    number: int
    event_id: str | None
    wrong: Wrong


def digest_of(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """The digest of an entry that comes after ``previous``; UUIDs and instants are written as JSON has them."""
    written = orjson.dumps({name: entry[name] for name in ENTRY_FIELDS}, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    return hashlib.sha256(previous + written).digest()


@dataclass(slots=True)
class Verification:
    """Takes the entries of each chain in their order, then the heads; keeps the first fault of each chain."""

    kept: Mapping[Chain, Head] = field(default_factory=dict)
    entries_count: int = 0
    heads: dict[Chain, Head] = field(default_factory=dict)
    faults: dict[Chain, Fault] = field(default_factory=dict)
    _closed: set[Chain] = field(default_factory=set)

    @classmethod
    def against(cls, kept: Iterable[Head]) -> Self:
        """With heads that were kept elsewhere."""
        return cls(kept={head.chain: head for head in kept})

    def take(self, entry: Mapping[str, Any]) -> None:
        """An entry with its ``digest`` in hexadecimal. Raises KeyError, TypeError or ValueError for what is none."""
        chain = Chain(entry["topic"], entry["partition"])
        self.entries_count += 1
        if chain in self.faults:
            return
        before = self.heads.get(chain, Head(chain, 0, BEGINNING))
        expected, number = before.number + 1, entry["number"]
        if number is None or entry["digest"] is None:
            self._found(chain, expected, entry["event_id"], "unproven")
        elif number > expected:
            self._found(chain, expected, None, "removed")
        elif number < expected:
            self._found(chain, number, entry["event_id"], "inserted")
        elif (digest := digest_of(before.digest, entry)).hex() != entry["digest"]:
            self._found(chain, number, entry["event_id"], "changed")
        else:
            self.heads[chain] = Head(chain, number, digest)
            kept = self.kept.get(chain)
            if kept is not None and kept.number == number and kept.digest != digest:
                self._found(chain, number, entry["event_id"], "changed")

    def close(self, head: Head) -> None:
        """What the log itself says is the end of a chain."""
        self._closed.add(head.chain)
        if head.chain in self.faults:
            return
        last = self.heads.get(head.chain, Head(head.chain, 0, BEGINNING))
        if last.number < head.number:
            self._found(head.chain, last.number + 1, None, "removed")
        elif last != head:
            self._found(head.chain, last.number, None, "inserted")

    def end(self) -> list[Fault]:
        """All faults, one a chain, once everything was taken."""
        for chain, last in self.heads.items():
            if chain not in self._closed and chain not in self.faults:
                self._found(chain, last.number + 1, None, "broken_off")
        for chain, kept in self.kept.items():
            known = self.heads.get(chain)
            if chain not in self.faults and (known is None or known.number < kept.number):
                self._found(chain, (known.number if known else 0) + 1, None, "removed")
        return [self.faults[chain] for chain in sorted(self.faults)]

    def _found(self, chain: Chain, number: int, event_id: str | None, wrong: Wrong) -> None:
        self.faults[chain] = Fault(chain, number, event_id, wrong)
