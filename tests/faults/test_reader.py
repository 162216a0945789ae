"""Row 1: the relay's reader misses nothing that eight writers commit, with delays and roll-backs; a plain one does."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from deploy.local import Stack
from services.chassis.event_store import START
from tests.faults.members import Crew
from tests.faults.oracle import Verdict
from tests.faults.small import Small, small_service
from tests.faults.table import Results

WRITERS = 8
EVENTS = 200_000
SHORT_EVENTS = 20_000
PAGE = 500
COMMITTED = """
SELECT originator_id, originator_version FROM sessions.stored_events ORDER BY originator_id, originator_version
"""
BY_NUMBER = """
SELECT originator_id, originator_version, notification_id FROM sessions.stored_events
WHERE notification_id > %s ORDER BY notification_id LIMIT 500
"""

NUMBERED = "SELECT max(notification_id) - count(*) FROM sessions.stored_events"
"""Numbers that were given out for events that were then rolled back."""

Row = tuple[UUID, int]
"""Aggregate and version."""


@pytest.fixture(scope="module")
def small(stack: Stack) -> Iterator[Small]:
    with small_service(stack.database_url, stack.kafka_bootstrap_servers) as service:
        yield service


class PlainReader(threading.Thread):
    """Follows the numbers that the database gives out, as if they were the order of commit."""

    def __init__(self, database_url: str) -> None:
        super().__init__()
        self.found: list[Row] = []
        self.is_over = threading.Event()
        self._database_url = database_url

    def run(self) -> None:
        number = 0
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            while True:
                is_last = self.is_over.is_set()
                rows = connection.execute(BY_NUMBER, (number,)).fetchall()
                self.found += [(row[0], row[1]) for row in rows]
                if rows:
                    number = rows[-1][2]
                elif is_last:
                    return


def follow(small: Small, crew: Crew, seed: int, event_count: int) -> list[Row]:
    """All that the relay's reader gives while the writers write, in its order."""
    writers = [crew.writer(small.url, seed + number, event_count // WRITERS) for number in range(WRITERS)]
    found: list[Row] = []
    position = START
    while True:
        is_last = not any(writer.is_alive for writer in writers)
        page, position = small.store.read_committed_since(position, PAGE)
        found += [(event.aggregate_id, event.version) for event in page]
        if is_last and not page:
            return found


def compare(committed: list[Row], found: list[Row]) -> Verdict:
    verdict = Verdict(committed_count=len(committed))
    verdict.compare("reader", committed, found)
    verdict.compare_order("reader", _by_aggregate(committed), _by_aggregate(found))
    return verdict


def _by_aggregate(rows: list[Row]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for aggregate_id, version in rows:
        found[str(aggregate_id)].append(version)
    return found


@pytest.mark.timeout(1800)
@pytest.mark.mutation("the order of commit")
def test_the_reader_misses_nothing_and_one_without_the_ordering_rule_does(
    small: Small, crew: Crew, results: Results, runs: int | None, seed: int
) -> None:
    event_count = EVENTS if runs else SHORT_EVENTS
    plain = PlainReader(small.admin_url)
    with results.line(1, "8 writers with delays and roll-backs: the relay's reader", seed) as line:
        plain.start()
        try:
            found = follow(small, crew, seed, event_count)
        finally:
            plain.is_over.set()
            plain.join()
        with psycopg.connect(small.admin_url) as connection:
            committed = [(row[0], row[1]) for row in connection.execute(COMMITTED)]
            (rolled_back_count,) = connection.execute(NUMBERED).fetchone() or (0,)
        assert len(committed) == event_count // WRITERS * WRITERS
        without_the_rule = compare(committed, plain.found)
        line.note = (
            f"faults: events rolled back; without the ordering rule, same run: {without_the_rule.lost_count} lost"
        )
        line.add(compare(committed, found), faults=rolled_back_count)
        assert without_the_rule.lost_count > 0, "a test that a reader without the rule passes shows nothing"
