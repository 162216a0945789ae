"""People in bulk: accounts, and transfers that have taken place, as the school's files have them.

All rows are taken or none. Each row carries its ids, so the same rows again change nothing. Capacity counts where the
rows lead: a mentor who was full in between, in a history that has taken place, is no problem; one who ends over it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, assert_never
from uuid import UUID

from fastapi import APIRouter, Response
from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.commands import CommandRequest, Decision
from services.chassis.refusal import Refused
from services.transfers.domain import enrol_student, register_mentor, transfer_student, update_student
from services.transfers.domain.change_capacity import CAPACITY_MAX
from services.transfers.domain.enrol_student import EnrolStudent
from services.transfers.domain.mentor import Mentor, NotRegistered, Registered
from services.transfers.domain.register_mentor import RegisterMentor
from services.transfers.domain.student import Enrolled, NotEnrolled
from services.transfers.domain.transfer_student import TransferStudent
from services.transfers.domain.update_student import UpdateStudent
from services.transfers.edges import mentor_emails
from services.transfers.edges.access import IMPORT
from services.transfers.edges.office import Office
from services.transfers.edges.shapes import ImportAnswer, MentorRow, PeopleImport, StudentRow, TransferRow
from services.transfers.edges.store import Work


def import_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["import"])

    @router.post("/students/import", responses={200: {"model": ImportAnswer}})
    def import_people(
        body: PeopleImport,
        request: Annotated[CommandRequest, IMPORT.command],
    ) -> Response:
        """Mentors, students and past transfers; with `dry_run`, only says what would happen.

        A refusal lists every row that is wrong, by its place in `rows` from 0.
        """
        context = replace(request.context, actor=f"import:{request.person.email}")

        def attempt() -> Decision:
            rows = _Rows(office, body, request)
            rows.take_all()
            answer = ImportAnswer(
                dry_run=body.dry_run,
                rows=len(body.rows),
                created=rows.created,
                changed=rows.changed,
                unchanged=len(body.rows) - rows.created - rows.changed,
            )
            if body.dry_run:
                return Decision((), answer.model_dump)
            return Decision(rows.work.changes(), answer.model_dump, also=rows.claim_emails if rows.claims else None)

        return office.commands.execute(replace(request, context=context), attempt)

    return router


@dataclass(frozen=True, slots=True)
class _Placed:
    """The last row that brought a student to a mentor, and how many students the mentor had before the import."""

    row: int
    students_before: int


class _Rows:
    """The rows of one import, decided one on top of the other."""

    def __init__(self, office: Office, body: PeopleImport, request: CommandRequest) -> None:
        self.work = Work(office.store)
        self.created = 0
        self.changed = 0
        self.claims: dict[UUID, str] = {}
        self._body = body
        self._now = request.context.now
        self._problems: list[Mapping[str, object]] = []
        self._placed: dict[UUID, _Placed] = {}
        with office.database.connection() as connection:
            self._mentors = mentor_emails.mentors_by_email(
                connection, [row.email for row in body.rows if isinstance(row, MentorRow)]
            )
        self.work.load(*{aggregate_id for row in body.rows for aggregate_id in _concerned(row)})

    def take_all(self) -> None:
        """Raises Refused with all that is wrong, row by row."""
        for index, row in enumerate(self._body.rows):
            decided_before = self.work.decided_count
            try:
                new = self._take(index, row)
            except Refused as refused:
                self._problem(index, refused)
                continue
            self.created += new
            self.changed += not new and self.work.decided_count > decided_before
        for mentor_id, placed in self._placed.items():
            mentor = self.work.registered(mentor_id)
            if len(mentor.students) > max(mentor.capacity, placed.students_before):
                self._problem(placed.row, _over_capacity(mentor))
        if self._problems:
            raise Refused(
                "import_refused",
                "Rien n'a été importé : certaines lignes sont à corriger, chacune est indiquée avec sa raison.",
                "Nothing was imported: some rows need mending, each is listed with its reason.",
                errors=self._problems,
            )

    def claim_emails(self, connection: Connection[DictRow]) -> None:
        """In one order, so that two imports at once do not wait for each other in a circle."""
        for mentor_id, email in sorted(self.claims.items(), key=lambda claim: claim[1]):
            mentor_emails.claim(connection, mentor_id, email)

    def _take(self, index: int, row: MentorRow | StudentRow | TransferRow) -> bool:
        """True where the row is a new account."""
        match row:
            case MentorRow():
                return self._take_mentor(row)
            case StudentRow():
                return self._take_student(index, row)
            case TransferRow():
                self._take_transfer(index, row)
                return False
            case _:
                assert_never(row)

    def _take_mentor(self, row: MentorRow) -> bool:
        if self._mentors.setdefault(mentor_emails.key_of(row.email), row.mentor_id) != row.mentor_id:
            raise mentor_emails.email_taken()
        before = self.work.mentor(row.mentor_id)
        if isinstance(before, NotRegistered) or before.profile.email != row.email:
            self.claims[row.mentor_id] = row.email
        self.work.decided(row.mentor_id, register_mentor.decide(RegisterMentor(row.profile(), row.capacity), before))
        return isinstance(before, NotRegistered)

    def _take_student(self, index: int, row: StudentRow) -> bool:
        before = self.work.student(row.student_id)
        match before:
            case Enrolled():
                self.work.decided(row.student_id, update_student.decide(UpdateStudent(row.profile()), before))
                return False
            case NotEnrolled():
                enrolled_at = row.enrolled_at or self._now
                if enrolled_at > self._now:
                    raise _in_the_future()
                if self._comes_with_another_call(self.work.mentor(row.mentor_id)):
                    return True
                self._note_place(index, row.mentor_id)
                enrol = EnrolStudent(row.student_id, row.profile(), row.mentor_id, enrolled_at)
                self.work.decided_together(enrol_student.decide(enrol, self._with_room(row.mentor_id)))
                return True
            case _:
                assert_never(before)

    def _take_transfer(self, index: int, row: TransferRow) -> None:
        if row.at > self._now:
            raise _in_the_future()
        if self._comes_with_another_call(self.work.student(row.student_id)):
            return
        student = self.work.enrolled(row.student_id)
        if any(done.transferred_at == row.at and done.to_mentor_id == row.to_mentor_id for done in student.transfers):
            return  # Imported before.
        if self._comes_with_another_call(self.work.mentor(row.to_mentor_id)):
            return
        self.work.registered(row.to_mentor_id)
        latest = student.transfers[-1].transferred_at if student.transfers else student.enrolled_at
        if row.at < latest:
            raise Refused(
                "transfer_out_of_order",
                "Ce transfert est antérieur à ce qui est déjà enregistré pour cet étudiant : vérifiez sa date.",
                "This transfer is earlier than what is recorded for the student already: check its date.",
            )
        command = TransferStudent(
            student_id=row.student_id,
            to_mentor_id=row.to_mentor_id,
            now=row.at,
            by_support=True,
            kind=row.transfer_kind,
            return_on=row.expected_return_on,
        )
        self._note_place(index, row.to_mentor_id)
        self.work.decided_together(transfer_student.decide(command, student, self._with_room(row.to_mentor_id)))

    def _comes_with_another_call(self, found: Mentor | Enrolled | NotEnrolled) -> bool:
        """A dry run of many rows takes several calls, and nothing of the earlier ones is there: not a problem yet."""
        return self._body.dry_run and isinstance(found, NotRegistered | NotEnrolled)

    def _with_room(self, mentor_id: UUID) -> Mentor:
        """The mentor with room for everybody: how many there are in the end is looked at in the end."""
        mentor = self.work.mentor(mentor_id)
        return replace(mentor, capacity=CAPACITY_MAX) if isinstance(mentor, Registered) else mentor

    def _note_place(self, index: int, mentor_id: UUID) -> None:
        mentor = self.work.mentor(mentor_id)
        if isinstance(mentor, Registered):
            first = self._placed.get(mentor_id)
            self._placed[mentor_id] = _Placed(index, first.students_before if first else len(mentor.students))

    def _problem(self, index: int, refused: Refused) -> None:
        self._problems.append(
            {"row": index, "code": refused.code, "detail": refused.fr, "detail_en": refused.en, **_diagnoses(refused)}
        )


def _concerned(row: MentorRow | StudentRow | TransferRow) -> tuple[UUID, ...]:
    match row:
        case MentorRow():
            return (row.mentor_id,)
        case StudentRow():
            return (row.student_id, row.mentor_id)
        case TransferRow():
            return (row.student_id, row.to_mentor_id)
        case _:
            assert_never(row)


def _diagnoses(refused: Refused) -> dict[str, object]:
    return {"diagnoses": [error["code"] for error in refused.errors]} if refused.errors else {}


def _over_capacity(mentor: Registered) -> Refused:
    name, students, capacity = mentor.profile.name, len(mentor.students), mentor.capacity
    return Refused(
        "capacity_full",
        f"{name} aurait {students} étudiants pour une capacité de {capacity} : augmentez la capacité, "
        "ou indiquez un autre mentor.",
        f"{name} would have {students} students with a capacity of {capacity}: raise the capacity, "
        "or name another mentor.",
    )


def _in_the_future() -> Refused:
    return Refused(
        "transfer_is_immediate",
        "Cette date est dans l'avenir : une inscription ou un transfert s'importe une fois qu'il a eu lieu.",
        "This date is in the future: an enrolment or a transfer is imported once it has taken place.",
    )
