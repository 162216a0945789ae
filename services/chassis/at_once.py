"""Reactions that take many events in one go: what one after the other would come to, in a few statements."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.sql import SQL, Identifier

from relais_contracts import CloudEvent

One = Callable[[Connection[DictRow], CloudEvent], None]
Many = Callable[[Connection[DictRow], Sequence[CloudEvent]], None]


@dataclass(frozen=True, slots=True)
class AtOnce:
    """A reaction to one event, that of several in their order makes the same as one by one.

    An inbox hands it all its events of those that follow each other and have reactions of this kind alone. Each writes
    rows that no other reaction reads or writes, since it takes them in turn with others. What fails is tried again one
    by one, so that only the event at fault is set aside.
    """

    many: Many

    def __call__(self, connection: Connection[DictRow], event: CloudEvent) -> None:
        self.many(connection, [event])


def in_one_go(reaction: One) -> AtOnce:
    """A reaction that writes and never looks at what came of it: its statements are sent without waiting for each."""

    def many(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
        with connection.pipeline():
            for event in events:
                reaction(connection, event)

    return AtOnce(many)


class CopyInto:
    """Adds rows to a table by COPY. ``columns``: by name, PostgreSQL's type, since binary COPY casts nothing."""

    def __init__(self, table: str, **columns: str) -> None:
        self.columns = tuple(columns)
        self._types = tuple(columns.values())
        self._statement = SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
            Identifier(table), SQL(", ").join(map(Identifier, columns))
        )

    def add(self, connection: Connection[DictRow], rows: Iterable[Sequence[Any]]) -> None:
        """Adds rows, each with the values of the columns in their order."""
        with connection.cursor() as cursor, cursor.copy(self._statement) as copy:
            copy.set_types(self._types)
            for row in rows:
                copy.write_row(row)
