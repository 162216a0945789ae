"""Private comments: for the student's mentors and support, never for students."""

from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.chassis.commands import CommandRequest, Decision, check_if_match
from services.chassis.context import Context
from services.chassis.event_store import Change, VersionConflict
from services.chassis.http import Instant, Limit, Page, decode_cursor, encode_cursor
from services.chassis.ids import derived_id, new_id
from services.transfers.domain import add_comment
from services.transfers.domain.add_comment import AddComment
from services.transfers.domain.comments_read import KEPT_ONCE_WITHIN_S, PrivateCommentsRead
from services.transfers.edges.access import COMMENT
from services.transfers.edges.office import Office, companions_of
from services.transfers.edges.shapes import CommentAnswer, NewComment
from services.transfers.edges.store import Work


def comment_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["comments"])

    @router.get("/students/{student_id}/comments")
    def comments(
        student_id: UUID,
        request: Annotated[CommandRequest, COMMENT.command],
        as_of: Annotated[Instant | None, Query(description="As they were at this instant.")] = None,
        cursor: Annotated[str | None, Query(max_length=1_000)] = None,
        limit: Limit = 50,
    ) -> Page[CommentAnswer]:
        """The newest first; none is ever changed or removed. Whoever reads them is noted in the audit log."""
        student = Work(office.store).enrolled(student_id)
        office.guard.check(COMMENT, request.person, companions=companions_of(student))
        _note_reading(office, student_id, request.context)
        if as_of is not None:
            student = Work(office.store, as_of=as_of).enrolled(student_id)
        position = decode_cursor(cursor) or {}
        until = position.get("until")
        end = min(until, len(student.comments)) if isinstance(until, int) and until > 0 else len(student.comments)
        begin = max(0, end - limit)
        return Page(
            items=[CommentAnswer.of(comment) for comment in reversed(student.comments[begin:end])],
            next_cursor=encode_cursor({"until": begin}) if begin > 0 else None,
        )

    @router.post("/students/{student_id}/comments", status_code=201, responses={201: {"model": CommentAnswer}})
    def comment(
        student_id: UUID,
        body: NewComment,
        request: Annotated[CommandRequest, COMMENT.command],
    ) -> Response:
        """T10, T14: a comment, or a hand-over comment with all its parts."""
        comment_id = new_id()

        def attempt() -> Decision:
            work = Work(office.store)
            student = work.enrolled(student_id)
            office.guard.check(COMMENT, request.person, companions=companions_of(student))
            check_if_match(request, work.loaded_version(student_id))
            command = AddComment(
                comment_id=comment_id,
                author=request.person.actor,
                author_name=request.person.name,
                now=request.context.now,
                **body.model_dump(),
            )
            [added] = add_comment.decide(command, student)
            work.decided(student_id, [added])
            version = work.version(student_id)
            return Decision(
                changes=work.changes(),
                answer=lambda: CommentAnswer.of(added).model_dump() | {"student_id": student_id, "version": version},
                status=201,
            )

        return office.commands.execute(request, attempt)

    return router


def _note_reading(office: Office, student_id: UUID, context: Context) -> None:
    """Before anything is shown: what can't be noted is not read."""
    period = int(context.now.timestamp() // KEPT_ONCE_WITHIN_S)
    reading_id = derived_id("comments read", student_id, context.actor, period)
    with suppress(VersionConflict):  # Noted already.
        office.store.append([Change(reading_id, 0, [PrivateCommentsRead(student_id, context.now)])], context)
