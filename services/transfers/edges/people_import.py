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

from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Decision
from services.chassis.http import command_request, require
from services.chassis.refusal import NotFound, Refused
from services.transfers.domain import enrol_student, register_mentor, transfer_student, update_student
from services.transfers.domain.change_capacity import CAPACITY_MAX
from services.transfers.domain.enrol_student import EnrolStudent
from services.transfers.domain.mentor import Mentor, Registered
from services.transfers.domain.register_mentor import RegisterMentor
from services.transfers.domain.student import Enrolled, NotEnrolled
from services.transfers.domain.transfer_student import TransferStudent
from services.transfers.domain.update_student import UpdateStudent
from services.transfers.edges import mentor_emails
from services.transfers.edges.office import Office
from services.transfers.edges.shapes import ImportAnswer, MentorRow, PeopleImport, StudentRow, TransferRow
from services.transfers.edges.store import Work


def import_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["import"])

    @router.post("/students/import", responses={200: {"model": ImportAnswer}})
    def import_people(
        body: PeopleImport,
        request: Annotated[CommandRequest, command_request("directory", "support")],
        person: Annotated[Principal, require("directory", "support")],
    ) -> Response:
        """Mentors, students and past transfers; with `dry_run`, only says what would happen."""
        context = replace(request.context, actor=f"import:{person.email}")

        def attempt() -> Decision:
            rows = _Rows(office, body, request)
            rows.take_all()
            answer = ImportAnswer(
                dry_run=body.dry_run,
                rows=len(body.rows),
                changed=rows.changed,
                unchanged=len(body.rows) - rows.changed,
            )
            if body.dry_run:
                return Decision((), answer.model_dump)
            return Decision(rows.work.changes(), answer.model_dump, also=rows.claim_emails if rows.claims else None)

        return office.commands.execute(replace(request, context=context), attempt)

    return router


@dataclass(frozen=True, slots=True)
class _Placed:
    """The last row that brought a student to a mentor, and how many students the mentor had before the import."""

    row_number: int
    students_before: int


class _Rows:
    def __init__(self, office: Office, body: PeopleImport, request: CommandRequest) -> None:
        self.work = Work(office.store)
        self.changed = 0
        self.claims: dict[UUID, str] = {}
        self._rows = body.rows
        self._request = request
        self._problems: list[Mapping[str, object]] = []
        self._placed: dict[UUID, _Placed] = {}
        with office.database.connection() as connection:
            self._mentors = mentor_emails.mentors_by_email(
                connection,
                [row.email for row in body.rows if isinstance(row, MentorRow)]
                + [row.mentor_email for row in body.rows if not isinstance(row, MentorRow) and row.mentor_email],
            )
        self.work.load(
            *{row.mentor_id if isinstance(row, MentorRow) else row.student_id for row in body.rows},
            *self._mentors.values(),
        )

    def take_all(self) -> None:
        """Decides every row on top of those before it. Raises Refused with all that is wrong, row by row."""
        for number, row in enumerate(self._rows, start=1):
            try:
                before = self.work.decided_count
                self._take(number, row)
                self.changed += self.work.decided_count > before
            except Refused as refused:
                self._problem(number, refused)
        for mentor_id, placed in self._placed.items():
            mentor = self.work.registered(mentor_id)
            if len(mentor.students) > max(mentor.capacity, placed.students_before):
                self._problem(
                    placed.row_number,
                    Refused(
                        "capacity_full",
                        f"{mentor.profile.name} aurait {len(mentor.students)} étudiants pour une capacité de "
                        f"{mentor.capacity} : augmentez la capacité, ou indiquez un autre mentor.",
                        f"{mentor.profile.name} would have {len(mentor.students)} students with a capacity of "
                        f"{mentor.capacity}: raise the capacity, or name another mentor.",
                    ),
                )
        if self._problems:
            raise Refused(
                "import_refused",
                "Rien n'a été importé : certaines lignes sont à corriger, chacune est indiquée avec sa raison.",
                "Nothing was imported: some rows need mending, each is listed with its reason.",
                errors=self._problems,
            )

    def claim_emails(self, connection: Connection[DictRow]) -> None:
        for mentor_id, email in sorted(self.claims.items(), key=lambda claim: claim[1]):
            mentor_emails.claim(connection, mentor_id, email)

    def _take(self, number: int, row: MentorRow | StudentRow | TransferRow) -> None:
        match row:
            case MentorRow():
                self._take_mentor(row)
            case StudentRow():
                self._take_student(number, row)
            case TransferRow():
                self._take_transfer(number, row)
            case _:
                assert_never(row)

    def _take_mentor(self, row: MentorRow) -> None:
        key = mentor_emails.key_of(row.email)
        if self._mentors.setdefault(key, row.mentor_id) != row.mentor_id:
            raise mentor_emails.email_taken()
        before = self.work.mentor(row.mentor_id)
        if not isinstance(before, Registered) or before.profile.email != row.email:
            self.claims[row.mentor_id] = row.email
        self.work.decided(row.mentor_id, register_mentor.decide(RegisterMentor(row.profile(), row.capacity), before))

    def _take_student(self, number: int, row: StudentRow) -> None:
        before = self.work.student(row.student_id)
        match before:
            case Enrolled():
                self.work.decided(row.student_id, update_student.decide(UpdateStudent(row.profile()), before))
            case NotEnrolled():
                mentor_id = self._mentor_id(row)
                enrolled_at = row.enrolled_at or self._request.context.now
                if enrolled_at > self._request.context.now:
                    raise _in_the_future()
                enrol = EnrolStudent(row.student_id, row.profile(), mentor_id, enrolled_at)
                self._note_place(number, mentor_id)
                self.work.decided_together(enrol_student.decide(enrol, self._roomy(mentor_id)))
            case _:
                assert_never(before)

    def _take_transfer(self, number: int, row: TransferRow) -> None:
        student = self.work.enrolled(row.student_id)
        to_mentor_id = self._mentor_id(row)
        if any(
            done.transferred_at == row.transferred_at and done.to_mentor_id == to_mentor_id
            for done in student.transfers
        ):
            return  # Imported before.
        if row.transferred_at > self._request.context.now:
            raise _in_the_future()
        latest = student.transfers[-1].transferred_at if student.transfers else student.enrolled_at
        if row.transferred_at < latest:
            raise Refused(
                "transfer_out_of_order",
                "Ce transfert est antérieur à ce qui est déjà enregistré pour cet étudiant : vérifiez sa date.",
                "This transfer is earlier than what is recorded for the student already: check its date.",
            )
        command = TransferStudent(
            student_id=row.student_id,
            to_mentor_id=to_mentor_id,
            now=row.transferred_at,
            by_support=True,
            kind=row.transfer_kind,
            return_on=row.expected_return_on,
        )
        self._note_place(number, to_mentor_id)
        self.work.decided_together(transfer_student.decide(command, student, self._roomy(to_mentor_id)))

    def _mentor_id(self, row: StudentRow | TransferRow) -> UUID:
        if row.mentor_id is not None:
            return row.mentor_id
        assert row.mentor_email is not None
        mentor_id = self._mentors.get(mentor_emails.key_of(row.mentor_email))
        if mentor_id is None:
            raise NotFound(
                "mentor_unknown",
                f"Aucun compte mentor n'a l'adresse {row.mentor_email} : ajoutez ce mentor, ou corrigez l'adresse.",
                f"No mentor account has the e-mail {row.mentor_email}: add this mentor, or mend the e-mail.",
            )
        return mentor_id

    def _roomy(self, mentor_id: UUID) -> Mentor:
        """The mentor with room for everybody: how many there are in the end is looked at in the end."""
        mentor = self.work.mentor(mentor_id)
        return replace(mentor, capacity=CAPACITY_MAX) if isinstance(mentor, Registered) else mentor

    def _note_place(self, number: int, mentor_id: UUID) -> None:
        mentor = self.work.mentor(mentor_id)
        if isinstance(mentor, Registered):
            first = self._placed.get(mentor_id)
            self._placed[mentor_id] = _Placed(number, first.students_before if first else len(mentor.students))

    def _problem(self, number: int, refused: Refused) -> None:
        self._problems.append({"row": number, "code": refused.code, "message": {"fr": refused.fr, "en": refused.en}})


def _in_the_future() -> Refused:
    return Refused(
        "transfer_is_immediate",
        "Cette date est dans l'avenir : une inscription ou un transfert s'importe une fois qu'il a eu lieu.",
        "This date is in the future: an enrolment or a transfer is imported once it has taken place.",
    )
