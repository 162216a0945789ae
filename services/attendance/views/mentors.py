"""Mentors and whom they accompany: tables ``mentors`` (as last known) and ``pairing_states`` (one row an event)."""

from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

KEEP: Final = """
INSERT INTO mentors (mentor_id, email, name) VALUES (%s, %s, %s)
ON CONFLICT (mentor_id) DO UPDATE SET email = excluded.email, name = excluded.name
"""

PAIR: Final = "INSERT INTO pairing_states (student_id, sequence, mentor_id, recorded_at) VALUES (%s, %s, %s, %s)"


def keep(connection: Connection[DictRow], mentor_id: UUID, *, email: str, name: str) -> None:
    """Inserts or replaces the mentor's row."""
    connection.execute(KEEP, (mentor_id, email, name))


def pair(
    connection: Connection[DictRow], student_id: UUID, mentor_id: UUID, *, sequence: int, recorded_at: datetime
) -> None:
    """Adds what one event says about who accompanies a student."""
    connection.execute(PAIR, (student_id, sequence, mentor_id, recorded_at))
