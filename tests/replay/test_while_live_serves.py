"""Row 9 of the fault suite: a rebuild equals live amid writes, killed in the middle; reads are never interrupted.

Among the fault tests `--backlog 1000000` is the longest form, in which it is killed several times.
"""

import json
import random
import threading
import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from services.chassis.service import Service
from tests.faults.oracle import Verdict
from tests.faults.table import RESULTS, Results, seed_of
from tests.replay.conftest import Ground, held, registered

EVENTS = 15_000
EVENTS_A_KILL = 100_000
SLICE = 10_000
PATIENCE_S = 60.0
EVENTS_A_SECOND = 1_000
"""Fewer than any machine takes."""
READ_EVERY_S = 0.02
WRITE_EVERY_S = 0.3
MENTORS = [uuid4() for _ in range(20)]
STUDENTS = [uuid4() for _ in range(200)]
DONE = "SELECT coalesce(sum(next_offset), 0) FROM billing_rebuild.inbox_positions"


@dataclass
class Background:
    """What goes on all the time: somebody reads statements, sessions are held, months are closed."""

    ground: Ground
    billing: Service
    stop: threading.Event = field(default_factory=threading.Event)
    reads_count: int = 0
    writes_count: int = 0
    failures: list[str] = field(default_factory=list)
    longest_read_s: float = 0.0
    longest_closing_s: float = 0.0

    def __enter__(self) -> "Background":
        assert self.billing.api is not None
        self._client = TestClient(self.billing.api)
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._write)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, method: str, mentor_id: UUID, path: str) -> int:
        """How many lines the statement has; never fewer than before."""
        token = self.ground.issuer.mint("billing", "facturation@relais.example")
        began = time.monotonic()
        answer = self._client.request(
            method, f"/api/mentors/{mentor_id}/statements/{path}", headers={"Authorization": f"Bearer {token}"}
        )
        took_s = time.monotonic() - began
        if method == "GET":
            self.longest_read_s = max(self.longest_read_s, took_s)
        else:
            self.longest_closing_s = max(self.longest_closing_s, took_s)
        if answer.status_code != 200:
            self.failures.append(f"{path}: {answer.status_code} {answer.text}")
            return 0
        return len(answer.json()["lines"])

    def _read(self) -> None:
        known: dict[UUID, int] = {}
        while not self.stop.is_set():
            mentor = random.choice(MENTORS)
            count = self._ask("GET", mentor, "2026-10")
            if count < known.get(mentor, 0):
                self.failures.append(f"{mentor} had {known[mentor]} lines and has {count}")
            known[mentor] = count
            self.reads_count += 1
            time.sleep(READ_EVERY_S)

    def _write(self) -> None:
        while not self.stop.is_set():
            self.ground.publish(*(held(random.choice(MENTORS), random.choice(STUDENTS)) for _ in range(20)))
            self._ask("POST", random.choice(MENTORS[:5]), f"2026-{random.choice((9, 10)):02}/close")
            self.writes_count += 20
            time.sleep(WRITE_EVERY_S)


@pytest.mark.timeout(7200)
def test_a_rebuild_that_is_killed_goes_on_and_equals_live_and_no_read_ever_fails(
    ground: Ground, pytestconfig: pytest.Config
) -> None:
    event_count = pytestconfig.getoption("--backlog", default=None) or EVENTS
    results, seed = pytestconfig.stash.get(RESULTS, Results()), seed_of(pytestconfig)
    random.seed(seed)
    ground.patience_s = PATIENCE_S + event_count / EVENTS_A_SECOND
    ground.drop("billing")
    ground.publish(*map(registered, MENTORS))
    for start in range(0, event_count, SLICE):
        count = min(SLICE, event_count - start)
        ground.publish(*(held(random.choice(MENTORS), random.choice(STUDENTS)) for _ in range(count)))
    with (
        results.line(9, "relais replay: kill -9 in the middle, while writes and reads go on", seed) as line,
        ground.live("billing") as billing,
    ):
        ground.wait_until_read("billing")
        with Background(ground, billing) as background:
            for _ in range(max(1, event_count // EVENTS_A_KILL)):
                done_before = kill_in_the_middle(ground)
                line.faults += 1
            came_to = replay(ground, "--diff", "--json")
            found = json.loads(came_to)
            assert (found["resumed"], done_before > 0) == (True, True)
            assert all(one["live"] == one["rebuilt"] for one in found["comparisons"])
            replay(ground, "--switch")
            writes_at_switch = background.writes_count
            ground.wait(lambda: background.writes_count > writes_at_switch + 20)
        assert background.failures == []
        assert background.reads_count > 20
        ground.wait_until_read("billing")
        _, compared = ground.replay("billing")
        line.note = (
            f"{background.reads_count} reads, 0 failed, longest {background.longest_read_s:.2f} s; closings, longest "
            f"{background.longest_closing_s:.2f} s; {background.writes_count} events written meanwhile; "
            "checksums equal, before the switch and after it"
        )
        verdict = Verdict(
            committed_count=max(one.live.row_count for one in compared),
            faults=[f"{one.table}: {one.difference_count} rows differ" for one in compared if one.difference_count],
        )
        line.add(verdict, faults=0)


def kill_in_the_middle(ground: Ground) -> int:
    """Begins or goes on to rebuild, and is killed as soon as that has come further; gives how far it has come."""

    def done() -> int:
        is_begun = ground.rows("SELECT to_regclass('billing_rebuild.rebuild')") != [(None,)]
        return int(ground.rows(DONE)[0][0]) if is_begun else 0

    before = done()
    killed = ground.command("replay", "billing")
    ground.wait(lambda: done() > before)
    killed.kill()
    killed.communicate()
    return done()


def replay(ground: Ground, *options: str) -> str:
    """What `relais replay billing` prints."""
    process = ground.command("replay", "billing", *options)
    output, errors = process.communicate(timeout=ground.patience_s)
    assert process.returncode == 0, errors + output
    return output
