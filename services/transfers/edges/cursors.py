"""Where a page of a list ended: by what it is ordered, and the id."""

from uuid import UUID

from services.chassis.http import decode_cursor, encode_cursor, invalid_cursor


def after(cursor: str | None) -> tuple[str, UUID] | None:
    """Raises the refusal ``invalid_cursor`` (400) where it is not one of ours."""
    position = decode_cursor(cursor)
    if position is None:
        return None
    try:
        return str(position["by"]), UUID(str(position["id"]))
    except (KeyError, ValueError) as error:
        raise invalid_cursor() from error


def cursor_after(by: str, last_id: UUID) -> str:
    return encode_cursor({"by": by, "id": last_id})
