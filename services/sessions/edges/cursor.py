"""Where a page of the list ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from services.chassis.refusal import Refused


class InvalidCursor(Refused):
    """A cursor that we never gave out."""

    status = 400

    def __init__(self) -> None:
        super().__init__(
            "invalid_cursor",
            "Cette suite de liste n’est pas valable : reprenez depuis le début.",
            "This cursor is not valid: start the list again.",
        )


def position_after(cursor: Mapping[str, Any] | None) -> tuple[datetime, UUID] | None:
    """Start and id of the last session of the page before; None for the first page."""
    if cursor is None:
        return None
    try:
        starts_at, session_id = datetime.fromisoformat(cursor["starts_at"]), UUID(cursor["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidCursor from error
    if starts_at.tzinfo is None:
        raise InvalidCursor
    return starts_at, session_id
