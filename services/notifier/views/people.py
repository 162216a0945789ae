"""The people letters are written to: one row each, as the directory last said."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.notifier.domain.letter import Person

KEEP = """
INSERT INTO people (person_id, role, email, name, language, timezone)
VALUES (%(person_id)s, %(role)s, %(email)s, %(name)s, %(language)s, %(timezone)s)
ON CONFLICT (person_id) DO UPDATE
SET role = excluded.role, email = excluded.email, name = excluded.name, language = excluded.language,
    timezone = excluded.timezone
"""

FIND = "SELECT person_id, role, email, name, language, timezone FROM people WHERE person_id = ANY(%s)"

WITH_EMAIL = "SELECT person_id FROM people WHERE lower(email) = %s AND role = %s"

PAIR = "UPDATE people SET mentor_id = %s WHERE person_id = %s"

MENTORS_OF = "SELECT person_id, mentor_id FROM people WHERE person_id = ANY(%s) AND mentor_id IS NOT NULL"


def pair(connection: Connection[DictRow], student_id: UUID, mentor_id: UUID) -> None:
    """Notes who accompanies the student now; nothing where the student is not known."""
    connection.execute(PAIR, (mentor_id, student_id))


def mentors_of(connection: Connection[DictRow], student_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The present mentor of each student, as far as it is known."""
    rows = connection.execute(MENTORS_OF, (list(student_ids),)).fetchall()
    return {row["person_id"]: row["mentor_id"] for row in rows}


def with_email(connection: Connection[DictRow], role: str, email: str) -> list[UUID]:
    """Whose address it is now."""
    return [row["person_id"] for row in connection.execute(WITH_EMAIL, (email.lower(), role)).fetchall()]


def keep(connection: Connection[DictRow], person: Person) -> None:
    """Inserts or replaces the person's row."""
    connection.execute(
        KEEP,
        {
            "person_id": person.person_id,
            "role": person.role,
            "email": person.email,
            "name": person.name,
            "language": person.language,
            "timezone": person.timezone,
        },
    )


def by_id(rows: Iterable[dict[str, Any]]) -> dict[UUID, Person]:
    """Rows of FIND as people."""
    return {row["person_id"]: Person(**row) for row in rows}
