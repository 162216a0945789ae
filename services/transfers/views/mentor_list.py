"""The list of mentors, for those who may see it (T15: mentors may not)."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from unicodedata import normalize
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import transfers as contract

CLOSE = """
UPDATE mentor_list SET valid_to = greatest(valid_from, %(at)s) WHERE mentor_id = %(mentor_id)s AND valid_to IS NULL
"""
OPEN = """
INSERT INTO mentor_list (mentor_id, email, name, capacity, paths, projects, timezone, version, valid_from)
VALUES (%(mentor_id)s, %(email)s, %(name)s, %(capacity)s, %(paths)s, %(projects)s, %(timezone)s, %(version)s, %(at)s)
"""
SET_CAPACITY = """
WITH closed AS (
    UPDATE mentor_list SET valid_to = greatest(valid_from, %(at)s)
    WHERE mentor_id = %(mentor_id)s AND valid_to IS NULL
    RETURNING *
)
INSERT INTO mentor_list (mentor_id, email, name, capacity, paths, projects, timezone, version, valid_from)
SELECT mentor_id, email, name, %(capacity)s, paths, projects, timezone, %(version)s, valid_to FROM closed
"""
# `as_of` null is the present: the row that no other has followed yet.
LIST = """
SELECT m.mentor_id, m.email, m.name, m.capacity, m.paths, m.projects, m.timezone, m.version,
    (
        SELECT count(*) FROM student_list AS s
        WHERE s.mentor_id = m.mentor_id AND CASE
            WHEN %(as_of)s::timestamptz IS NULL THEN s.valid_to IS NULL
            ELSE s.valid_from <= %(as_of)s AND (s.valid_to IS NULL OR s.valid_to > %(as_of)s)
        END
    ) AS students
FROM mentor_list AS m
WHERE CASE
        WHEN %(as_of)s::timestamptz IS NULL THEN m.valid_to IS NULL
        ELSE m.valid_from <= %(as_of)s AND (m.valid_to IS NULL OR m.valid_to > %(as_of)s)
    END
    AND (%(search)s::text[] IS NULL OR m.searched LIKE ALL(%(search)s))
    AND (%(ids)s::uuid[] IS NULL OR m.mentor_id = ANY(%(ids)s))
    AND (%(path)s::text IS NULL OR %(path)s = ANY(m.paths))
    AND (%(after_name)s::text IS NULL OR (m.name, m.mentor_id) > (%(after_name)s, %(after_id)s::uuid))
ORDER BY m.name, m.mentor_id LIMIT %(limit)s
"""


def on_profile(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.MentorProfile)
    row = event.data.model_dump() | {"version": event.sequence, "at": event.time}
    connection.execute(CLOSE, row)
    connection.execute(OPEN, row | {"paths": list(event.data.paths), "projects": list(event.data.projects)})


def on_capacity(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.MentorCapacityChanged)
    connection.execute(
        SET_CAPACITY,
        {
            "mentor_id": event.data.mentor_id,
            "capacity": event.data.capacity,
            "version": event.sequence,
            "at": event.time,
        },
    )


def page(
    connection: Connection[DictRow],
    *,
    search: str | None,
    ids: Sequence[UUID] | None,
    path: str | None,
    as_of: datetime | None,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Mentors by name, as of an instant where one is given. `search`: parts of a name or an e-mail. `ids`: these."""
    after_name, after_id = after or (None, None)
    return connection.execute(
        LIST,
        {
            "search": containing(search),
            "ids": None if ids is None else list(ids),
            "path": path,
            "as_of": as_of,
            "after_name": after_name,
            "after_id": after_id,
            "limit": limit,
        },
        prepare=False,  # So that it is planned for the filters that are given.
    ).fetchall()


def containing(search: str | None) -> list[str] | None:
    """LIKE patterns for texts that contain each word of `search`, folded as the column `searched` is."""
    if not search or not search.split():
        return None
    letters = (letter for letter in normalize("NFKD", search) if not "\u0300" <= letter <= "\u036f")
    words = "".join(letters).lower().split()
    return ["%" + re.sub(r"([\\%_])", r"\\\1", word) + "%" for word in words]
