"""Two hundred run for ten free places, at the same instant, through the front door of a whole Relais.

``RACES=20 pytest tests/journeys/test_race.py -s`` is the long form; each race prints its figures.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import RunningRelais
from tests.journeys.school import School

RACES = int(os.environ.get("RACES", "1"))
RUNNERS = 200
PLACES = 10
BUSY = (429, 503)
"""Nothing is decided by these: the same request, with its key, is sent again."""
BUSY_TIMES_MAX = 20


@pytest.fixture(scope="module")
def runners(relais: RunningRelais) -> Iterator["Runners"]:
    found = Runners(School(relais))
    yield found
    found.client.close()


class Runners:
    """Two hundred students, all of one mentor; those who won a place are followed by others."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.client = httpx.Client(
            base_url=school.relais.url + "/api", timeout=240, limits=httpx.Limits(max_connections=RUNNERS)
        )
        self.token = school.relais.token("support", "support@example.org")
        self.mentor = school.mentor(capacity=10_000)
        self.students: list[str] = []

    def line_up(self) -> None:
        while len(self.students) < RUNNERS:
            self.students.append(self.school.student(self.mentor)["student_id"])

    def race(self, taker: dict[str, Any]) -> tuple[list[httpx.Response], int]:
        """All answers, in the order of the students, and how often one had to ask again."""
        barrier = threading.Barrier(RUNNERS)
        busy = Counter[int]()

        def transfer(student_id: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": str(uuid4())}
            barrier.wait(60)
            for _ in range(BUSY_TIMES_MAX):
                answer = self.client.post(
                    f"/students/{student_id}/transfer", json={"mentor_email": taker["email"]}, headers=headers
                )
                if answer.status_code not in BUSY:
                    break
                busy[answer.status_code] += 1
                time.sleep(int(answer.headers.get("Retry-After", "1")))
            return answer

        with ThreadPoolExecutor(RUNNERS) as threads:
            answers = list(threads.map(transfer, self.students))
        return answers, busy.total()


@pytest.mark.timeout(900)
@pytest.mark.rule("T18")
@pytest.mark.parametrize("race", range(1, RACES + 1))
def test_two_hundred_run_for_ten_places_and_never_eleven_arrive(runners: Runners, race: int) -> None:
    school = runners.school
    taker = school.mentor(capacity=PLACES)
    runners.line_up()
    began = time.monotonic()
    answers, asked_again = runners.race(taker)
    took_s = time.monotonic() - began

    by_status = Counter(answer.status_code for answer in answers)
    print(f"\nrace {race}: {dict(by_status)}, asked again {asked_again} times, {took_s:.1f} s")
    assert by_status == {201: PLACES, 422: RUNNERS - PLACES}
    for answer in answers:
        if answer.status_code == 422:
            problem = answer.json()
            assert problem["code"] == "transfer_refused"
            assert [error["code"] for error in problem["errors"]] == ["capacity_full"]

    arrived = {who for who, answer in zip(runners.students, answers, strict=True) if answer.status_code == 201}
    assert school.ok("GET", f"/mentors/{taker['mentor_id']}")["students"] == PLACES
    for who in arrived:
        assert school.ok("GET", f"/students/{who}")["mentor_id"] == taker["mentor_id"]
    runners.students = [who for who in runners.students if who not in arrived]
    assert school.ok("GET", f"/mentors/{runners.mentor['mentor_id']}")["students"] == len(runners.students)
