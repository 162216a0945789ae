"""What the routes share: the store, and the people whom it knows."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from services.chassis.access import Guard
from services.chassis.accounts import Accounts, Companions
from services.chassis.commands import CommandRequest, Commands, Decision, kept_refusal
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore
from services.chassis.ids import new_id
from services.transfers.domain.refused_transfer import FailedDiagnoses
from services.transfers.domain.student import Enrolled
from services.transfers.edges.mentor_emails import mentor_by_email
from services.transfers.edges.place_locks import PlaceLocks
from services.transfers.edges.store import Work
from services.transfers.views.student_list import students_by_email


@dataclass(frozen=True, slots=True)
class Office:
    database: Database
    store: EventStore
    commands: Commands
    locks: PlaceLocks
    guard: Guard

    def mentor_id_of(self, email: str) -> UUID | None:
        """Whose mentor account this exact address is."""
        with self.database.connection() as connection:
            return mentor_by_email(connection, email)

    def student_id_of(self, email: str) -> UUID | None:
        """Whose student account it is; of several, the latest."""
        with self.database.connection() as connection:
            found = students_by_email(connection, [email]).get(email.strip().lower())
        return None if found is None else found["student_id"]

    def refusal_kept(self, refused: FailedDiagnoses, request: CommandRequest) -> Decision:
        """The refusal as the answer, with what is kept of each attempt: an aggregate of its own."""
        attempts = [Change(new_id(), 0, [attempt]) for attempt in refused.attempts]
        return kept_refusal(refused, attempts, request.language)


class KnownPeople:
    """As the events stand; only students' e-mails and the lists are as far behind as an event travels."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self._database = database
        self._store = store
        self._accounts = Accounts(database)

    def ids_of(self, role: str, email: str) -> frozenset[UUID]:
        if role != "mentor":
            return self._accounts.ids_of(role, email)
        with self._database.connection() as connection:
            mentor_id = mentor_by_email(connection, email)
        return frozenset() if mentor_id is None else frozenset((mentor_id,))

    def companions_of(self, student_id: UUID) -> Companions | None:
        student = Work(self._store).student(student_id)
        return companions_of(student) if isinstance(student, Enrolled) else None

    def students_of(self, mentor_ids: Collection[UUID]) -> list[UUID]:
        return self._accounts.students_of(mentor_ids)


def companions_of(student: Enrolled) -> Companions:
    return Companions(student.mentor_id, student.lenders)
