"""QUALITY, row 9: a rebuild equals live while writes go on, killed in the middle; and reads are never interrupted."""

import json
import random
import threading
import time
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from fastapi.testclient import TestClient

from services.chassis.service import Service
from tests.replay.conftest import Ground, held, registered

EVENTS = 15_000
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


def test_a_rebuild_that_is_killed_goes_on_and_equals_live_and_no_read_ever_fails(ground: Ground) -> None:
    ground.drop("billing")
    ground.publish(*map(registered, MENTORS))
    ground.publish(*(held(random.choice(MENTORS), random.choice(STUDENTS)) for _ in range(EVENTS)))
    with ground.live("billing") as billing:
        ground.wait_until_read("billing")
        with Background(ground, billing) as background:
            killed = ground.command("replay", "billing")
            ground.wait(lambda: ground.rows("SELECT to_regclass('billing_rebuild.rebuild')") != [(None,)])
            ground.wait(lambda: ground.rows(DONE)[0][0] > 0)
            killed.kill()
            killed.communicate()
            done_before = ground.rows(DONE)[0][0]

            again = ground.command("replay", "billing", "--diff", "--json")
            output, errors = again.communicate(timeout=120)
            assert again.returncode == 0, errors + output
            came_to = json.loads(output)
            assert (came_to["resumed"], done_before > 0) == (True, True)
            assert all(one["live"] == one["rebuilt"] for one in came_to["comparisons"])

            switched = ground.command("replay", "billing", "--switch")
            output, errors = switched.communicate(timeout=120)
            assert switched.returncode == 0, errors + output
            writes_at_switch = background.writes_count
            ground.wait(lambda: background.writes_count > writes_at_switch + 20)
        assert background.failures == []
        assert background.reads_count > 20
        ground.wait_until_read("billing")
        _, found = ground.replay("billing")
        assert [one.difference_count for one in found] == [0] * len(found)
        print(
            f"{background.reads_count} reads, longest {background.longest_read_s:.2f} s; closings, longest "
            f"{background.longest_closing_s:.2f} s; {background.writes_count} "
            f"events written meanwhile, killed at {done_before}, {came_to['comparisons'][0]['live']}"
        )
