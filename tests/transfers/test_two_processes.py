"""The capacity holds between processes too, where no lock is shared: the versions in the event store keep it."""

from concurrent.futures import ThreadPoolExecutor

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
        answers = list(
            threads.map(
                lambda job: callers[job[0] % 2]("POST", f"/students/{job[1]}/transfer", {"mentor_email": taker}),
                enumerate(students),
            )
        )
    assert sorted({answer.status_code for answer in answers}) == [201, 422]
    assert sum(answer.status_code == 201 for answer in answers) == PLACES
    support = api.as_("support")
    assert support("GET", f"/mentors/{taker_id}").json()["students"] == PLACES
    assert support("GET", f"/mentors/{giver_id}").json()["students"] == RUNNERS - PLACES
