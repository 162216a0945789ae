"""The list of students, by mentor or by part of a name."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import transfers as contract
from services.transfers.views.mentor_list import containing

ENROL = """
INSERT INTO student_list (student_id, email, name, path, project, funding, training_day, language, mentor_id,
    enrolled_at, version, valid_from)
VALUES (%(student_id)s, %(email)s, %(name)s, %(path)s, %(project)s, %(funding)s, %(training_day)s, %(language)s,
    %(mentor_id)s, %(enrolled_at)s, %(version)s, %(at)s)
ON CONFLICT (student_id, version) DO NOTHING
"""
UPDATE = """
WITH closed AS (
    UPDATE student_list SET valid_to = greatest(valid_from, %(at)s)
    WHERE student_id = %(student_id)s AND valid_to IS NULL
    RETURNING *
)
INSERT INTO student_list (student_id, email, name, path, project, funding, training_day, language, mentor_id,
    enrolled_at, version, valid_from)
SELECT student_id, %(email)s, %(name)s, %(path)s, %(project)s, %(funding)s, %(training_day)s, %(language)s, mentor_id,
    enrolled_at, %(version)s, valid_to
FROM closed
"""
TRANSFER = """
WITH closed AS (
    UPDATE student_list SET valid_to = greatest(valid_from, %(at)s)
    WHERE student_id = %(student_id)s AND valid_to IS NULL
    RETURNING *
)
INSERT INTO student_list (student_id, email, name, path, project, funding, training_day, language, mentor_id,
    enrolled_at, version, valid_from)
SELECT student_id, email, name, path, project, funding, training_day, language, %(mentor_id)s, enrolled_at, %(version)s,
    valid_to
FROM closed
"""
# `as_of` null is the present: the row that no other has followed yet.
LIST = """
SELECT student_id, email, name, path, project, funding, training_day, language, mentor_id, enrolled_at, version
FROM student_list
WHERE CASE
        WHEN %(as_of)s::timestamptz IS NULL THEN valid_to IS NULL
        ELSE valid_from <= %(as_of)s AND (valid_to IS NULL OR valid_to > %(as_of)s)
    END
    AND (%(mentor_id)s::uuid IS NULL OR mentor_id = %(mentor_id)s)
    AND (%(of_students)s::uuid[] IS NULL OR student_id = ANY(%(of_students)s))
    AND (%(search)s::text[] IS NULL OR searched LIKE ALL(%(search)s))
    AND (%(ids)s::uuid[] IS NULL OR student_id = ANY(%(ids)s))
    AND (%(after_name)s::text IS NULL OR (name, student_id) > (%(after_name)s, %(after_id)s::uuid))
ORDER BY name, student_id LIMIT %(limit)s
"""
BY_EMAIL = """
SELECT DISTINCT ON (lower(email)) lower(email) AS email, student_id, mentor_id FROM student_list
WHERE valid_to IS NULL AND lower(email) = ANY(%s) ORDER BY lower(email), enrolled_at DESC, student_id
"""


def on_enrolled(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.StudentEnrolled)
    connection.execute(ENROL, event.data.model_dump() | _version(event) | _day(event.data))


def on_updated(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.StudentUpdated)
    connection.execute(UPDATE, event.data.model_dump() | _version(event) | _day(event.data))


def on_transferred(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.StudentTransferred)
    moved = {"student_id": event.data.student_id, "mentor_id": event.data.to_mentor_id}
    connection.execute(TRANSFER, moved | _version(event))


def page(
    connection: Connection[DictRow],
    *,
    mentor_id: UUID | None,
    student_ids: Sequence[UUID] | None,
    search: str | None,
    ids: Sequence[UUID] | None,
    as_of: datetime | None,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Students by name, as of an instant where one is given.

    `search`: parts of a name or an e-mail; `student_ids`, `ids`: none but these.
    """
    after_name, after_id = after or (None, None)
    return connection.execute(
        LIST,
        {
            "mentor_id": mentor_id,
            "of_students": student_ids,
            "search": containing(search),
            "ids": None if ids is None else list(ids),
            "as_of": as_of,
            "after_name": after_name,
            "after_id": after_id,
            "limit": limit,
        },
        prepare=False,  # So that it is planned for the filters that are given.
    ).fetchall()


def students_by_email(connection: Connection[DictRow], emails: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Student and mentor ids by the e-mail in lower case: of several accounts with one e-mail, the latest."""
    rows = connection.execute(BY_EMAIL, ([email.strip().lower() for email in emails],)).fetchall()
    return {row["email"]: row for row in rows}


def _version(event: CloudEvent) -> dict[str, Any]:
    return {"version": event.sequence, "at": event.time}


def _day(profile: contract.StudentProfile) -> dict[str, str | None]:
    """Left out of the model's dump where there is none."""
    return {"training_day": profile.training_day}
