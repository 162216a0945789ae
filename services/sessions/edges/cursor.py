"""Where a page of a list ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis.http import invalid_cursor


def position_after(cursor: Mapping[str, Any] | None) -> tuple[datetime, UUID] | None:
    """Start and id of the last session of the page before; None for the first page. Refuses another list's cursor."""
    if cursor is None:
        return None
    try:
        starts_at, session_id = datetime.fromisoformat(cursor["starts_at"]), UUID(cursor["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_cursor() from error
    if starts_at.tzinfo is None:
        raise invalid_cursor()
    return starts_at, session_id


def version_after(cursor: Mapping[str, Any] | None) -> int:
    """Version of the last event of the page before; 0 for the first page. Refuses another list's cursor."""
    if cursor is None:
        return 0
    version = cursor.get("version")
    if not isinstance(version, int) or version < 0:
        raise invalid_cursor()
    return version
