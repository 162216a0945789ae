"""Row 4: a projection with its offset (billing's statement lines), against COPY of the rows that it ends with."""

import asyncio
import time
from collections.abc import Iterator, Sequence

from psycopg import Connection
from psycopg.rows import DictRow

from benchmarks.ground import Ground
from benchmarks.harness import Row, compare
from benchmarks.rebuilding import publish_all
from relais_contracts import CloudEvent
from services.billing.edges.tariff_file import read_tariff
from services.billing.main import reactions
from services.billing.views.statements import Statements
from services.chassis.at_once import AtOnce
from services.chassis.database import Database
from services.chassis.effects import Reaction
from services.chassis.inbox import Inbox
from services.chassis.settings import Settings

EVENTS = 4_000
TABLES = "billing.statement_lines, billing.inbox_positions, billing.inbox_versions"
COPY_OUT = "COPY statement_lines TO STDOUT (FORMAT binary)"
COPY_IN = "COPY statement_lines FROM STDIN (FORMAT binary)"
COUNT = "SELECT count(*) AS found FROM statement_lines"
DEADLINE_S = 300.0


def rows(ground: Ground, *, short: bool) -> Iterator[Row]:
    event_count = EVENTS // 4 if short else EVENTS
    database = ground.database("billing")
    topic = ground.new_topic("bench.projection")
    asyncio.run(publish_all(ground.kafka(), topic, event_count))
    settings = Settings()
    statements = Statements(read_tariff(settings.tariff_file), settings.zone())

    def projected() -> float:
        ground.execute(f"TRUNCATE {TABLES}")
        began_at: list[float] = []

        def noting(reaction: Reaction) -> Reaction:
            if not isinstance(reaction, AtOnce):
                return reaction

            def noted(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
                if not began_at:
                    began_at.append(time.perf_counter())
                reaction.many(connection, events)

            return AtOnce(noted)

        inbox = Inbox(
            consumer="billing",
            topics=[topic],
            database=database,
            kafka=ground.kafka(),
            reactions={ce_type: [noting(one) for one in several] for ce_type, several in reactions(statements).items()},
        )
        ended_at = asyncio.run(_until_all_stand(inbox, database, event_count))
        return event_count / (ended_at - began_at[0])  # Joining the group is no part of it.

    projected()
    with database.connection() as connection, connection.cursor().copy(COPY_OUT) as copy:
        data = b"".join(bytes(block) for block in copy)

    def copied() -> float:
        ground.execute("TRUNCATE billing.statement_lines")
        began = time.perf_counter()
        with database.connection() as connection, connection.cursor().copy(COPY_IN) as copy:
            copy.write(data)
        return event_count / (time.perf_counter() - began)

    yield compare(
        "4",
        f"a projection with its offset, {event_count:,} events to statement lines",
        "COPY of the rows that it ends with",
        ours=projected,
        theirs=copied,
        unit="rows/s",
        at_least=0.40,
    )
    database.close()


async def _until_all_stand(inbox: Inbox, database: Database, event_count: int) -> float:
    """Runs the inbox; gives the instant at which the last row stood."""
    stop = asyncio.Event()
    running = asyncio.create_task(inbox.run(stop))
    with database.connection() as connection:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = (connection.execute(COUNT).fetchone() or {"found": 0})["found"]
                if found == event_count:
                    break
                await asyncio.sleep(0.005)
        ended_at = time.perf_counter()
    stop.set()
    await running
    return ended_at
