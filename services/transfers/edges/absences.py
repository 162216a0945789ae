"""Absences: declared, prepared, changed, and the way back."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.chassis.auth import Principal
from services.chassis.clock import Clock
from services.chassis.commands import CommandRequest, Decision, check_if_match
from services.chassis.http import Instant, Limit, Page, to_instant
from services.chassis.ids import new_id
from services.chassis.problem import language_of
from services.chassis.refusal import Forbidden, Refused
from services.transfers.domain import change_absence, declare_absence, prepare_absence, request_help, return_students
from services.transfers.domain.absence_plan import status
from services.transfers.domain.change_absence import ChangeAbsence, EndAbsence, open_absence
from services.transfers.domain.declare_absence import DeclareAbsence
from services.transfers.domain.prepare_absence import RecordConsent, TickPreparation
from services.transfers.domain.refused_transfer import FailedDiagnoses
from services.transfers.domain.request_help import RequestHelp
from services.transfers.domain.return_students import ReturnStudents
from services.transfers.edges import access
from services.transfers.edges.absence_shapes import (
    AbsenceAnswer,
    AbsenceItem,
    Dates,
    Language,
    NewConsent,
    NewHelpRequest,
    Return,
    Tick,
)
from services.transfers.edges.absence_work import AbsenceWork, absence_work, load_absence
from services.transfers.edges.cursors import after, cursor_after
from services.transfers.edges.office import Office
from services.transfers.edges.store import Work
from services.transfers.views import absence_list

Asked = Annotated[CommandRequest, access.PREPARE_ABSENCE.command]
Returner = Annotated[CommandRequest, access.RETURN_STUDENTS.command]
AsOf = Annotated[Instant | None, Query(description="As it was at this instant.")]
Cursor = Annotated[str | None, Query(max_length=1_000)]
Command = Callable[[AbsenceWork], None]


def absence_routes(office: Office, clock: Clock) -> APIRouter:
    router = APIRouter(tags=["absences"])
    ok: dict[int | str, dict[str, Any]] = {200: {"model": AbsenceAnswer}}
    created: dict[int | str, dict[str, Any]] = {201: {"model": AbsenceAnswer}}

    def execute(absence_id: UUID, asked: CommandRequest, decide: Command, *, status: int = 200) -> Response:
        """Loads the absence, lets `decide` put its events into the work, and answers with the absence after them."""

        def attempt() -> Decision:
            loaded = load_absence(office, absence_id)
            check_if_match(asked, loaded.work.loaded_version(absence_id))
            try:
                decide(loaded)
            except FailedDiagnoses as refused:
                return office.refusal_kept(refused, asked)
            after = absence_work(office, loaded.work, absence_id)
            return Decision(
                changes=loaded.work.changes(),
                answer=lambda: _answer(after, asked.context.now, asked.language).model_dump(by_alias=True),
                status=status,
            )

        return office.commands.execute(asked, attempt)

    def refuse_others(asked: CommandRequest, loaded: AbsenceWork) -> None:
        office.guard.check(access.PREPARE_ABSENCE, asked.person, mentor_id=loaded.declared.mentor_id)

    @router.post("/mentors/{mentor_id}/absences", status_code=201, responses=created)
    def declare(mentor_id: UUID, body: Dates, asked: Asked) -> Response:
        """T1: says when the mentor is away, and answers with what that asks for, student by student."""
        absence_id = new_id()

        def attempt() -> Decision:
            work = Work(office.store)
            mentor = work.registered(mentor_id)
            office.guard.check(access.PREPARE_ABSENCE, asked.person, mentor_id=mentor_id)
            check_if_match(asked, work.loaded_version(mentor_id))
            period = body.period(mentor.profile.timezone)
            command = DeclareAbsence(absence_id, mentor_id, period, asked.context.now)
            work.decided_together(declare_absence.decide(command, mentor))
            after = absence_work(office, work, absence_id)
            return Decision(
                changes=work.changes(),
                answer=lambda: _answer(after, asked.context.now, asked.language).model_dump(by_alias=True),
                status=201,
            )

        return office.commands.execute(asked, attempt)

    @router.put("/absences/{absence_id}", responses=ok)
    def change(absence_id: UUID, body: Dates, asked: Asked) -> Response:
        """Other dates; what is advised follows."""

        def decide(loaded: AbsenceWork) -> None:
            refuse_others(asked, loaded)
            period = body.period(loaded.mentor.profile.timezone)
            command = ChangeAbsence(absence_id, period, asked.context.now)
            loaded.work.decided_together(change_absence.decide(command, open_absence(loaded.absence), loaded.mentor))

        return execute(absence_id, asked, decide)

    @router.post("/absences/{absence_id}/end", responses=ok)
    def end(absence_id: UUID, asked: Asked) -> Response:
        """The mentor is back early, or does not leave after all."""

        def decide(loaded: AbsenceWork) -> None:
            refuse_others(asked, loaded)
            command = EndAbsence(absence_id, asked.context.now)
            loaded.work.decided_together(change_absence.decide_end(command, loaded.absence, loaded.mentor))

        return execute(absence_id, asked, decide)

    @router.post("/absences/{absence_id}/consents", responses=ok)
    def record_consent(absence_id: UUID, body: NewConsent, asked: Asked) -> Response:
        """T6, T8: whether the student was asked to be kept, and agreed."""

        def decide(loaded: AbsenceWork) -> None:
            refuse_others(asked, loaded)
            absence = open_absence(loaded.absence)
            found = next((one for one in loaded.plan.students if one.student_id == body.student_id), None)
            if found is None:
                raise _not_concerned()
            command = RecordConsent(body.student_id, body.consent, found.sessions_missed, asked.context.now)
            events = prepare_absence.decide_consent(command, absence, loaded.students[body.student_id])
            loaded.work.decided(absence_id, events)

        return execute(absence_id, asked, decide)

    @router.post("/absences/{absence_id}/preparation", responses=ok)
    def tick(absence_id: UUID, body: Tick, asked: Asked) -> Response:
        """T13: the steps that only the mentor can know of."""

        def decide(loaded: AbsenceWork) -> None:
            refuse_others(asked, loaded)
            command = TickPreparation(body.item, body.done, asked.context.now)
            loaded.work.decided(absence_id, prepare_absence.decide_tick(command, open_absence(loaded.absence)))

        return execute(absence_id, asked, decide)

    @router.post("/absences/{absence_id}/help-requests", status_code=201, responses=created)
    def ask_for_help(absence_id: UUID, asked: Asked, body: NewHelpRequest = NewHelpRequest()) -> Response:
        """T17: support is asked to find somebody for the students who are still waiting."""

        def decide(loaded: AbsenceWork) -> None:
            refuse_others(asked, loaded)
            command = RequestHelp(body.message, asked.context.now)
            loaded.work.decided(absence_id, request_help.decide(command, open_absence(loaded.absence), loaded.plan))

        return execute(absence_id, asked, decide, status=201)

    @router.post("/absences/{absence_id}/return", responses=ok)
    def give_back(absence_id: UUID, asked: Returner, body: Return = Return()) -> Response:
        """T16: students go back: a replacement's own, or all where the mentor who returns, or support, asks for it."""

        def decide(loaded: AbsenceWork) -> None:
            returning = _returning(office, asked.person, loaded, body)
            command = ReturnStudents(
                absence_id=absence_id,
                now=asked.context.now,
                by_support=asked.person.role == "support",
                all_back=set(loaded.plan.away) <= set(returning),
            )
            students = {student_id: loaded.students[student_id] for student_id in returning}
            events = return_students.decide(command, loaded.absence, loaded.mentor, students)
            loaded.work.decided_together(events)

        found = load_absence(office, absence_id)
        with office.locks.held(found.declared.mentor_id, *found.replacements()):
            return execute(absence_id, asked, decide)

    @router.get("/absences/{absence_id}")
    def absence(
        absence_id: UUID,
        request: Request,
        response: Response,
        person: Annotated[Principal, access.READ_ABSENCE.person],
        as_of: AsOf = None,
    ) -> AbsenceAnswer:
        """For the mentor, those who replace them, support and training administration."""
        loaded = load_absence(office, absence_id, as_of=as_of)
        if not office.guard.own_ids(person) & loaded.replacements():
            office.guard.check(access.READ_ABSENCE, person, mentor_id=loaded.declared.mentor_id)
        language = language_of(request.headers.get("accept-language"))
        answer = _answer(loaded, as_of or clock.now(), language)
        response.headers["ETag"] = f'"{answer.version}"'
        return answer

    @router.get("/absences")
    def absences(
        person: Annotated[Principal, access.LIST_ABSENCES.person],
        mentor_id: UUID | None = None,
        is_open: Annotated[bool | None, Query(alias="open")] = None,
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[AbsenceItem]:
        """A mentor sees their own; support and training administration see all, or those of `mentor_id`."""
        own = office.guard.own(access.LIST_ABSENCES, person, mentor_id=mentor_id)
        with office.database.connection() as connection:
            rows = absence_list.page(
                connection,
                mentor_id=mentor_id,
                own_mentor_ids=own.mentor_ids if own is not None else None,
                only_open=is_open,
                as_of=as_of,
                after=after(cursor),
                limit=limit + 1,
            )
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[AbsenceItem.row(row) for row in rows[:limit]],
            next_cursor=cursor_after(to_instant(last["from_at"]), last["absence_id"]) if last else None,
        )

    @router.get("/mentors/{mentor_id}/absences")
    def absences_of(
        mentor_id: UUID,
        person: Annotated[Principal, access.LIST_ABSENCES.person],
        as_of: AsOf = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[AbsenceItem]:
        """The absences of one mentor, by their beginning."""
        return absences(person, mentor_id, None, as_of, cursor, limit)

    return router


def _returning(office: Office, person: Principal, loaded: AbsenceWork, body: Return) -> list[UUID]:
    """Which students go back: those named, else all; a replacement gives back only their own."""
    possible = list(loaded.plan.away)
    if person.role == "mentor":
        own_ids = office.guard.own_ids(person)
        if loaded.declared.mentor_id not in own_ids:
            possible = [student_id for student_id in possible if loaded.students[student_id].mentor_id in own_ids]
            if not possible:
                raise Forbidden(
                    "forbidden",
                    "Vous n'accompagnez aucun étudiant de cette absence.",
                    "You accompany no student of this absence.",
                )
    if body.student_ids is None:
        return possible
    if not set(body.student_ids) <= set(possible):
        raise _not_concerned()
    return list(dict.fromkeys(body.student_ids))


def _not_concerned() -> Refused:
    return Refused(
        "student_not_concerned",
        "Cet étudiant n'est pas concerné par cette absence, ou il est déjà revenu.",
        "This absence does not concern this student, or they are back already.",
    )


def _answer(loaded: AbsenceWork, now: datetime, language: Language) -> AbsenceAnswer:
    return AbsenceAnswer.of(
        loaded.absence_id,
        loaded.absence,
        loaded.plan,
        status(loaded.absence, loaded.plan, now),
        version=loaded.work.version(loaded.absence_id),
        now=now,
        language=language,
    )
