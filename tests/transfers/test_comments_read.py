"""Whoever reads a student's private comments is noted and published, once for each quarter of an hour."""

from uuid import UUID

import psycopg
import pytest

from tests.transfers.conftest import Api, soon

READINGS = """
SELECT count(*) FROM transfers.stored_events AS e
WHERE e.topic = 'transfers.PrivateCommentsRead.v1' AND convert_from(e.state, 'UTF8') LIKE %s
"""


def readings(api: Api, student_id: UUID) -> int:
    with psycopg.connect(api.database_url) as connection:
        row = connection.execute(READINGS, (f"%{student_id}%",)).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.rule("T14")
def test_each_reader_is_noted_and_nobody_who_was_refused(api: Api) -> None:
    mentor_id, email = api.mentor()
    _, stranger = api.mentor()
    student_id = api.student(mentor_id)
    path = f"/students/{student_id}/comments"
    version = api.as_("support")("GET", f"/students/{student_id}").json()["version"]
    assert api.as_("mentor", stranger)("GET", path).status_code == 403
    assert readings(api, student_id) == 0
    for _ in range(3):
        assert api.as_("mentor", email)("GET", path).status_code == 200
    soon(lambda: readings(api, student_id) in (1, 2))  # Two, where a quarter of an hour ended in between.
    assert api.as_("support", "sam@example.org")("GET", path).status_code == 200
    assert readings(api, student_id) in (2, 3)
    assert api.as_("support")("GET", f"/students/{student_id}").json()["version"] == version
