"""The tables in which a view is built again: a schema beside the live one, made by the same migrations.

So every column, constraint and index has its live name, and a table can change places with its twin. Reactions find
these tables by their search path alone. Positions, versions and what is set aside are its own; so a rebuild that was
killed goes on from where it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from services.chassis.migrate import build_schema, fingerprint_of, unapplied
from services.chassis.replay.view import Place, View

OWN: Final = ("inbox_positions", "inbox_versions", "parked")
"""The chassis' tables that a rebuild needs of its own; the others belong to commands."""

REBUILD_TABLE: Final = """
CREATE TABLE rebuild (
    fingerprint text NOT NULL, as_of timestamptz, begun_at timestamptz NOT NULL DEFAULT now(), indexes text[] NOT NULL
)
"""

# Told as it goes, for those who look on. A run begins with so many events that earlier ones had read.
PROGRESS_TABLE: Final = """
CREATE TABLE IF NOT EXISTS {}.rebuild_progress (
    stage text NOT NULL, run_begun_at timestamptz NOT NULL DEFAULT now(), run_begun_with bigint NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(), comparisons jsonb NOT NULL DEFAULT '[]'
)
"""

NEW_RUN: Final = """
DELETE FROM {rebuild}.rebuild_progress;
INSERT INTO {rebuild}.rebuild_progress (stage, run_begun_with)
SELECT 'prepare', coalesce(sum(next_offset), 0) FROM {rebuild}.inbox_positions;
GRANT SELECT ON {rebuild}.rebuild_progress TO {role}
"""

NOTE: Final = "UPDATE {}.rebuild_progress SET stage = %s, noted_at = clock_timestamp()"
NOTE_COMPARISONS: Final = "UPDATE {}.rebuild_progress SET comparisons = %s"

TABLES_OF: Final = "SELECT tablename FROM pg_tables WHERE schemaname = %s"

INDEXES_OF: Final = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s AND indexname = ANY(%s) ORDER BY indexname"
)

POSITIONS: Final = (
    "SELECT topic, partition, next_offset FROM {}.inbox_positions WHERE consumer = %s ORDER BY topic, partition"
)

LOCK_POSITIONS: Final = POSITIONS + " FOR UPDATE"

WAIT_FOR_COMMANDS: Final = "LOCK TABLE {}.{} IN ROW SHARE MODE"

SKIPPED: Final = """
SELECT topic, partition, record_offset FROM {}.parked WHERE consumer = %s AND state = 'skipped'
"""

# What support skipped stays skipped.
SKIP_AGAIN: Final = """
UPDATE {rebuild}.parked AS r
SET state = 'skipped', settled_at = l.settled_at, settled_by = l.settled_by, reason = l.reason
FROM {live}.parked AS l
WHERE l.consumer = %s AND l.state = 'skipped' AND r.state IN ('waiting', 'parked')
  AND (r.consumer, r.topic, r.partition, r.record_offset) = (l.consumer, l.topic, l.partition, l.record_offset)
"""

OPEN_KEYS: Final = """
SELECT topic, record_key, count(*) AS open_count FROM {}.parked WHERE consumer = %s AND state IN ('waiting', 'parked')
GROUP BY topic, record_key ORDER BY min(parked_id)
"""

FUNCTIONS_OF: Final = """
SELECT format('%%I(%%s)', proname, pg_get_function_identity_arguments(p.oid)) AS signature
FROM pg_proc AS p WHERE pronamespace = to_regnamespace(%s) ORDER BY 1
"""

OBJECTS_OF: Final = """
SELECT kind, named FROM (
    SELECT CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS kind, oid::regclass::text AS named,
        CASE relkind WHEN 'v' THEN 1 ELSE 2 END AS place
    FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s) AND relkind IN ('v', 'r')
    UNION ALL
    SELECT 'FUNCTION', oid::regprocedure::text, 3 FROM pg_proc WHERE pronamespace = to_regnamespace(%(schema)s)
) AS found ORDER BY place
"""

Positions = Mapping[tuple[str, int], int]
"""By topic and partition, the next offset."""


class NotMigrated(Exception):
    """The live schema is not at this version of the code."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """The schemas of one view's rebuild. Everything is done on an administrator's connection."""

    view: View

    @property
    def live(self) -> sql.Identifier:
        return sql.Identifier(self.view.service)

    @property
    def schema(self) -> str:
        return f"{self.view.service}_rebuild"

    @property
    def rebuild(self) -> sql.Identifier:
        return sql.Identifier(self.schema)

    @property
    def role(self) -> sql.Identifier:
        """As which the service logs in."""
        return sql.Identifier(f"relais_{self.view.service}")

    @property
    def before(self) -> sql.Identifier:
        """Where the tables are that were live before the last switch."""
        return sql.Identifier(f"{self.view.service}_before")

    def begin(self, connection: Connection[DictRow], as_of: datetime | None) -> bool:
        """Makes the schema, or finds the one that an earlier run of the same rebuild left: then True."""
        missing = unapplied(connection, self.view.service)
        if missing:
            raise NotMigrated(", ".join(missing))
        if self._is_same(connection, as_of):
            return True
        with connection.transaction():
            self.drop(connection)
            build_schema(connection, self.view.service, self.schema)
            self._keep_what_is_needed(connection, as_of)
            self._take_out_indexes(connection, as_of)
            self._grant(connection)
        return False

    def begin_run(self, connection: Connection[DictRow]) -> None:
        """Says that somebody works on it from now on."""
        connection.execute(sql.SQL(PROGRESS_TABLE).format(self.rebuild))
        connection.execute(sql.SQL(NEW_RUN).format(rebuild=self.rebuild, role=self.role))

    def note(self, connection: Connection[DictRow], stage: str) -> None:
        connection.execute(sql.SQL(NOTE).format(self.rebuild), (stage,))

    def note_comparisons(self, connection: Connection[DictRow], found: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(sql.SQL(NOTE_COMPARISONS).format(self.rebuild), (Jsonb(found),))

    def drop(self, connection: Connection[DictRow]) -> None:
        """Drops the rebuild; the tables before the last switch stay."""
        _drop_schema(connection, self.rebuild)

    def drop_before(self, connection: Connection[DictRow]) -> None:
        """Drops the tables that were live before the last switch."""
        _drop_schema(connection, self.before)

    def functions(self, connection: Connection[DictRow], schema: sql.Identifier) -> list[sql.SQL]:
        """The functions of a schema, each with its arguments; a table may compute a column by one, so they go along."""
        return [sql.SQL(row["signature"]) for row in connection.execute(FUNCTIONS_OF, (_name(schema),)).fetchall()]

    def positions(self, connection: Connection[DictRow]) -> Positions:
        """How far the rebuild is."""
        return self._positions(connection, POSITIONS, self.rebuild)

    def live_positions(self, connection: Connection[DictRow], *, lock: bool = False) -> Positions:
        """How far the live view is; locked, no event takes effect there until the transaction ends."""
        return self._positions(connection, LOCK_POSITIONS if lock else POSITIONS, self.live)

    def wait_for_commands(self, connection: Connection[DictRow]) -> None:
        """Until every command is committed that may have seen the live view before its present positions."""
        for name in self.view.looks_at:
            with connection.transaction():
                connection.execute(sql.SQL(WAIT_FOR_COMMANDS).format(self.live, sql.Identifier(name)))

    def skipped(self, connection: Connection[DictRow]) -> set[Place]:
        """What support settled without its effect in the live view."""
        rows = connection.execute(sql.SQL(SKIPPED).format(self.live), (self.view.service,)).fetchall()
        return {(row["topic"], row["partition"], row["record_offset"]) for row in rows}

    def skip_again(self, connection: Connection[DictRow]) -> None:
        connection.execute(sql.SQL(SKIP_AGAIN).format(live=self.live, rebuild=self.rebuild), (self.view.service,))

    def open_keys(self, connection: Connection[DictRow]) -> Sequence[tuple[str, bytes, int]]:
        """Topic, key and count of what the rebuild set aside."""
        rows = connection.execute(sql.SQL(OPEN_KEYS).format(self.rebuild), (self.view.service,)).fetchall()
        return [(row["topic"], row["record_key"], row["open_count"]) for row in rows]

    def build_indexes(self, connection: Connection[DictRow]) -> None:
        """Builds what was left for last, and lets the planner know what is there."""
        row = connection.execute(sql.SQL("SELECT indexes FROM {}.rebuild").format(self.rebuild)).fetchone()
        for statement in row["indexes"] if row else ():
            connection.execute(statement.encode())
        connection.execute(sql.SQL("UPDATE {}.rebuild SET indexes = '{{}}'").format(self.rebuild))
        for name in self.swapped():
            connection.execute(sql.SQL("ANALYZE {}.{}").format(self.rebuild, sql.Identifier(name)))

    def swapped(self) -> list[str]:
        """The tables that change places at a switch."""
        return [*(table.name for table in self.view.tables if not table.kept), "inbox_versions"]

    def _positions(self, connection: Connection[DictRow], query: str, schema: sql.Identifier) -> Positions:
        rows = connection.execute(sql.SQL(query).format(schema), (self.view.service,)).fetchall()
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    def _is_same(self, connection: Connection[DictRow], as_of: datetime | None) -> bool:
        if "rebuild" not in self._tables(connection):
            return False
        found = connection.execute(sql.SQL("SELECT fingerprint, as_of FROM {}.rebuild").format(self.rebuild)).fetchone()
        return found == {"fingerprint": fingerprint_of(self.view.service), "as_of": as_of}

    def _tables(self, connection: Connection[DictRow]) -> set[str]:
        return {row["tablename"] for row in connection.execute(TABLES_OF, (self.schema,)).fetchall()}

    def _keep_what_is_needed(self, connection: Connection[DictRow], as_of: datetime | None) -> None:
        needed = {*OWN, *(table.name for table in self.view.tables)}
        for name in sorted(self._tables(connection) - needed):
            connection.execute(sql.SQL("DROP TABLE {}.{}").format(self.rebuild, sql.Identifier(name)))
        for name, since in self.view.looks_at.items():
            limit = sql.SQL("true")
            if since is not None and as_of is not None:
                limit = sql.SQL("{} <= {}").format(sql.Identifier(since), sql.Literal(as_of))  # type: ignore[assignment]
            connection.execute(
                sql.SQL("CREATE VIEW {rebuild}.{name} AS SELECT * FROM {live}.{name} WHERE {limit}").format(
                    rebuild=self.rebuild, live=self.live, name=sql.Identifier(name), limit=limit
                )
            )

    def _take_out_indexes(self, connection: Connection[DictRow], as_of: datetime | None) -> None:
        found = connection.execute(INDEXES_OF, (self.schema, list(self.view.built_last))).fetchall()
        for row in found:
            connection.execute(sql.SQL("DROP INDEX {}.{}").format(self.rebuild, sql.Identifier(row["indexname"])))
        connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(self.rebuild))
        connection.execute(REBUILD_TABLE)
        connection.execute(
            "INSERT INTO rebuild (fingerprint, as_of, indexes) VALUES (%s, %s, %s)",
            (fingerprint_of(self.view.service), as_of, [row["indexdef"] for row in found]),
        )

    def _grant(self, connection: Connection[DictRow]) -> None:
        role: dict[str, Any] = {"schema": self.rebuild, "role": self.role}
        connection.execute(
            sql.SQL(
                "GRANT USAGE ON SCHEMA {schema} TO {role};"
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};"
                "GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"
            ).format(**role)
        )


def _drop_schema(connection: Connection[DictRow], schema: sql.Identifier) -> None:
    """Object by object and never by CASCADE: what something live depends on is not dropped but an error."""
    for row in connection.execute(OBJECTS_OF, {"schema": _name(schema)}).fetchall():
        connection.execute(sql.SQL("DROP {} {}").format(sql.SQL(row["kind"]), sql.SQL(row["named"])))
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {}").format(schema))


def _name(schema: sql.Identifier) -> str:
    return schema.as_string().strip('"')
