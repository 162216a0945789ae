"""Accounts of mentors and students: as the directory sends them, one by one and as lists."""

from datetime import date
from typing import Annotated, TypeVar, assert_never
from uuid import UUID

from fastapi import APIRouter, Query, Response
from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.access import patient
from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Decision, check_if_match
from services.chassis.http import MAX_LIMIT, Instant, Limit, Page
from services.transfers.domain import change_capacity, choose_language, enrol_student, register_mentor, update_student
from services.transfers.domain.absence import declaration
from services.transfers.domain.change_capacity import ChangeCapacity
from services.transfers.domain.choose_language import ChooseLanguage
from services.transfers.domain.enrol_student import EnrolStudent
from services.transfers.domain.mentor import NotRegistered, Registered
from services.transfers.domain.register_mentor import RegisterMentor
from services.transfers.domain.student import Enrolled, NotEnrolled
from services.transfers.domain.update_student import UpdateStudent
from services.transfers.edges import access, mentor_emails
from services.transfers.edges.cursors import after, cursor_after
from services.transfers.edges.office import Office
from services.transfers.edges.shapes import (
    EnrolledAccount,
    MentorAccount,
    MentorAnswer,
    MentorContact,
    NewCapacity,
    NewLanguage,
    StudentAnswer,
    StudentItem,
)
from services.transfers.edges.store import Work
from services.transfers.views import mentor_list, student_list

Account = TypeVar("Account", MentorAnswer, StudentAnswer)
Search = Annotated[
    str | None, Query(max_length=100, description="Parts of a name or an e-mail; accents and capitals do not matter.")
]
Ids = Annotated[list[UUID] | None, Query(alias="id", max_length=MAX_LIMIT, description="These accounts alone.")]
Cursor = Annotated[str | None, Query(max_length=1_000)]
AsOf = Annotated[Instant | None, Query(description="As it was at this instant.")]


def mentor_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["mentors"])

    @router.put("/mentors/{mentor_id}", responses={200: {"model": MentorAnswer}, 201: {"model": MentorAnswer}})
    def put_mentor(
        mentor_id: UUID,
        body: MentorAccount,
        request: Annotated[CommandRequest, access.PUT_ACCOUNT.command],
    ) -> Response:
        """Registers or updates a mentor's account; the same account again changes nothing."""

        def attempt() -> Decision:
            work = Work(office.store)
            before = work.mentor(mentor_id)
            check_if_match(request, work.loaded_version(mentor_id))
            work.decided(mentor_id, register_mentor.decide(RegisterMentor(body.profile(), body.capacity), before))

            def claim(connection: Connection[DictRow]) -> None:
                mentor_emails.claim(connection, mentor_id, body.email)

            return Decision(
                changes=work.changes(),
                answer=lambda: _mentor(work, mentor_id).model_dump(),
                status=201 if isinstance(before, NotRegistered) else 200,
                also=claim if _email_changes(before, body.email) else None,
            )

        return office.commands.execute(request, attempt)

    @router.put("/mentors/{mentor_id}/capacity", responses={200: {"model": MentorAnswer}})
    def put_capacity(
        mentor_id: UUID,
        body: NewCapacity,
        request: Annotated[CommandRequest, access.SET_CAPACITY.command],
    ) -> Response:
        """T12: the capacity goes to 0 before a pause, and is raised again before the return."""

        def attempt() -> Decision:
            work = Work(office.store)
            mentor = work.registered(mentor_id)
            office.guard.check(access.SET_CAPACITY, request.person, mentor_id=mentor_id)
            check_if_match(request, work.loaded_version(mentor_id))
            work.decided(mentor_id, change_capacity.decide(ChangeCapacity(body.capacity), mentor))
            return Decision(work.changes(), lambda: _mentor(work, mentor_id).model_dump())

        with office.locks.held(mentor_id):
            return office.commands.execute(request, attempt)

    @router.get("/mentors")
    def mentors(
        _: Annotated[Principal, access.LIST_MENTORS.person],
        search: Search = None,
        ids: Ids = None,
        path: Annotated[str | None, Query(max_length=120)] = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[MentorAnswer]:
        """For the school's staff only: mentors find each other by exact e-mail (T15)."""
        with office.database.connection() as connection:
            rows = mentor_list.page(
                connection, search=search, ids=ids, path=path, as_of=as_of, after=after(cursor), limit=limit + 1
            )
        items = [MentorAnswer.model_validate(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items=items, next_cursor=cursor_after(items[-1].name, items[-1].mentor_id) if more else None)

    @router.get("/mentors/me")
    def own_mentor(
        response: Response, person: Annotated[Principal, access.READ_OWN_MENTOR.person], as_of: AsOf = None
    ) -> MentorAnswer:
        """The signed-in mentor's own account."""
        own_id = office.mentor_id_of(person.email)
        office.guard.check(access.READ_OWN_MENTOR, person, mentor_id=own_id)
        assert own_id is not None
        return _with_etag(response, _mentor(Work(office.store, as_of=as_of), own_id))

    @router.get("/mentors/{mentor_id}")
    @patient
    def mentor(
        mentor_id: UUID,
        response: Response,
        person: Annotated[Principal, access.READ_MENTOR.person],
        as_of: AsOf = None,
    ) -> MentorAnswer | MentorContact:
        """For the mentor and the school's staff; the mentor's students read name and address."""
        office.guard.check(access.READ_MENTOR, person, mentor_id=mentor_id)
        found = _with_etag(response, _mentor(Work(office.store, as_of=as_of), mentor_id))
        return (
            MentorContact(mentor_id=mentor_id, email=found.email, name=found.name)
            if person.role == "student"
            else found
        )

    return router


def student_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["students"])

    @router.put("/students/{student_id}", responses={200: {"model": StudentAnswer}, 201: {"model": StudentAnswer}})
    def put_student(
        student_id: UUID,
        body: EnrolledAccount,
        request: Annotated[CommandRequest, access.PUT_ACCOUNT.command],
    ) -> Response:
        """Enrols a student, with a place at their first mentor's; later, updates the account and nothing else."""

        def attempt() -> Decision:
            work = Work(office.store)
            work.load(student_id, body.mentor_id)
            before = work.student(student_id)
            check_if_match(request, work.loaded_version(student_id))
            match before:
                case NotEnrolled():
                    enrol = EnrolStudent(student_id, body.profile(), body.mentor_id, request.context.now)
                    work.decided_together(enrol_student.decide(enrol, work.mentor(body.mentor_id)))
                case Enrolled():
                    work.decided(student_id, update_student.decide(UpdateStudent(body.profile()), before))
                case _:
                    assert_never(before)
            return Decision(
                changes=work.changes(),
                answer=lambda: _student(work, student_id).model_dump(),
                status=201 if isinstance(before, NotEnrolled) else 200,
            )

        with office.locks.held(body.mentor_id):
            return office.commands.execute(request, attempt)

    @router.put("/students/{student_id}/language", responses={200: {"model": StudentAnswer}})
    def put_language(
        student_id: UUID,
        body: NewLanguage,
        request: Annotated[CommandRequest, access.CHOOSE_LANGUAGE.command],
    ) -> Response:
        """The language of the student's e-mails, as they choose it; the directory no longer changes it."""

        def attempt() -> Decision:
            work = Work(office.store)
            student = work.enrolled(student_id)
            office.guard.check(access.CHOOSE_LANGUAGE, request.person, student_id=student_id)
            check_if_match(request, work.loaded_version(student_id))
            work.decided(student_id, choose_language.decide(ChooseLanguage(body.language), student))
            return Decision(work.changes(), lambda: _student(work, student_id).model_dump())

        return office.commands.execute(request, attempt)

    @router.get("/students")
    def students(
        person: Annotated[Principal, access.LIST_STUDENTS.person],
        mentor_id: UUID | None = None,
        search: Search = None,
        ids: Ids = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[StudentItem]:
        """A mentor sees the students whom they accompany or have lent; the school's staff sees all."""
        own = office.guard.own(access.LIST_STUDENTS, person, mentor_id=mentor_id)
        student_ids = own.student_ids if own is not None and mentor_id is None else None
        with office.database.connection() as connection:
            rows = student_list.page(
                connection,
                mentor_id=mentor_id,
                student_ids=student_ids,
                search=search,
                ids=ids,
                as_of=as_of,
                after=after(cursor),
                limit=limit + 1,
            )
        items = [StudentItem.model_validate(row) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items=items, next_cursor=cursor_after(items[-1].name, items[-1].student_id) if more else None)

    @router.get("/students/me")
    @patient
    def own_student(
        response: Response, person: Annotated[Principal, access.READ_OWN_STUDENT.person], as_of: AsOf = None
    ) -> StudentAnswer:
        """The signed-in student's own account; of several, the latest."""
        own_id = office.student_id_of(person.email)
        office.guard.check(access.READ_OWN_STUDENT, person, student_id=own_id)
        assert own_id is not None
        return _with_etag(response, _student(Work(office.store, as_of=as_of), own_id))

    @router.get("/students/{student_id}")
    @patient
    def student(
        student_id: UUID,
        response: Response,
        person: Annotated[Principal, access.READ_STUDENT.person],
        as_of: AsOf = None,
    ) -> StudentAnswer:
        """For the student, their mentors, and the school's staff."""
        work = Work(office.store, as_of=as_of)
        work.enrolled(student_id)
        office.guard.check(access.READ_STUDENT, person, student_id=student_id)
        return _with_etag(response, _student(work, student_id))

    return router


def _mentor(work: Work, mentor_id: UUID) -> MentorAnswer:
    return MentorAnswer.of(mentor_id, work.registered(mentor_id), work.version(mentor_id))


def _student(work: Work, student_id: UUID) -> StudentAnswer:
    student = work.enrolled(student_id)
    return StudentAnswer.of(
        student_id,
        student,
        work.version(student_id),
        mentor_name=_mentor_name(work, student.mentor_id),
        returns_to_mentor_name=_mentor_name(work, student.lenders[-1]) if student.lenders else None,
        expected_return_on=_expected_return(work, student),
    )


def _mentor_name(work: Work, mentor_id: UUID) -> str | None:
    mentor = work.mentor(mentor_id)
    return mentor.profile.name if isinstance(mentor, Registered) else None


def _expected_return(work: Work, student: Enrolled) -> date | None:
    """When the mentor who lent the student is expected back: by the absence as it stands now, if it names one."""
    if not student.lenders:
        return None
    lending = student.transfers[-1]
    if lending.absence_id is None:
        return lending.expected_return_on
    return declaration(work.declared(lending.absence_id)).period.return_on


def _with_etag(response: Response, answer: Account) -> Account:
    response.headers["ETag"] = f'"{answer.version}"'
    return answer


def _email_changes(before: NotRegistered | Registered, email: str) -> bool:
    return isinstance(before, NotRegistered) or before.profile.email != email
