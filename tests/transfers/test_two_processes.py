"""The capacity holds between processes too, where no lock is shared: the versions in the event store keep it."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import pytest

from services.chassis.settings import Settings
from tests.transfers.conftest import Api, running

RUNNERS, PLACES = 60, 10


@pytest.mark.rule("T18")
@pytest.mark.mutation("the version of the mentor's stream")
def test_two_processes_give_the_last_places_once(api: Api, service_settings: Settings) -> None:
    giver_id, _ = api.mentor(capacity=RUNNERS)
    students = [api.student(giver_id) for _ in range(RUNNERS)]
    taker_id, taker = api.mentor(capacity=PLACES)
    with running(service_settings, "api") as other, ThreadPoolExecutor(RUNNERS) as threads:
        callers = [api.as_("support"), other.as_("support")]

        def transfer(job: tuple[int, UUID]) -> httpx.Response:
            """As a client does that is told to come again (503): on a busy machine connections can be short."""
            number, student_id = job
            for _ in range(5):
                answer = callers[number % 2]("POST", f"/students/{student_id}/transfer", {"mentor_email": taker})
                if answer.status_code != 503:
                    break
            return answer

        answers = list(threads.map(transfer, enumerate(students)))
    assert sorted({answer.status_code for answer in answers}) == [201, 422]
    assert sum(answer.status_code == 201 for answer in answers) == PLACES
    support = api.as_("support")
    assert support("GET", f"/mentors/{taker_id}").json()["students"] == PLACES
    assert support("GET", f"/mentors/{giver_id}").json()["students"] == RUNNERS - PLACES
