"""Row 5: what three brokers acknowledged survives, whatever becomes of one, and relays and consumers catch up."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local import DataFolder, KafkaBroker, Stack
from tests.faults.links import Links
from tests.faults.members import Crew
from tests.faults.oracle import Published
from tests.faults.proxy import Proxy, ProxyHouse
from tests.faults.small import Small, at_once, eventually, small_service
from tests.faults.table import Results

BROKERS = 3
SERVICES = 4
"""How many services one fault hits at once in the long form; each counts as a run."""
EVENTS = 150
SLICE = 30
PAUSE_S = 0.15
CATCH_UP_S = 30.0
FENCED_WITHIN_S = 30.0
ASK_S = 20.0
ROLLING_EVERY = 20


@dataclass
class Cluster:
    """Three brokers, and services whose relays and consumers reach them through proxies, all of them for all runs."""

    services: list[Small]
    brokers: list[KafkaBroker]
    proxies: list[Proxy]
    links: Links

    def leader(self, choice: random.Random) -> int:
        """The place in ``brokers`` of one that leads a partition."""
        return choice.choice(self._leaders(self.services[0], self.services[0].servers))

    def takes_for_leader(self, asked: int, victim: int) -> bool:
        """Whether the one that is ``asked`` takes ``victim`` for the leader of a partition of any service."""
        address = self.brokers[asked].address
        return any(victim in self._leaders(small, address) for small in self.services)

    def _leaders(self, small: Small, servers: str) -> list[int]:
        asked = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        partitions = asked.list_topics(small.topic, timeout=ASK_S).topics[small.topic].partitions
        return [partition.leader - 1 for partition in partitions.values() if partition.leader > 0]


@pytest.fixture(scope="module")
def cluster(
    stack: Stack, house: ProxyHouse, crew: Crew, runs: int | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = DataFolder(tmp_path_factory.mktemp("brokers")).acquire()
    running = Stack(folder, brokers=BROKERS, postgres=False, fast=True, say=lambda _: None)
    assert running.kafka is not None
    brokers = list(running.kafka.brokers)
    links = Links(house, brokers)
    with ExitStack() as opened:
        opened.callback(running.stop)
        for broker in brokers:
            broker.launch()
        running.wait_until_ready()
        proxies, servers = house.kafka(running.kafka_bootstrap_servers)
        services = []
        for _ in range(SERVICES if runs else 1):
            small = opened.enter_context(
                small_service(stack.database_url, running.kafka_bootstrap_servers, replication=BROKERS)
            )
            services.append(small)
            opened.callback(crew.relay(small.url, servers, small.topic).kill)
            opened.callback(crew.consumer(small.consumer_url, servers, small.topic).kill)
        yield Cluster(services, brokers, proxies, links)


def killed(cluster: Cluster, victim: int, choice: random.Random) -> None:
    cluster.brokers[victim].kill()
    time.sleep(choice.random())
    cluster.brokers[victim].start()


def stopped(cluster: Cluster, victim: int, choice: random.Random) -> None:
    cluster.brokers[victim].restart()


def paused(cluster: Cluster, victim: int, choice: random.Random) -> None:
    """Up to longer than the others wait for it, so that it wakes as a leader that is none any more."""
    cluster.brokers[victim].pause()
    time.sleep(choice.uniform(1.0, 8.0))
    cluster.brokers[victim].resume()


def cut_off_from_clients(cluster: Cluster, victim: int, choice: random.Random) -> None:
    """The brokers reach each other, so that it goes on to lead."""
    cluster.proxies[victim].cut_off()
    time.sleep(choice.uniform(1.0, 6.0))
    cluster.proxies[victim].heal()


def cut_off_from_the_others(cluster: Cluster, victim: int, choice: random.Random) -> None:
    """Clients reach it all the time: for a while it takes itself for the leader beside those who took over from it."""
    cluster.links.isolate(victim, in_silence=choice.random() < 0.5)
    try:
        other = (victim + 1) % BROKERS
        eventually(
            lambda: not cluster.takes_for_leader(other, victim), "others have taken over", deadline_s=FENCED_WITHIN_S
        )
        assert cluster.takes_for_leader(victim, victim), "clients reach it, and it knows of nothing"
        time.sleep(choice.uniform(0.0, 4.0))
    finally:
        cluster.links.heal()


def rolling_restart(cluster: Cluster, victim: int, choice: random.Random) -> None:
    for broker in cluster.brokers:
        broker.restart()


FAULTS: dict[str, Callable[[Cluster, int, random.Random], None]] = {
    "kill -9 of a leader among 3 brokers": killed,
    "a leader paused (SIGSTOP), up to past its session": paused,
    "a leader cut off from its clients by a proxy": cut_off_from_clients,
    "a leader cut off from the other brokers, not from its clients, until they took over": cut_off_from_the_others,
    "a leader stopped and started": stopped,
    "rolling restart of all 3 brokers": rolling_restart,
}


SLOW = (stopped, rolling_restart)
"""They belong to the long form alone."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_long = metafunc.config.getoption("--runs") is not None
    metafunc.parametrize("fault", [name for name, harm in FAULTS.items() if is_long or harm not in SLOW])


@pytest.mark.timeout(7200)
def test_what_was_acknowledged_survives_the_loss_of_a_broker(
    cluster: Cluster, results: Results, runs: int | None, seed: int, fault: str
) -> None:
    """In the long form one fault hits several services at once."""
    rounds = -(-(runs or 1) // len(cluster.services))
    if FAULTS[fault] is rolling_restart:
        rounds = -(-rounds // ROLLING_EVERY)
    slowest_s = 0.0
    with results.line(5, fault, seed) as line:
        for number in range(rounds):
            ordeal = Ordeal(cluster, fault, seed + number)
            ordeal.run()
            for place, small in enumerate(cluster.services):
                committed, took_s = ordeal.caught_up(small)
                slowest_s = max(slowest_s, took_s)
                line.add(small.judge(committed, with_effects=True), faults=0 if place else 1)
            line.note = f"caught up within {slowest_s:.1f} s of healing"
            if len(cluster.services) > 1:
                line.note += f"; {len(cluster.services)} services hit at once"


class Ordeal:
    """One fault amid writing."""

    def __init__(self, cluster: Cluster, fault: str, seed: int) -> None:
        self._cluster = cluster
        self._fault = fault
        self._seed = seed
        self._healed_at = 0.0
        self._is_over = threading.Event()

    def run(self) -> None:
        at_once([self._harm, *(partial(self._write, small) for small in self._cluster.services)])

    def _harm(self) -> None:
        choice = random.Random(self._seed)
        try:
            time.sleep(choice.random() * 0.5)
            FAULTS[self._fault](self._cluster, self._cluster.leader(choice), choice)
        finally:
            self._healed_at = time.monotonic()
            self._is_over.set()

    def _write(self, small: Small) -> None:
        """EVENTS events, and more for as long as the fault lasts."""
        small.begin_run()
        written = 0
        while written < EVENTS or not self._is_over.is_set():
            small.write(self._seed + written, SLICE, pause_s=PAUSE_S)
            written += SLICE

    def caught_up(self, small: Small) -> tuple[list[Published], float]:
        """What was committed, as soon as all of it is published and has taken effect; and seconds since healing."""
        eventually(small.is_published, "the relay has published all", deadline_s=self._left_s())
        committed = small.committed.new_events()
        keys = {event.key for event in committed}
        eventually(
            lambda: len(small.effects_of(keys)) >= len(committed), "all has taken effect", deadline_s=self._left_s()
        )
        return committed, time.monotonic() - self._healed_at

    def _left_s(self) -> float:
        return self._healed_at + CATCH_UP_S - time.monotonic()
