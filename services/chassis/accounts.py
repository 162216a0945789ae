"""Whose account a token's e-mail is, and who accompanies whom, as the service transfers publishes it.

Each service that shows people's own matters keeps its own copy, in the transaction of its inbox; so it is as far behind
as an event travels, which ``access.patient`` makes up for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import transfers as contract
from services.chassis.at_once import AtOnce, in_one_go
from services.chassis.database import Database
from services.chassis.effects import Reaction

KEEP: Final = """
INSERT INTO accounts (account_id, role, email) SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[])
ON CONFLICT (account_id) DO UPDATE SET role = excluded.role, email = excluded.email
"""

PAIR: Final = """
INSERT INTO companions (student_id, mentor_id, lender_ids) VALUES (%s, %s, '{}')
ON CONFLICT (student_id) DO UPDATE SET mentor_id = excluded.mentor_id, lender_ids = excluded.lender_ids
"""

# A one-off transfer lends; a chain of replacements unwinds to the mentor who returns; any other transfer ends it.
TRANSFER: Final = """
UPDATE companions SET mentor_id = %(to)s, lender_ids = CASE
    WHEN %(kind)s = 'one_off' THEN lender_ids || %(from)s::uuid
    WHEN %(kind)s = 'return' THEN coalesce(lender_ids[:array_position(lender_ids, %(to)s::uuid) - 1], '{}')
    ELSE '{}'
END
WHERE student_id = %(student)s
"""

BY_EMAIL: Final = "SELECT account_id FROM accounts WHERE email = %s AND role = %s"

IS_KNOWN: Final = "SELECT 1 FROM accounts WHERE account_id = %s AND role = %s"

COMPANIONS: Final = "SELECT mentor_id, lender_ids FROM companions WHERE student_id = %s"

STUDENTS_OF: Final = """
SELECT student_id FROM companions WHERE mentor_id = ANY(%(ids)s::uuid[]) OR lender_ids && %(ids)s::uuid[]
"""


@dataclass(frozen=True, slots=True)
class Companions:
    """Who accompanies a student, and the mentors to whom the student is to come back."""

    mentor_id: UUID
    lender_ids: Collection[UUID] = ()


class Accounts:
    """Answers from the service's own copy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids_of(self, role: str, email: str) -> frozenset[UUID]:
        """The accounts with this e-mail: none while they are not known, several for a student of several courses."""
        with self._database.connection() as connection:
            rows = connection.execute(BY_EMAIL, (key_of(email), role), prepare=True).fetchall()
        return frozenset(row["account_id"] for row in rows)

    def is_known(self, role: str, account_id: UUID) -> bool:
        """Whether somebody of this role has the id, as far as it has arrived here."""
        with self._database.connection() as connection:
            return connection.execute(IS_KNOWN, (account_id, role), prepare=True).fetchone() is not None

    def companions_of(self, student_id: UUID) -> Companions | None:
        with self._database.connection() as connection:
            row = connection.execute(COMPANIONS, (student_id,), prepare=True).fetchone()
        return None if row is None else Companions(row["mentor_id"], frozenset(row["lender_ids"]))

    def students_of(self, mentor_ids: Collection[UUID]) -> list[UUID]:
        """Whom these mentors accompany, and whom they have lent."""
        with self._database.connection() as connection:
            rows = connection.execute(STUDENTS_OF, {"ids": list(mentor_ids)}, prepare=True).fetchall()
        return [row["student_id"] for row in rows]


def key_of(email: str) -> str:
    """An address as it is compared: whatever its case."""
    return email.strip().casefold()


def keep(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
    """The accounts as the last of the events about each has them."""
    accounts: dict[UUID, tuple[str, str]] = {}
    for event in events:
        match event.data:
            case contract.MentorProfile(mentor_id=account_id, email=email):
                accounts[account_id] = "mentor", key_of(email)
            case contract.StudentProfile(student_id=account_id, email=email):
                accounts[account_id] = "student", key_of(email)
            case _:
                raise TypeError(f"{event.type} tells of no account")
    roles, emails = zip(*accounts.values(), strict=True)
    connection.execute(KEEP, (list(accounts), list(roles), list(emails)))


def accompany(connection: Connection[DictRow], event: CloudEvent) -> None:
    """Who accompanies the student from now on."""
    data = event.data
    match data:
        case contract.StudentEnrolled():
            connection.execute(PAIR, (data.student_id, data.mentor_id))
        case contract.StudentTransferred():
            connection.execute(
                TRANSFER,
                {"student": data.student_id, "from": data.from_mentor_id, "to": data.to_mentor_id, "kind": data.kind},
            )
        case _:
            raise TypeError(f"{event.type} tells of no companion")


KEEP_ACCOUNTS: Final = AtOnce(keep)
ACCOMPANY: Final = in_one_go(accompany)
REACTIONS: Final[Mapping[str, tuple[Reaction, ...]]] = {
    contract.MentorRegistered.ce_type: (KEEP_ACCOUNTS,),
    contract.MentorUpdated.ce_type: (KEEP_ACCOUNTS,),
    contract.StudentEnrolled.ce_type: (KEEP_ACCOUNTS, ACCOMPANY),
    contract.StudentUpdated.ce_type: (KEEP_ACCOUNTS,),
    contract.StudentTransferred.ce_type: (ACCOMPANY,),
}


def with_accounts(reactions: Mapping[str, Collection[Reaction]]) -> Mapping[str, list[Reaction]]:
    """A service's reactions, with those that keep the accounts before them."""
    return {
        event_type: [*REACTIONS.get(event_type, ()), *reactions.get(event_type, ())]
        for event_type in {**REACTIONS, **reactions}
    }
