"""The switch: a rebuild's tables and the live ones change places, within the caller's transaction.

The caller holds the live positions, and the rebuild is exactly there; so the running consumers go on without noticing.
A reader waits for as long as the renaming takes, and then finds the new tables under the old names.
"""

from typing import Final

from psycopg import Connection, sql
from psycopg.rows import DictRow

from services.chassis.replay.comparing import COLUMNS_OF
from services.chassis.replay.shadow import Shadow
from services.chassis.replay.view import Table

BY: Final = "replay"

# What the live view has set aside and the rebuild has not, has taken effect in the rebuild.
SETTLE: Final = """
UPDATE {live}.parked AS l SET state = 'retried', settled_at = now(), settled_by = %(by)s
WHERE l.consumer = %(consumer)s AND l.state IN ('waiting', 'parked') AND NOT EXISTS (
    SELECT FROM {rebuild}.parked AS r
    WHERE (r.consumer, r.topic, r.partition, r.record_offset) = (l.consumer, l.topic, l.partition, l.record_offset)
      AND r.state IN ('waiting', 'parked')
)
"""

# What both have set aside keeps its age; it gets a new number, because within a key numbers give the order.
KEEP_AGE: Final = """
UPDATE {rebuild}.parked AS r SET parked_at = l.parked_at FROM {live}.parked AS l
WHERE (r.consumer, r.topic, r.partition, r.record_offset) = (l.consumer, l.topic, l.partition, l.record_offset)
"""

MAKE_ROOM: Final = """
DELETE FROM {live}.parked AS l USING {rebuild}.parked AS r
WHERE (r.consumer, r.topic, r.partition, r.record_offset) = (l.consumer, l.topic, l.partition, l.record_offset)
  AND r.state IN ('waiting', 'parked')
"""

TAKE_OVER: Final = """
INSERT INTO {live}.parked (consumer, topic, partition, record_offset, record_key, header_names, header_values,
    record_value, error, attempts, state, parked_at)
SELECT consumer, topic, partition, record_offset, record_key, header_names, header_values,
    record_value, error, attempts, state, parked_at
FROM {rebuild}.parked WHERE state IN ('waiting', 'parked') ORDER BY parked_id
"""

ADD_MISSING: Final = """
INSERT INTO {live}.{table} ({columns}) SELECT {columns} FROM {rebuild}.{table} AS r
WHERE NOT EXISTS (SELECT FROM {live}.{table} AS l WHERE {same_key})
"""

COUNT: Final = "SELECT count(*) AS row_count FROM {}.{}"

MOVE: Final = "ALTER TABLE {}.{} SET SCHEMA {}"
MOVE_FUNCTION: Final = "ALTER FUNCTION {}.{} SET SCHEMA {}"


def count_rows(connection: Connection[DictRow], shadow: Shadow) -> int:
    """Of the rebuild's tables, all together."""
    counts = [
        connection.execute(sql.SQL(COUNT).format(shadow.rebuild, sql.Identifier(table.name))).fetchone()
        for table in shadow.view.tables
    ]
    return sum(row["row_count"] for row in counts if row is not None)


def switch(connection: Connection[DictRow], shadow: Shadow) -> None:
    """Puts the rebuilt tables in the place of the live ones, which go to the schema ``<service>_before``."""
    both = {"live": shadow.live, "rebuild": shadow.rebuild}
    for statement in (SETTLE, KEEP_AGE, MAKE_ROOM, TAKE_OVER):
        connection.execute(sql.SQL(statement).format(**both), {"consumer": shadow.view.service, "by": BY})
    for table in shadow.view.tables:
        if table.kept:
            _add_missing(connection, shadow, table)
    shadow.drop_before(connection)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(shadow.before))
    for name in map(sql.Identifier, shadow.swapped()):
        connection.execute(sql.SQL(MOVE).format(shadow.live, name, shadow.before))
        connection.execute(sql.SQL(MOVE).format(shadow.rebuild, name, shadow.live))
    for signature in shadow.functions(connection, shadow.live):
        connection.execute(sql.SQL(MOVE_FUNCTION).format(shadow.live, signature, shadow.before))
    for signature in shadow.functions(connection, shadow.rebuild):
        connection.execute(sql.SQL(MOVE_FUNCTION).format(shadow.rebuild, signature, shadow.live))
    shadow.drop(connection)


def _add_missing(connection: Connection[DictRow], shadow: Shadow, table: Table) -> None:
    rows = connection.execute(COLUMNS_OF, (shadow.schema, table.name)).fetchall()
    same_key = [sql.SQL("l.{key} = r.{key}").format(key=sql.Identifier(name)) for name in table.key]
    connection.execute(
        sql.SQL(ADD_MISSING).format(
            live=shadow.live,
            rebuild=shadow.rebuild,
            table=sql.Identifier(table.name),
            columns=sql.SQL(", ").join(sql.Identifier(row["attname"]) for row in rows),
            same_key=sql.SQL(" AND ").join(same_key),
        )
    )
