"""Somebody read a student's private comments: rare, about a person, and therefore kept (who, when) and published."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

KEPT_ONCE_WITHIN_S: Final = 900
"""Pages are looked at again and again: one entry a reader, a student and a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class PrivateCommentsRead:
    """An aggregate of its own, one event long: the student has not changed."""

    student_id: UUID
    read_at: datetime
