"""Row 5: what three brokers acknowledged survives, whatever becomes of one of them, and relay and consumer catch up."""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka.admin import AdminClient

from deploy.local import KafkaBroker, Stack
from tests.faults.members import Crew
from tests.faults.proxy import Proxy, ProxyHouse
from tests.faults.small import Small, eventually, small_service
from tests.faults.table import Line, Results

BROKERS = 3
EVENTS = 240
CATCH_UP_S = 30.0
ASK_S = 20.0
ROLLING_EVERY = 25
ROLLING = "rolling restart of all 3 brokers"


@dataclass
class Cluster:
    """Three brokers, and a relay and a consumer that reach them through proxies, all of them for all runs."""

    small: Small
    brokers: list[KafkaBroker]
    proxies: list[Proxy]

    def leader(self, choice: random.Random) -> int:
        """The place in ``brokers`` of the one that leads a partition of the topic."""
        asked = AdminClient({"bootstrap.servers": self.small.servers, "log_level": 0})
        partitions = asked.list_topics(self.small.topic, timeout=ASK_S).topics[self.small.topic].partitions
        led = [partition.leader for partition in partitions.values() if partition.leader > 0]
        return int(choice.choice(led)) - 1


@pytest.fixture(scope="module")
def cluster(stack: Stack, house: ProxyHouse, crew: Crew, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Stack.launch(tmp_path_factory.mktemp("brokers"), brokers=BROKERS, postgres=False, fast=True)
    running.wait_until_ready()
    assert running.kafka is not None
    proxies, servers = house.kafka(running.kafka_bootstrap_servers)
    with small_service(stack.database_url, running.kafka_bootstrap_servers, replication=BROKERS) as small:
        relay = crew.relay(small.url, servers, small.topic)
        consumer = crew.consumer(small.consumer_url, servers, small.topic)
        yield Cluster(small, list(running.kafka.brokers), proxies)
        relay.kill()
        consumer.kill()
    running.stop()


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


def cut_off(cluster: Cluster, victim: int, choice: random.Random) -> None:
    """For relay and consumer; the brokers reach each other, so that it goes on to lead."""
    cluster.proxies[victim].cut_off()
    time.sleep(choice.uniform(1.0, 6.0))
    cluster.proxies[victim].heal()


def rolling_restart(cluster: Cluster, victim: int, choice: random.Random) -> None:
    for broker in cluster.brokers:
        broker.restart()


FAULTS = {
    "kill -9 of a leader among 3 brokers": killed,
    "a leader paused (SIGSTOP), up to past its session": paused,
    "a leader cut off from its clients by a proxy": cut_off,
    "a leader stopped and started": stopped,
}


def run(cluster: Cluster, fault: str, seed: int, line: Line) -> float:
    """Gives the seconds from healing to having caught up."""
    choice, small = random.Random(seed), cluster.small
    small.begin_run()
    writing = threading.Thread(target=small.write, args=(seed, EVENTS), kwargs={"pause_s": 0.05})
    writing.start()
    time.sleep(choice.random() * 0.5)
    (rolling_restart if fault == ROLLING else FAULTS[fault])(cluster, cluster.leader(choice), choice)
    writing.join()
    took_s = eventually(small.is_published, "the relay has published all", deadline_s=CATCH_UP_S)
    committed = small.committed.new_events()
    took_s += eventually(
        lambda: len(small.effects_of({event.key for event in committed})) >= len(committed),
        "all has taken effect",
        deadline_s=CATCH_UP_S - took_s,
    )
    line.add(small.judge(committed, with_effects=True))
    return took_s


@pytest.mark.timeout(7200)
def test_what_was_acknowledged_survives_the_loss_of_a_broker(
    cluster: Cluster, results: Results, runs: int | None, seed: int
) -> None:
    faults = [*FAULTS, ROLLING] if runs else list(FAULTS)
    slowest_s = dict.fromkeys(faults, 0.0)
    lines = {fault: results.begin(5, fault, seed) for fault in faults}
    for number in range(runs or len(faults)):
        fault = ROLLING if number % ROLLING_EVERY == ROLLING_EVERY - 1 else list(FAULTS)[number % len(FAULTS)]
        with results.running(lines[fault]):
            slowest_s[fault] = max(slowest_s[fault], run(cluster, fault, seed + number, lines[fault]))
            lines[fault].note = f"caught up within {slowest_s[fault]:.1f} s of healing"
