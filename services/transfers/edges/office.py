"""What the routes share: the store, and who may see or do what."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.chassis.auth import Principal
from services.chassis.commands import Commands
from services.chassis.database import Database
from services.chassis.event_store import EventStore
from services.chassis.refusal import Forbidden
from services.transfers.domain.student import Enrolled
from services.transfers.edges.mentor_emails import mentor_by_email
from services.transfers.edges.place_locks import PlaceLocks
from services.transfers.views.student_list import students_by_email

STAFF: Final = ("support", "directory", "billing", "training")


@dataclass(frozen=True, slots=True)
class Office:
    database: Database
    store: EventStore
    commands: Commands
    locks: PlaceLocks

    def mentor_id_of(self, email: str) -> UUID | None:
        """Whose mentor account this exact address is."""
        with self.database.connection() as connection:
            return mentor_by_email(connection, email)

    def student_id_of(self, email: str) -> UUID | None:
        with self.database.connection() as connection:
            found = students_by_email(connection, [email]).get(email.strip().lower())
        return None if found is None else found["student_id"]

    def own_mentor_id(self, person: Principal) -> UUID:
        """The account of a person who acts as a mentor."""
        mentor_id = self.mentor_id_of(person.email)
        if mentor_id is None:
            raise Forbidden(
                "forbidden",
                "Aucun compte mentor n'a votre adresse e-mail : demandez au support.",
                "No mentor account has your e-mail: please ask support.",
            )
        return mentor_id

    def refuse_other_mentors(self, person: Principal, mentor_id: UUID) -> None:
        """A mentor acts for themselves only; the roles that were let in besides act for everybody."""
        if person.role == "mentor" and self.own_mentor_id(person) != mentor_id:
            raise Forbidden(
                "forbidden",
                "Vous ne pouvez voir et modifier que votre propre compte mentor.",
                "You can only see and change your own mentor account.",
            )

    def refuse_strangers(self, person: Principal, student: Enrolled, *, only_current: bool = False) -> None:
        """Of mentors, only the student's: with those who are to come back, unless `only_current`."""
        if person.role != "mentor":
            return
        allowed = {student.mentor_id} if only_current else student.mentors
        if self.own_mentor_id(person) not in allowed:
            raise Forbidden(
                "forbidden",
                "Vous n'accompagnez pas cet étudiant : seul son mentor, ou le support, peut faire cela.",
                "You do not accompany this student: only their mentor, or support, can do this.",
            )
