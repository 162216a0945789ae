"""One rebuild from beginning to end: built beside the live view while that serves, then compared, or switched.

The rebuild never reads past the live positions: so whatever a command wrote because of where the live view was (a
closing keeps the positions that it saw) is there when the rebuild comes to it. It goes on from its own positions,
so it may be killed at any time.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import LockNotAvailable
from psycopg.rows import DictRow, dict_row

from services.chassis.context import Context
from services.chassis.database import CONNECT_TIMEOUT_S, Database
from services.chassis.effects import Effects
from services.chassis.effects_rows import EffectsRows
from services.chassis.event_store import Change, EventStore
from services.chassis.ids import new_id
from services.chassis.kafka import KafkaConnection
from services.chassis.operations import OPERATIONS_EVENTS, Switched, view_id
from services.chassis.replay import comparing, switching
from services.chassis.replay.comparing import Comparison, Side
from services.chassis.replay.reading import READERS, catch_up
from services.chassis.replay.shadow import Positions, Shadow
from services.chassis.replay.view import View, limited

CLOSE_ENOUGH_EVENTS: Final = 2_000
"""From here on the live consumers are held for the rest."""
HOLD_AT_MOST_S: Final = 5.0  # A closing waits that long, and gives up after 20 s.
HOLD_ATTEMPTS: Final = 20
ROUNDS_MAX: Final = 1_000
LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '2s'"
PAUSE_S: Final = 0.5
BUILT: Final = "built"

# As for every append behind other writes: before it has a transaction id, so that the relay waits for it.
LOCK_FOR_APPEND: Final = "LOCK TABLE {}.stored_events IN ROW EXCLUSIVE MODE"

ONE_AT_A_TIME: Final = "SELECT pg_try_advisory_lock(hashtextextended('relais replay ' || %s, 0)) AS is_ours"

# A rebuild that loses its last commits in a crash begins a little earlier: its position is in the same transaction.
REBUILD_OPTIONS: Final = "-c search_path={schema} -c synchronous_commit=off"

ONE_INSTANT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
SEE_IT: Final = "SELECT 1"


class AlreadyRunning(Exception):
    """Somebody else rebuilds this view at the moment."""


class NotCaughtUp(Exception):
    """The live view was never held for long enough to be met: it is too busy, or somebody holds it."""


class Progress(Protocol):
    """Told what is going on."""

    def stage(self, name: str, total_count: int | None = None) -> None: ...
    def advance(self, count: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Built:
    """What a rebuild came to: events read in this run, rows and checksum a table, and what it had to set aside."""

    was_resumed: bool
    events_count: int
    tables: dict[str, Side]
    set_aside_count: int


@contextmanager
def administrator(database_url: str) -> Iterator[Connection[DictRow]]:
    """A connection that may make schemas, for ``Rebuild``."""
    with psycopg.connect(
        database_url,
        autocommit=True,
        row_factory=dict_row,
        application_name="relais-replay",
        connect_timeout=CONNECT_TIMEOUT_S,
    ) as connection:
        connection.execute("SET client_min_messages TO warning")
        connection.execute("SET timezone TO 'UTC'")
        yield connection


class Rebuild:
    """Holds, as long as ``connection`` lives, the lock that keeps two of a view apart. Raises AlreadyRunning."""

    def __init__(
        self,
        view: View,
        *,
        connection: Connection[DictRow],
        database_url: str,
        service_url: str,
        kafka: KafkaConnection,
        progress: Progress,
        as_of: datetime | None = None,
    ) -> None:
        self._view = view
        self._connection = connection
        self._database_url = database_url
        self._service_url = service_url
        self._kafka = kafka
        self._progress = progress
        self._as_of = as_of
        self._shadow = Shadow(view)
        self._events_count = 0
        row = connection.execute(ONE_AT_A_TIME, (view.service,)).fetchone()
        if row is None or not row["is_ours"]:
            raise AlreadyRunning(view.service)

    async def build(self) -> Built:
        """Brings the rebuild as near to the live view as it gets without holding it. Raises NotMigrated, EventsGone."""
        self._progress.stage("prepare")
        was_resumed = self._shadow.begin(self._connection, self._as_of)
        self._shadow.begin_run(self._connection)
        with self._effects() as effects:
            await self._approach(effects)
            self._stage("index")
            await asyncio.to_thread(self._shadow.build_indexes, self._connection)
            await self._approach(effects)
        self._shadow.note(self._connection, BUILT)
        return Built(
            was_resumed,
            self._events_count,
            comparing.checksums(self._connection, self._shadow),
            sum(count for _, _, count in self._shadow.open_keys(self._connection)),
        )

    async def compare(self) -> list[Comparison]:
        """Row by row, at equal positions. The live consumers are held until both are seen at one instant, no longer."""
        with administrator(self._database_url) as reader:

            def see_one_instant(_: Connection[DictRow]) -> None:
                reader.rollback()
                reader.execute("BEGIN")
                reader.execute(ONE_INSTANT)
                reader.execute(SEE_IT)

            await self._while_held(see_one_instant)
            self._stage("compare")
            found = await asyncio.to_thread(comparing.compare, reader, self._shadow)
        self._shadow.note_comparisons(
            self._connection,
            [
                {
                    "table": one.table,
                    "live_rows": one.live.row_count,
                    "rebuilt_rows": one.rebuilt.row_count,
                    "differences": one.difference_count,
                }
                for one in found
            ],
        )
        self._shadow.note(self._connection, BUILT)
        return found

    async def switch(self, *, by: str) -> Switched:
        """Puts the rebuilt tables in the place of the live ones, in one transaction. Call ``build`` before.

        ``by`` is who does it, as an actor (``operator:…``): the switch is an event of that same transaction.
        """
        done: list[Switched] = []

        def change_places(holder: Connection[DictRow]) -> None:
            self._stage("switch")
            row_count = switching.count_rows(holder, self._shadow)
            switching.switch(holder, self._shadow)
            done.append(self._record_switch(holder, row_count, by))

        await self._while_held(change_places, first=LOCK_FOR_APPEND)
        return done[-1]

    def drop(self) -> None:
        """Drops what a rebuild left, and the tables that were live before the last switch."""
        self._shadow.drop(self._connection)
        self._shadow.drop_before(self._connection)

    def _stage(self, name: str, total_count: int | None = None) -> None:
        self._progress.stage(name, total_count)
        self._shadow.note(self._connection, name)

    def _record_switch(self, holder: Connection[DictRow], row_count: int, by: str) -> Switched:
        now, service = datetime.now(UTC), self._view.service
        holder.execute(sql.SQL("SET LOCAL search_path TO {}").format(self._shadow.live))
        store = EventStore(Database(self._database_url, application_name=switching.BY), service, OPERATIONS_EVENTS)
        version = len(store.load_many([view_id(service)], connection=holder)[view_id(service)]) + 1
        switched = Switched(service, self._view.names[0], version, version + 1, row_count, now)
        change = Change(view_id(service), version - 1, [switched])
        store.append([change], Context(by, new_id(), None, None, now), connection=holder)
        return switched

    @contextmanager
    def _effects(self) -> Iterator[Effects]:
        """The inbox's own effects, on the rebuild's tables."""
        database = Database(
            make_conninfo(self._service_url, options=REBUILD_OPTIONS.format(schema=self._shadow.schema)),
            application_name="relais-replay",
            max_connections=READERS + 1,
        )
        skipped = self._shadow.skipped(self._connection)
        reactions = self._view.reactions
        if skipped or self._as_of is not None:
            reactions = limited(reactions, skipped=skipped, as_of=self._as_of)
        try:
            yield Effects(
                consumer=self._view.service, rows=EffectsRows(database, self._view.service), reactions=reactions
            )
        finally:
            database.close()

    async def _approach(self, effects: Effects) -> None:
        """Catches up until little is left, or nothing more is to be had."""
        for _ in range(ROUNDS_MAX):
            live = self._shadow.live_positions(self._connection)
            left = await self._catch_up(effects, live)
            if left <= CLOSE_ENOUGH_EVENTS:
                return

    async def _catch_up(self, effects: Effects, until: Positions) -> int:
        """Up to ``until``; gives how many events that were."""
        self._shadow.wait_for_commands(self._connection)
        begin = self._shadow.positions(self._connection)
        left = sum(max(0, end - begin.get(place, 0)) for place, end in until.items())
        self._stage("read", left)
        await catch_up(effects, self._kafka, begin, until, self._progress.advance)
        self._events_count += left
        self._shadow.skip_again(self._connection)
        await asyncio.to_thread(self._retry, effects)
        return left

    def _retry(self, effects: Effects) -> None:
        """What was set aside because something had not come yet, as long as that helps."""
        settled_count = 1
        while settled_count:
            settled_count = sum(
                effects.retry(topic, key, by=switching.BY).settled_count
                for topic, key, _ in self._shadow.open_keys(self._connection)
            )

    async def _while_held(self, do: Callable[[Connection[DictRow]], None], *, first: str | None = None) -> None:
        """Runs ``do`` in a transaction that holds the live positions, with the rebuild at exactly the same.

        ``first`` is a statement on the live schema with which that transaction begins.

        Nobody is held for long: who gets no lock, or does not catch up in time, lets go and tries again. Raises
        NotCaughtUp.
        """
        with self._effects() as effects:
            for _ in range(HOLD_ATTEMPTS):
                await self._approach(effects)
                try:
                    with administrator(self._database_url) as holder, holder.transaction():
                        holder.execute(LOCK_TIMEOUT)
                        if first is not None:
                            holder.execute(sql.SQL(first).format(self._shadow.live))
                        until = self._shadow.live_positions(holder, lock=True)
                        async with asyncio.timeout(HOLD_AT_MOST_S):
                            await self._catch_up(effects, until)
                        await asyncio.to_thread(do, holder)
                        if self._shadow.live_positions(holder) != until:
                            raise TimeoutError  # A partition that had no row to hold has begun meanwhile.
                    return
                except (LockNotAvailable, TimeoutError):
                    await asyncio.sleep(PAUSE_S)
        raise NotCaughtUp(self._view.service)
