"""What a service builds from events, said so that it can be built again."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from services.chassis.at_once import AtOnce
from services.chassis.effects import Reaction

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that reactions write. Rows are compared by ``key``, in all columns but those that are ``ignored``.

    ``kept``: its rows say what was done with them (an e-mail was sent), so that at a switch they stay, and only those
    that are missing come in.
    """

    name: str
    key: Sequence[str]
    ignored: Sequence[str] = ()
    kept: bool = False


ACCOUNTS: Final = (Table("accounts", ("account_id",)), Table("companions", ("student_id",)))
"""Those that ``chassis.accounts`` keeps."""


@dataclass(frozen=True, slots=True)
class View:
    """The tables of one consumer, with reactions that write these and do nothing else.

    ``names`` are what people call it. ``looks_at`` are tables that commands write and reactions read. ``built_last``
    are indexes that no reaction needs: built at once when all rows are there, they cost a fraction.
    """

    service: str
    names: Sequence[str]
    topics: Sequence[str]
    reactions: Mapping[str, Sequence[Reaction]]
    tables: Sequence[Table]
    built_last: Sequence[str] = ()
    looks_at: Mapping[str, str | None] = field(default_factory=dict)
    """By name, with the column that says since when a row is there, where it has one."""


def limited(
    reactions: Mapping[str, Sequence[Reaction]], *, skipped: Container[Place], as_of: datetime | None
) -> Mapping[str, Sequence[Reaction]]:
    """The reactions, without what support skipped and without what came after an instant."""

    def counts(event: CloudEvent) -> bool:
        return (event.topic, event.partition, event.offset) not in skipped and (as_of is None or event.time <= as_of)

    known: dict[int, Reaction] = {}

    def wrapped(reaction: Reaction) -> Reaction:
        if id(reaction) not in known:
            known[id(reaction)] = (
                _some_at_once(reaction, counts) if isinstance(reaction, AtOnce) else _some(reaction, counts)
            )
        return known[id(reaction)]

    return {ce_type: [wrapped(reaction) for reaction in several] for ce_type, several in reactions.items()}


def _some(reaction: Reaction, counts: Callable[[CloudEvent], bool]) -> Reaction:
    def react(connection: Connection[DictRow], event: CloudEvent) -> None:
        if counts(event):
            reaction(connection, event)

    return react


def _some_at_once(reaction: AtOnce, counts: Callable[[CloudEvent], bool]) -> AtOnce:
    def many(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
        if counting := [event for event in events if counts(event)]:
            reaction.many(connection, counting)

    return AtOnce(many)
