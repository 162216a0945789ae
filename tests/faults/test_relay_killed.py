"""Row 3: the relay is complete and in key order, whatever moment it is killed at or frozen for."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest

from deploy.local import Stack
from tests.faults.members import Crew
from tests.faults.proxy import Proxy, ProxyHouse, Trap
from tests.faults.small import Small, at_once, eventually, small_service
from tests.faults.table import Line, Results

EVENTS = 150
SHORT_FROZEN = 2
AT_ONCE = 8
LEASE_AND_MORE_S = 25.0
MOVE = "UPDATE relay_position SET transaction_id"
STEPS = {
    "after the read": ("Produce", "before"),
    "after the send, before its acknowledgement": ("Produce", "after"),
    "after the acknowledgement, before the position moves": (MOVE, "before"),
    "after the position has moved": (MOVE, "after"),
}


@dataclass
class Wired:
    """A small service whose relays reach their servers through proxies."""

    small: Small
    postgres: Proxy
    kafka: Proxy
    url: str
    servers: str

    def trap(self, what: str, when: str, nth: int) -> Trap:
        assert when in ("before", "after")
        proxy = self.kafka if what == "Produce" else self.postgres
        return proxy.trap(what, "before" if when == "before" else "after", nth)


def wired(stack: Stack, house: ProxyHouse, small: Small) -> Wired:
    postgres, url = house.postgres(small.url)
    (kafka,), servers = house.kafka(stack.kafka_bootstrap_servers)
    return Wired(small, postgres, kafka, url, servers)


Services = Callable[[int], Sequence[Wired]]


@pytest.fixture(scope="module")
def services(stack: Stack, house: ProxyHouse) -> Iterator[Services]:
    """As many as a test asks for, each in a database of its own; kept from one test to the next."""
    with ExitStack() as opened:
        made: list[Wired] = []

        def first(count: int) -> Sequence[Wired]:
            while len(made) < count:
                small = opened.enter_context(small_service(stack.database_url, stack.kafka_bootstrap_servers))
                made.append(wired(stack, house, small))
            return made[:count]

        yield first


def side_by_side(services: Services, rounds: int, line: Line, work: Callable[[Wired, int], None]) -> None:
    """Runs ``work`` with each number below ``rounds``, several at once, and adds what the oracle says of each."""
    for start in range(0, rounds, AT_ONCE):
        busy = services(min(rounds - start, AT_ONCE))
        at_once([partial(work, service, start + number) for number, service in enumerate(busy)])
        for service in busy:
            line.add(service.small.judge_new())


def kill_at(service: Wired, crew: Crew, step: str, seed: int) -> None:
    """Writes while a relay is killed at the step; a second one finishes."""
    choice = random.Random(seed)
    service.small.begin_run()
    trap = service.trap(*STEPS[step], choice.randrange(1, 6))
    before = service.small.epoch()
    first = crew.relay(service.url, service.servers, service.small.topic)
    eventually(lambda: service.small.epoch() > before, "the first relay is active")
    writing = threading.Thread(target=service.small.write, args=(seed, EVENTS), kwargs={"pause_s": 0.004})
    writing.start()
    while not trap.sprung.wait(0.2):
        if not writing.is_alive():  # It went faster than the trap: a few more events, until it is met.
            writing = threading.Thread(target=service.small.write, args=(choice.getrandbits(32), 5))
            writing.start()
    first.kill()
    trap.cut()
    second = crew.relay(service.url, service.servers, service.small.topic)
    writing.join()
    eventually(service.small.is_published, "the second relay has published all")
    second.kill()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", STEPS)
def test_a_relay_killed_at_a_step_loses_and_inverts_nothing(
    services: Services, crew: Crew, results: Results, runs: int | None, seed: int, step: str
) -> None:
    with results.line(3, f"relay: kill -9 {step}", seed) as line:
        side_by_side(services, runs or 1, line, lambda service, run: kill_at(service, crew, step, seed + run))


@pytest.mark.timeout(3600)
def test_a_relay_frozen_past_its_lease_is_replaced_and_harms_nothing_when_it_wakes(
    services: Services, crew: Crew, results: Results, runs: int | None, seed: int
) -> None:
    """Several at once: most of the time they wait for a lease to end."""
    with results.line(3, "relay: SIGSTOP past its lease, a standby takes over, SIGCONT", seed) as line:
        side_by_side(
            services, runs or SHORT_FROZEN, line, lambda service, run: freeze_past_the_lease(service, crew, seed + run)
        )


def freeze_past_the_lease(service: Wired, crew: Crew, seed: int) -> None:
    """Freezes the active relay at a random step, lets the standby take over and publish, and thaws the first."""
    choice = random.Random(seed)
    small = service.small
    small.begin_run()
    before = small.epoch()
    trap = service.trap(*STEPS[choice.choice(list(STEPS))], choice.randrange(1, 4))
    first = crew.relay(service.url, service.servers, small.topic)
    eventually(lambda: small.epoch() > before, "the first relay is active")
    standby = crew.relay(small.url, small.servers, small.topic)
    while not trap.sprung.is_set():
        small.write(choice.getrandbits(32), 15, pause_s=0.01)
        if small.epoch() > before + 1 and not trap.sprung.wait(1.0):
            # On a machine that is slow enough the lead has changed by itself: the first one is to have it again.
            standby.kill()
            before = small.epoch()
            eventually(partial(small.has_led_since, before), "the first relay is active again")
            standby = crew.relay(small.url, small.servers, small.topic)
        trap.sprung.wait(0.05)
    first.freeze()
    trap.let_go()
    small.write(choice.getrandbits(32), EVENTS // 2)
    eventually(lambda: small.epoch() > before + 1, "the standby has taken over", deadline_s=LEASE_AND_MORE_S)
    small.write(choice.getrandbits(32), EVENTS // 2)
    if choice.random() < 0.5:
        eventually(small.is_published, "the standby has published all")
    first.thaw()
    small.write(choice.getrandbits(32), EVENTS // 4)
    eventually(small.is_published, "all is published with both awake")
    time.sleep(0.3)  # What the first one still had in its hands has arrived by now, too.
    first.kill()
    standby.kill()
