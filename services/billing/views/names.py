"""How mentors and students are called: table ``names``, as the directory last said. Documents show it."""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

KEEP: Final = """
INSERT INTO names (person_id, name) SELECT * FROM unnest(%s::uuid[], %s::text[])
ON CONFLICT (person_id) DO UPDATE SET name = excluded.name
"""

FIND: Final = "SELECT person_id, name FROM names WHERE person_id = ANY(%s)"


def keep(connection: Connection[DictRow], names: Mapping[UUID, str]) -> None:
    """Inserts or replaces people's names."""
    connection.execute(KEEP, (list(names), list(names.values())))


def of(connection: Connection[DictRow], person_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names that are known of these people."""
    rows = connection.execute(FIND, (list(person_ids),)).fetchall()
    return {row["person_id"]: row["name"] for row in rows}
