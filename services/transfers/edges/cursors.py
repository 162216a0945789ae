"""Where a page of a list ended: by what it is ordered, and the id."""

from uuid import UUID

from services.chassis.http import decode_cursor, encode_cursor
from services.chassis.refusal import Refused


def after(cursor: str | None) -> tuple[str, UUID] | None:
    """Raises Refused where it is not one of ours."""
    position = decode_cursor(cursor)
    if position is None:
        return None
    try:
        return str(position["by"]), UUID(str(position["id"]))
    except (KeyError, ValueError) as error:
        raise Refused(
            "invalid_cursor",
            "Cette suite de liste n'est pas valable : reprenez depuis le début.",
            "This cursor is not valid: start the list again.",
        ) from error


def cursor_after(by: str, last_id: UUID) -> str:
    return encode_cursor({"by": by, "id": last_id})
