"""Bad input changes nothing: every route × bodies made at random gets a 4xx with a code, and no row is written."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.chassis.ids import new_id
from tests.transfers.conftest import Api

# The service runs in this process, and its pauses draw from `random` while a body is made.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "email",
        "name",
        "capacity",
        "paths",
        "mentor_id",
        "mentor_email",
        "kind",
        "text",
        "from",
        "to",
        "rows",
        "item",
        "emails",
    ]
)
BODIES = JSON | st.dictionaries(FIELDS, JSON | st.just("2030-01-01") | st.just("a@b.fr"), min_size=1, max_size=5)
ROUTES = (
    ("PUT", "/mentors/{mentor}"),
    ("PUT", "/mentors/{mentor}/capacity"),
    ("PUT", "/students/{student}"),
    ("POST", "/students/{student}/transfer"),
    ("POST", "/students/{student}/transfer/check"),
    ("POST", "/students/{student}/comments"),
    ("POST", "/students/import"),
    ("POST", "/students/lookup"),
    ("POST", "/mentors/{mentor}/absences"),
    ("PUT", "/absences/{absence}"),
    ("POST", "/absences/{absence}/consents"),
    ("POST", "/absences/{absence}/preparation"),
    ("POST", "/absences/{absence}/return"),
)


@pytest.fixture(scope="module")
def ids(api: Api) -> dict[str, UUID]:
    mentor_id, _ = api.mentor()
    student_id = api.student(mentor_id)
    absence = api.as_("support")("POST", f"/mentors/{mentor_id}/absences", {"from": "2031-01-01", "to": "2031-01-02"})
    return {"mentor": mentor_id, "student": student_id, "absence": UUID(absence.json()["absence_id"])}


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_a_body_made_at_random_changes_nothing(api: Api, ids: dict[str, UUID], method: str, route: str) -> None:
    path = route.format(**ids)
    support = api.as_("support")

    @settings(
        max_examples=15,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(body=BODIES)
    def send(body: Any) -> None:
        before = written(api)
        answer = support(method, path, body)
        if answer.is_success:
            return  # Few random bodies are right: the empty one of a return, a comment's text.
        assert 400 <= answer.status_code < 500, (body, answer.text)
        assert answer.json()["code"]
        assert written(api) == before

    send()


def written(api: Api) -> list[int]:
    """The rows that commands write; the lists follow in their own time."""
    rows = api.rows()
    return [rows[table] for table in ("stored_events", "commands", "mentor_emails")]


@pytest.mark.parametrize("path", ["/students", "/mentors", "/absences"])
@pytest.mark.parametrize(
    "cursor", ["x", "e30", "eyJieSI6MX0", "eyJieSI6ImEiLCJpZCI6ImIifQ", "eyJieSI6IlwwIiwiaWQiOiIxIn0", "A" * 1_001]
)
def test_a_cursor_that_is_not_ours_is_refused(api: Api, path: str, cursor: str) -> None:
    answer = api.as_("support")("GET", path, params={"cursor": cursor})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"]


@pytest.mark.parametrize("search", ["%", "_", "\\", "'; DROP TABLE student_list; --", "\x00", "é" * 100, "x" * 101])
def test_a_search_is_only_text(api: Api, search: str) -> None:
    answer = api.as_("support")("GET", "/students", params={"search": search})
    assert answer.status_code in (200, 422)


@pytest.mark.parametrize("given_id", ["x", "0", str(new_id()), "00000000-0000-0000-0000-000000000000"])
def test_an_id_that_nobody_has_is_not_found_or_not_valid(api: Api, given_id: str) -> None:
    support = api.as_("support")
    answers: list[httpx.Response] = [
        support("GET", f"/students/{given_id}"),
        support("GET", f"/mentors/{given_id}"),
        support("GET", f"/absences/{given_id}"),
        support("POST", f"/students/{given_id}/transfer", {"mentor_email": "a@example.org"}),
        support("POST", f"/absences/{given_id}/return"),
    ]
    assert {answer.status_code for answer in answers} <= {404, 422}
