"""`relais parked` on one whole running Relais: a bad record, and what stands behind it, back in order."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Producer

from relais_contracts import CloudEvent, sessions
from services.chassis.settings import SERVICES
from tests.chassis.pipeline import event
from tests.conftest import RunningRelais

WITHIN_S = 30.0


@dataclass(frozen=True)
class Shell:
    relais: RunningRelais

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments, "--data-dir", str(self.relais.data_dir)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def json(self, *arguments: str, status: int = 0) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == status, done.stderr + done.stdout
        return json.loads(done.stdout)["items"]

    def open(self, key: str) -> list[tuple[str, int]]:
        return [(item["service"], item["parked_id"]) for item in self.json("parked", "list", "--key", key)]


@pytest.fixture(scope="module")
def shell(relais: RunningRelais) -> Shell:
    return Shell(relais)


def publish(relais: RunningRelais, *records: tuple[bytes, bytes, list[tuple[str, bytes]]]) -> None:
    producer = Producer({"bootstrap.servers": relais.kafka_bootstrap_servers, "enable.idempotence": True})
    for key, value, headers in records:
        producer.produce(sessions.TOPIC, value, key, headers=list(headers))
    assert producer.flush(WITHIN_S) == 0


def broken(one: CloudEvent) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    key, _, headers = one.to_record()
    return key, b"not json", headers


def test_a_bad_record_is_listed_shown_retried_skipped_and_audited(shell: Shell) -> None:
    student = uuid4()
    bad, behind = event(uuid4(), 1, student), event(uuid4(), 1, student)
    publish(shell.relais, broken(bad), behind.to_record())
    key, deadline = str(student), time.monotonic() + WITHIN_S
    while {service for service, _ in shell.open(key)} != set(SERVICES):
        assert time.monotonic() < deadline
    numbers = dict(reversed(shell.open(key)))  # The first of each service.

    shown = shell.run("parked", "show", f"billing/{numbers['billing']}")
    assert ("Invalid JSON" in shown.stdout, "value: not json" in shown.stdout) == (True, True), shown.stdout
    lag = [item for item in shell.json("lag") if item["service"] == "billing" and item["parked"]]
    assert [item["parked"] for item in lag] == [2]
    assert lag[0]["oldest_age_s"] >= 0
    metrics = httpx.get(f"{shell.relais.state['services']['billing']}/metrics", trust_env=False).text
    assert 'relais_parked_events{consumer="billing",topic="relais.sessions"} 2.0' in metrics

    failed = shell.json("parked", "retry", key, "--service", "billing", status=1)
    assert [(one["settled"], one["open"]) for one in failed] == [(0, 2)]
    assert shell.run("parked", "skip", f"billing/{numbers['billing']}").returncode == 2
    for service, number in numbers.items():
        done = shell.run("parked", "skip", f"{service}/{number}", "--reason", "not an event at all")
        assert done.returncode == 0, done.stderr
    again = shell.run("parked", "skip", f"billing/{numbers['billing']}", "--reason", "twice")
    assert (again.returncode, "parked_already_settled" in again.stderr) == (1, True)

    # What stood behind takes effect now; sessions never heard of that session, so there it is skipped too.
    came_to = {one["service"]: one["open"] for one in shell.json("parked", "retry", key, status=1)}
    assert came_to == {service: int(service == "sessions") for service in SERVICES}
    ((_, last),) = shell.open(key)
    assert shell.run("parked", "skip", f"sessions/{last}", "--reason", "a session of nobody").returncode == 0
    assert shell.open(key) == []

    headers = {"Authorization": f"Bearer {shell.relais.token('support', 'sam@example.org')}"}
    wanted = {"type": "relais.operations.EventSkipped.v1", "limit": "200"}
    while True:
        audited = httpx.get(f"{shell.relais.url}/api/audit", params=wanted, headers=headers, trust_env=False).json()
        said = [one["data"] for one in audited["items"] if one["actor"] == "support:support@example.org"]
        if len(said) == len(SERVICES) + 1 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    assert sorted((one["service"], one["reason"]) for one in said) == sorted(
        [*((service, "not an event at all") for service in numbers), ("sessions", "a session of nobody")]
    )
