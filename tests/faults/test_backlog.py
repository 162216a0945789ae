"""Back-pressure: events that wait by the thousand, and a database that is slow, leave an inbox's memory flat.

`--backlog 1000000` is the longest form, by hand.
"""

import asyncio
import time
from collections.abc import Iterator
from uuid import uuid4

import psutil
import psycopg
import pytest

from deploy.local import Stack
from tests.chassis.pipeline import event, send
from tests.faults.members import Crew, kafka_at
from tests.faults.oracle import Verdict
from tests.faults.proxy import ProxyHouse
from tests.faults.small import Small, small_service
from tests.faults.table import Results

SHORT = 2_000
LONG = 50_000
SLICE = 2_500
STUDENTS = 50
SLOW_S = 0.0005
MOST_GROWTH_MB = 48.0
DEADLINE_S = 3_000.0
COUNT = "SELECT count(*) FROM billing.effects"


@pytest.fixture(scope="module")
def small(stack: Stack) -> Iterator[Small]:
    with small_service(stack.database_url, stack.kafka_bootstrap_servers) as service:
        yield service


@pytest.mark.timeout(3600)
def test_a_long_backlog_and_a_slow_database_leave_the_inbox_small(
    small: Small,
    house: ProxyHouse,
    crew: Crew,
    pytestconfig: pytest.Config,
    results: Results,
    runs: int | None,
    seed: int,
) -> None:
    backlog = pytestconfig.getoption("--backlog") or (LONG if runs else SHORT)
    with results.line(4, "an inbox with a backlog, on a database that answers slowly", seed) as line:
        fill(small, backlog)
        proxy, url = house.postgres(small.consumer_url)  # Itself the slowest part, so the longest form goes without.
        url = url if backlog <= LONG else small.consumer_url
        proxy.delay_s = SLOW_S
        member = crew.consumer(url, small.servers, small.topic)
        began, sizes = time.monotonic(), list[float]()
        with psycopg.connect(small.admin_url, autocommit=True) as connection:
            done = 0
            while done < backlog:
                assert time.monotonic() - began < DEADLINE_S
                time.sleep(0.2)
                done = (connection.execute(COUNT).fetchone() or (0,))[0]
                if done:
                    proxy.delay_s = SLOW_S if done < backlog // 20 else 0.0  # Slow at first, then as fast as it can.
                    sizes.append(psutil.Process(member.pid).memory_info().rss / 2**20)
        took_s = time.monotonic() - began
        member.stop()
        growth_mb = max(sizes) - sizes[0]
        line.note = (
            f"{backlog / took_s:.0f} events/s; memory {sizes[0]:.0f} MB with the first effect, "
            f"{max(sizes):.0f} MB at most"
        )
        assert growth_mb < MOST_GROWTH_MB
        line.add(Verdict(committed_count=backlog, doubled_count=done - backlog))
        assert done == backlog


def fill(small: Small, count: int) -> None:
    """Events of as many sessions as students, in turns."""
    people = [(uuid4(), uuid4()) for _ in range(STUDENTS)]

    async def send_all() -> None:
        for start in range(0, count, SLICE):
            numbers = range(start, min(start + SLICE, count))
            events = (event(people[n % STUDENTS][0], n // STUDENTS + 1, people[n % STUDENTS][1]) for n in numbers)
            await send(kafka_at(small.servers), small.topic, [one.to_record() for one in events])

    asyncio.run(send_all())
