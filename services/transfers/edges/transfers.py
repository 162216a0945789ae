"""Transfers: the check and the deed."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from services.chassis.commands import CommandRequest, Decision, check_if_match
from services.transfers.domain import transfer_student
from services.transfers.domain.check_transfer import diagnose
from services.transfers.domain.mentor import Mentor, NotRegistered
from services.transfers.domain.refused_transfer import FailedDiagnoses
from services.transfers.domain.student import StudentTransferred
from services.transfers.domain.transfer_student import TransferStudent
from services.transfers.edges.access import TRANSFER
from services.transfers.edges.office import Office, companions_of
from services.transfers.edges.shapes import CheckAnswer, NewTransfer, TransferAnswer, TransferTo
from services.transfers.edges.store import Work


def transfer_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["transfers"])

    @router.post("/students/{student_id}/transfer/check", responses={200: {"model": CheckAnswer}})
    def check_transfer(
        student_id: UUID,
        body: TransferTo,
        request: Annotated[CommandRequest, TRANSFER.command],
    ) -> Response:
        """T18: the four diagnoses at once. Nothing changes, and nothing is told of the mentor but these."""
        to_mentor_id = office.mentor_id_of(body.mentor_email)

        def attempt() -> Decision:
            work = Work(office.store)
            student = work.enrolled(student_id)
            office.guard.check(TRANSFER, request.person, companions=companions_of(student))
            check_if_match(request, work.loaded_version(student_id))
            replacement = _replacement(work, to_mentor_id)
            if to_mentor_id == student.mentor_id:
                raise transfer_student.same_mentor()
            returns = to_mentor_id in student.lenders
            diagnoses = diagnose(student, replacement, returns=returns)
            obstacle = None if returns else transfer_student.why_away(replacement, request.context.now)
            answer = CheckAnswer.of(student_id, diagnoses, obstacle, request.language)
            return Decision((), answer.model_dump)

        return office.commands.execute(request, attempt)

    @router.post("/students/{student_id}/transfer", status_code=201, responses={201: {"model": TransferAnswer}})
    def transfer(
        student_id: UUID,
        body: NewTransfer,
        request: Annotated[CommandRequest, TRANSFER.command],
    ) -> Response:
        """T3: at once, or refused with what is wrong in `errors`."""
        to_mentor_id = office.mentor_id_of(body.mentor_email)

        def attempt() -> Decision:
            work = Work(office.store)
            work.load(student_id, *([to_mentor_id] if to_mentor_id else []))
            student = work.enrolled(student_id)
            office.guard.check(TRANSFER, request.person, companions=companions_of(student))
            check_if_match(request, work.loaded_version(student_id))
            return_on: date | None = None
            if body.absence_id is not None:
                found = work.absence(body.absence_id)
                absence = transfer_student.refuse_other_absence(found, student, to_mentor_id)
                return_on = absence.period.return_on
            command = TransferStudent(
                student_id=student_id,
                to_mentor_id=to_mentor_id,
                now=request.context.now,
                by_support=request.person.role == "support",
                kind=body.kind,
                absence_id=body.absence_id,
                return_on=return_on,
            )
            try:
                decided = transfer_student.decide(command, student, _replacement(work, to_mentor_id))
            except FailedDiagnoses as refused:
                return office.refusal_kept(refused, request)
            work.decided_together(decided)
            [done] = [event for _, event in decided if isinstance(event, StudentTransferred)]
            version = work.version(student_id)
            return Decision(
                changes=work.changes(),
                answer=lambda: TransferAnswer.of(student_id, done, version).model_dump(),
                status=201,
            )

        giving = Work(office.store).enrolled(student_id).mentor_id
        with office.locks.held(giving, to_mentor_id):
            return office.commands.execute(request, attempt)

    return router


def _replacement(work: Work, mentor_id: UUID | None) -> Mentor:
    return NotRegistered() if mentor_id is None else work.mentor(mentor_id)
