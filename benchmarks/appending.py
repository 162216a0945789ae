"""Rows 1 and 2: the event store's append against a raw INSERT of the same rows."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from benchmarks.ground import Ground, change, context, session_store
from benchmarks.harness import Row, compare
from services.chassis.event_store import Change

WRITERS = (1, 4, 16)
ROUND_S = 2.0
EVENTS_IN_ONE_GO = 100

TWIN = """
DROP TABLE IF EXISTS sessions.raw_events;
CREATE TABLE sessions.raw_events (LIKE sessions.stored_events INCLUDING ALL);
GRANT ALL ON sessions.raw_events TO relais_sessions;
"""
INSERT_ONE = "INSERT INTO raw_events (originator_id, originator_version, topic, state) VALUES (%b, %b, %b, %b)"
INSERT_MANY = """
INSERT INTO raw_events (originator_id, originator_version, topic, state)
SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[])
"""


def rows(ground: Ground, *, short: bool) -> Iterator[Row]:
    round_s = ROUND_S / 2 if short else ROUND_S
    ground.execute(*TWIN.strip().split("\n"))
    database = ground.database("sessions", max_connections=max(WRITERS))
    store = session_store(database)
    with database.connection() as connection:
        store.append([change(0)], context())
        sample = connection.execute("SELECT topic, state FROM stored_events LIMIT 1").fetchone()
    assert sample is not None
    topic, state = sample["topic"], sample["state"]

    def raw_one(connection: Connection[TupleRow]) -> None:
        connection.execute(INSERT_ONE, (uuid4(), 1, topic, state), prepare=True)

    def raw_many(connection: Connection[TupleRow]) -> None:
        count = EVENTS_IN_ONE_GO
        connection.execute(
            INSERT_MANY, ([uuid4() for _ in range(count)], [1] * count, [topic] * count, [state] * count), prepare=True
        )

    with _connections(ground, max(WRITERS)) as connections:

        def appended(writers: int) -> float:
            return _rate(writers, round_s, lambda _: store.append([change(1)], context()))

        def inserted(writers: int) -> float:
            return _rate(writers, round_s, lambda writer: raw_one(connections[writer]))

        for writers in WRITERS:
            yield compare(
                "1",
                f"append of 1 event, {writers} writer{'s' * (writers > 1)}",
                "raw psycopg INSERT of the same row",
                ours=partial(appended, writers),
                theirs=partial(inserted, writers),
                unit="events/s",
                at_least=0.85,
            )
        changes = [change(number) for number in range(EVENTS_IN_ONE_GO)]
        yield compare(
            "2",
            f"append of {EVENTS_IN_ONE_GO} events in one go",
            "raw INSERT … unnest",
            ours=lambda: (
                EVENTS_IN_ONE_GO
                * _rate(1, round_s, lambda _: store.append([_renewed(one) for one in changes], context()))
            ),
            theirs=lambda: EVENTS_IN_ONE_GO * _rate(1, round_s, lambda writer: raw_many(connections[writer])),
            unit="events/s",
            at_least=0.80,
        )
    database.close()


def _renewed(one: Change) -> Change:
    return Change(uuid4(), 0, one.events)


@contextmanager
def _connections(ground: Ground, count: int) -> Iterator[list[Connection[TupleRow]]]:
    opened = [psycopg.connect(ground.url_of("sessions"), autocommit=True) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


def _rate(writers: int, round_s: float, write: Callable[[int], object]) -> float:
    """Writes a second, of ``writers`` threads together."""
    counts = [0] * writers
    begin_at = time.perf_counter() + 0.05

    def work(writer: int) -> None:
        time.sleep(max(0.0, begin_at - time.perf_counter()))
        while time.perf_counter() < begin_at + round_s:
            write(writer)
            counts[writer] += 1

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin_at)
