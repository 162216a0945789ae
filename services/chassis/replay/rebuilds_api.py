"""How a rebuild of a service's view goes, which version serves, and what the last switch did; for support.

A rebuild is started on the command line, by whoever has the database's administrator; here it is only looked at.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from psycopg import Connection, sql
from psycopg.errors import UndefinedTable
from psycopg.rows import DictRow
from pydantic import BaseModel

from services.chassis.auth import Principal
from services.chassis.database import Database
from services.chassis.event_store import EventStore, Recorded
from services.chassis.http import Instant, require
from services.chassis.operations import view_id
from services.chassis.replay.rebuild import BUILT
from services.chassis.replay.view import View

SCHEMAS: Final = """
SELECT to_regclass(%(service)s || '_rebuild.rebuild_progress') IS NOT NULL AS is_there,
    to_regnamespace(%(service)s || '_before') IS NOT NULL AS is_kept,
    EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32) | objid::bigint = hashtextextended('relais replay ' || %(service)s, 0)
    ) AS is_running
"""

PROGRESS: Final = """
SELECT r.as_of, r.begun_at, p.stage, p.noted_at, p.comparisons, p.run_begun_with,
    extract(epoch FROM clock_timestamp() - p.run_begun_at)::float AS running_s,
    (SELECT coalesce(sum(next_offset), 0)::bigint FROM {rebuild}.inbox_positions WHERE consumer = %(service)s) AS done,
    (SELECT coalesce(sum(next_offset), 0)::bigint FROM inbox_positions WHERE consumer = %(service)s) AS total
FROM {rebuild}.rebuild AS r, {rebuild}.rebuild_progress AS p
"""

Stage = Literal["prepare", "read", "index", "compare", "switch", "built"]


class TableCompared(BaseModel):
    """A table as the last ``--diff`` found it."""

    table: str
    live_rows: int
    rebuilt_rows: int
    differences: int


class RebuildState(BaseModel):
    """A version that is being built, or was. ``interrupted``: nobody works on it; the same command goes on with it.

    ``events_total`` is how far the live view is; ``rate_per_s`` and ``seconds_left`` are of the run under way.
    """

    version: int
    state: Literal["running", "interrupted", "built"]
    stage: Stage
    as_of: Instant | None
    begun_at: Instant
    noted_at: Instant
    events_done: int
    events_total: int
    rate_per_s: float | None
    seconds_left: float | None
    comparisons: list[TableCompared]


class SwitchDone(BaseModel):
    """The last switch, as it stands in the audit log. ``event_id`` is its event."""

    event_id: str
    actor: str
    from_version: int
    to_version: int
    row_count: int
    switched_at: Instant


class ServiceRebuilds(BaseModel):
    """A service's view: the version that serves, the one beside it, the one before (``before_kept``)."""

    service: str
    names: list[str]
    tables: list[str]
    serving_version: int
    before_kept: bool
    rebuild: RebuildState | None
    last_switch: SwitchDone | None


def rebuilds_router(view: View, store: EventStore, database: Database) -> APIRouter:
    """Route ``/rebuilds/{service}``, for support."""
    router = APIRouter(tags=["rebuilds"])

    @router.get(f"/rebuilds/{view.service}")
    def rebuilds_of_service(principal: Annotated[Principal, require("support")]) -> ServiceRebuilds:
        """Which version of the view serves, how far the one that is built beside it is, and the last switch."""
        switches = store.load(view_id(view.service))
        serving_version = len(switches) + 1
        with database.connection() as connection:
            schemas = connection.execute(SCHEMAS, {"service": view.service}).fetchone()
            assert schemas is not None
            progress = _progress(connection, view.service) if schemas["is_there"] else None
        return ServiceRebuilds(
            service=view.service,
            names=list(view.names),
            tables=[table.name for table in view.tables],
            serving_version=serving_version,
            before_kept=schemas["is_kept"],
            rebuild=None if progress is None else _rebuild(progress, serving_version + 1, schemas["is_running"]),
            last_switch=_switch(switches[-1]) if switches else None,
        )

    return router


def _progress(connection: Connection[DictRow], service: str) -> DictRow | None:
    query = sql.SQL(PROGRESS).format(rebuild=sql.Identifier(f"{service}_rebuild"))
    try:
        return connection.execute(query, {"service": service}).fetchone()
    except UndefinedTable:
        return None  # Switched or dropped between the two looks.


def _rebuild(found: DictRow, version: int, is_running: bool) -> RebuildState:
    done, total = found["done"], max(found["total"], found["done"])
    rate = (done - found["run_begun_with"]) / max(found["running_s"], 0.001) if is_running else None
    state: Literal["running", "interrupted", "built"] = "interrupted"
    if is_running:
        state = "running"
    elif found["stage"] == BUILT:
        state = "built"
    return RebuildState(
        version=version,
        state=state,
        events_done=done,
        events_total=total,
        rate_per_s=rate,
        seconds_left=(total - done) / rate if rate else None,
        **_as_they_are(found),
    )


def _as_they_are(found: DictRow) -> dict[str, Any]:
    return {name: found[name] for name in ("stage", "as_of", "begun_at", "noted_at", "comparisons")}


def _switch(recorded: Recorded) -> SwitchDone:
    switched = recorded.data
    at: datetime = switched.switched_at
    return SwitchDone(
        event_id=str(recorded.event_id),
        actor=recorded.actor,
        from_version=switched.from_version,
        to_version=switched.to_version,
        row_count=switched.row_count,
        switched_at=at,
    )
