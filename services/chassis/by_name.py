"""Lists of people by name: what was typed to find them, and where a page of them ended."""

import re
from unicodedata import normalize
from uuid import UUID

from services.chassis.http import decode_cursor, invalid_cursor


def pattern_of(search: str | None) -> str | None:
    """A LIKE pattern for what contains the text, folded as the columns ``searched`` are; None where none was typed."""
    if not search or not search.strip():
        return None
    letters = (letter for letter in normalize("NFKD", search.strip()) if not "\u0300" <= letter <= "\u036f")
    return "%" + re.sub(r"([\\%_])", r"\\\1", "".join(letters).lower()) + "%"


def name_after(cursor: str | None) -> tuple[str, UUID] | None:
    """The name and the id that the page before ended with. Refused (400) where no such list gave the cursor."""
    position = decode_cursor(cursor)
    if position is None:
        return None
    try:
        return str(position["name"]), UUID(position["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_cursor() from error
