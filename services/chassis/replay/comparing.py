"""Comparing a rebuild with the live view: a checksum of each table, and every row that differs, by its key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.rows import DictRow

from services.chassis.replay.shadow import Shadow
from services.chassis.replay.view import Table

MAX_DIFFERENCES: Final = 100

# Without those that PostgreSQL computes from the others.
COLUMNS_OF: Final = """
SELECT attname FROM pg_attribute
WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass
  AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""

# The sum does not depend on the order of the rows.
CHECKSUM: Final = """
SELECT count(*) AS row_count, coalesce(sum(hashtextextended(ROW({columns})::text, 0)::numeric), 0)::text AS checksum
FROM {schema}.{table}
"""

DIFFERENCES: Final = """
WITH differing AS (
    SELECT {key}, to_jsonb(l) AS live, to_jsonb(r) AS rebuilt
    FROM (SELECT {columns} FROM {live}.{table}) AS l
    FULL JOIN (SELECT {columns} FROM {rebuild}.{table}) AS r USING ({key})
    WHERE l IS DISTINCT FROM r
)
SELECT *, (SELECT count(*) FROM differing) AS difference_count FROM differing ORDER BY {key} LIMIT {limit}
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: how many rows, and their checksum."""

    row_count: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that differs: its key, and by column what the live row and the rebuilt one say. None: there is no row."""

    key: Mapping[str, Any]
    live: Mapping[str, Any] | None
    rebuilt: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table. ``differences`` are the first of ``difference_count``."""

    table: str
    live: Side
    rebuilt: Side
    difference_count: int
    differences: Sequence[Difference]


def compare(connection: Connection[DictRow], shadow: Shadow) -> list[Comparison]:
    """All tables of the view; call it in a transaction that sees one instant."""
    return [_compare(connection, shadow, table) for table in shadow.view.tables]


def checksums(connection: Connection[DictRow], shadow: Shadow) -> dict[str, Side]:
    """The rebuilt tables alone."""
    return {
        table.name: _side(connection, shadow.rebuild, table, _columns(connection, shadow, table))
        for table in shadow.view.tables
    }


def _compare(connection: Connection[DictRow], shadow: Shadow, table: Table) -> Comparison:
    columns = _columns(connection, shadow, table)
    query = sql.SQL(DIFFERENCES).format(
        key=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier(table.name),
        live=shadow.live,
        rebuild=shadow.rebuild,
        limit=sql.Literal(MAX_DIFFERENCES),
    )
    rows = connection.execute(query).fetchall()
    return Comparison(
        table=table.name,
        live=_side(connection, shadow.live, table, columns),
        rebuilt=_side(connection, shadow.rebuild, table, columns),
        difference_count=rows[0]["difference_count"] if rows else 0,
        differences=[_difference(table, row) for row in rows],
    )


def _columns(connection: Connection[DictRow], shadow: Shadow, table: Table) -> list[str]:
    rows = connection.execute(COLUMNS_OF, (shadow.schema, table.name)).fetchall()
    return [row["attname"] for row in rows if row["attname"] not in table.ignored]


def _side(connection: Connection[DictRow], schema: sql.Identifier, table: Table, columns: Sequence[str]) -> Side:
    query = sql.SQL(CHECKSUM).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)), schema=schema, table=sql.Identifier(table.name)
    )
    row = connection.execute(query).fetchone()
    assert row is not None
    return Side(row["row_count"], row["checksum"])


def _difference(table: Table, row: DictRow) -> Difference:
    live, rebuilt = row["live"], row["rebuilt"]
    if live is not None and rebuilt is not None:
        names = [name for name in live if live[name] != rebuilt[name]]
        live, rebuilt = ({name: side[name] for name in names} for side in (live, rebuilt))
    return Difference({name: row[name] for name in table.key}, live, rebuilt)
