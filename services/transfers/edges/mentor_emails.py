"""Whose account an e-mail is: exact (T11, T15), whatever its case, and true the moment that the account is."""

from collections.abc import Iterable
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.refusal import Conflict

FIND = "SELECT email, mentor_id FROM mentor_emails WHERE email = ANY(%s)"
RELEASE = "DELETE FROM mentor_emails WHERE mentor_id = %s AND email <> %s"
CLAIM = """
INSERT INTO mentor_emails AS held (email, mentor_id) VALUES (%s, %s)
ON CONFLICT (email) DO UPDATE SET mentor_id = held.mentor_id WHERE held.mentor_id = excluded.mentor_id
"""


def key_of(email: str) -> str:
    return email.strip().casefold()


def mentors_by_email(connection: Connection[DictRow], emails: Iterable[str]) -> dict[str, UUID]:
    """The mentor of each address that is an account's, by its case-folded form."""
    rows = connection.execute(FIND, ([key_of(email) for email in emails],)).fetchall()
    return {row["email"]: row["mentor_id"] for row in rows}


def mentor_by_email(connection: Connection[DictRow], email: str) -> UUID | None:
    return mentors_by_email(connection, [email]).get(key_of(email))


def claim(connection: Connection[DictRow], mentor_id: UUID, email: str) -> None:
    """Gives the address to the mentor and frees the one they had. Raises Conflict where it is another mentor's."""
    connection.execute(RELEASE, (mentor_id, key_of(email)))
    if connection.execute(CLAIM, (key_of(email), mentor_id)).rowcount == 0:
        raise email_taken()


def email_taken() -> Conflict:
    return Conflict(
        "email_taken",
        "Cette adresse e-mail est déjà celle d'un autre compte mentor : indiquez-en une autre.",
        "This e-mail already belongs to another mentor account: give another one.",
    )
