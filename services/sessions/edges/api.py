"""The routes of the service *sessions*."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response

from services.chassis.access import Guard, patient
from services.chassis.auth import Principal
from services.chassis.clock import Clock
from services.chassis.commands import CommandRequest
from services.chassis.event_store import Recorded
from services.chassis.http import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
)
from services.chassis.problem import language_of
from services.sessions.domain.cancel_session import CancelSession
from services.sessions.domain.cancellation_reasons import reasons_for
from services.sessions.domain.complete_session import CompleteSession
from services.sessions.domain.correction_choices import choices_for
from services.sessions.domain.events import Status
from services.sessions.domain.reschedule_session import RescheduleSession
from services.sessions.edges.access import CHANGE, CORRECT, IMPORT, PLAN, READ, READ_TO_DOCUMENT
from services.sessions.edges.bodies import (
    Cancellation,
    ChoiceView,
    Completion,
    Correction,
    Import,
    Imported,
    NewSession,
    ReasonView,
    RecordedEvent,
    Reschedule,
    SessionView,
    ToDocument,
    When,
    choice_view,
    reason_view,
    session_body,
)
from services.sessions.edges.cursor import position_after, version_after
from services.sessions.edges.handling import Loaded, SessionHandling
from services.sessions.edges.importing import SessionImport
from services.sessions.edges.publish import published
from services.sessions.views.sessions_list import Filter, SessionsList

Reader = Annotated[Principal, READ.person]
Planner = Annotated[CommandRequest, PLAN.command]
Mentor = Annotated[CommandRequest, CHANGE.command]
Support = Annotated[CommandRequest, CORRECT.command]
Importer = Annotated[CommandRequest, IMPORT.command]
AsOf = Annotated[When | None, Query(description="As it stood at this instant; by default, now.")]


def create_router(
    handling: SessionHandling, importing: SessionImport, sessions: SessionsList, guard: Guard, clock: Clock
) -> APIRouter:
    """Everything below ``/api/sessions``."""
    router = APIRouter(prefix="/sessions", tags=["sessions"])

    def readable(session_id: UUID, person: Principal, *, as_of: datetime | None = None) -> Loaded:
        """The session, as it stood; by whoever held it then, or accompanies the student now."""
        loaded = handling.load(session_id, as_of=as_of)
        held = loaded.session.appointment
        guard.check(READ, person, mentor_id=held.mentor_id, student_id=held.student_id)
        return loaded

    @router.post("", status_code=201, response_model=SessionView)
    @patient
    def schedule_session(body: NewSession, request: Planner) -> Response:
        """Plan a session, or make up for one; a start in the past documents one afterwards."""
        return handling.schedule(request, body)

    @router.post("/import", response_model=Imported)
    def import_sessions(body: Import, request: Importer) -> Response:
        """Take in many sessions with what has become of them: all rows, or none."""
        return importing.run(request, body)

    @router.get("")
    @patient
    def list_sessions(
        person: Reader,
        mentor_id: UUID | None = None,
        student_id: UUID | None = None,
        from_: Annotated[When | None, Query(alias="from", description="Earliest start, included.")] = None,
        to: Annotated[When | None, Query(description="Latest start, not included.")] = None,
        status: Status | None = None,
        as_of: AsOf = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[SessionView]:
        """Sessions by their start: a mentor's own and their students', a student's own; everybody's for the staff."""
        wanted = Filter(
            own=guard.own(READ, person, mentor_id=mentor_id, student_id=student_id),
            mentor_id=mentor_id,
            student_id=student_id,
            from_=from_,
            to=to,
            status=status.value if status else None,
            as_of=as_of,
            after=position_after(decode_cursor(cursor)),
        )
        rows = sessions.page(wanted, limit + 1)
        more, last = len(rows) > limit, rows[:limit][-1:]
        return Page(
            items=[SessionView.model_validate(row) for row in rows[:limit]],
            next_cursor=encode_cursor({"starts_at": last[0]["starts_at"], "id": last[0]["session_id"]})
            if more
            else None,
        )

    @router.get("/to-document")
    def sessions_to_document(
        _: Annotated[Principal, READ_TO_DOCUMENT.person],
        from_: Annotated[When, Query(alias="from", description="Earliest start, included.")],
        to: Annotated[When, Query(description="Latest start, not included; what has not begun is left out.")],
    ) -> Page[ToDocument]:
        """Mentors with sessions that have begun and of which nobody has said what became: how many, and since when."""
        rows = sessions.to_document(from_, min(to, clock.now()))
        return Page(items=[ToDocument.model_validate(row) for row in rows])

    @router.get("/{session_id}", response_model=SessionView)
    @patient
    def get_session(person: Reader, session_id: UUID, response: Response, as_of: AsOf = None) -> dict[str, Any]:
        """A session, at its latest version."""
        loaded = readable(session_id, person, as_of=as_of)
        response.headers["ETag"] = f'"{loaded.version}"'
        return session_body(session_id, loaded.session, loaded.version)

    @router.get("/{session_id}/history")
    @patient
    def session_history(
        person: Reader, session_id: UUID, as_of: AsOf = None, cursor: str | None = None, limit: Limit = MAX_LIMIT
    ) -> Page[RecordedEvent]:
        """The events of a session that are published, in order."""
        after = version_after(decode_cursor(cursor))
        recorded = readable(session_id, person, as_of=as_of).recorded[after:]
        events = [event for event in map(_event, recorded) if event is not None]
        more = len(events) > limit
        return Page(
            items=events[:limit], next_cursor=encode_cursor({"version": events[limit - 1].version}) if more else None
        )

    @router.get("/{session_id}/cancellation-reasons")
    @patient
    def cancellation_reasons(
        person: Reader,
        session_id: UUID,
        notice_at: Annotated[
            When | None, Query(description="When the student told the mentor; by default, now.")
        ] = None,
        as_of: AsOf = None,
        accept_language: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Page[ReasonView]:
        """All four reasons: which are offered (or were, ``as_of``), why the others are not, and what each will do."""
        language: Literal["fr", "en"] = language_of(accept_language)
        loaded = readable(session_id, person, as_of=as_of)
        offered = reasons_for(loaded.session, notice_at=notice_at, now=as_of or clock.now())
        return Page(items=[reason_view(one, language) for one in offered])

    @router.post("/{session_id}/cancellation", response_model=SessionView)
    @patient
    def cancel_session(session_id: UUID, body: Cancellation, request: Mentor) -> Response:
        """Cancel for one of the four reasons (S2 to S6)."""
        command = CancelSession(body.reason, request.context.now, body.notice_at, body.cause, body.note)
        return handling.change(request, session_id, command)

    @router.post("/{session_id}/reschedule", response_model=SessionView)
    @patient
    def reschedule_session(session_id: UUID, body: Reschedule, request: Mentor) -> Response:
        """Move to another date without cancelling (S9)."""
        command = RescheduleSession(body.starts_at, body.requested_by, request.context.now)
        return handling.change(request, session_id, command)

    @router.post("/{session_id}/completion", response_model=SessionView)
    @patient
    def complete_session(session_id: UUID, request: Mentor, body: Completion | None = None) -> Response:
        """The session was held."""
        return handling.change(request, session_id, CompleteSession(request.context.now))

    @router.get("/{session_id}/correction-choices")
    def correction_choices(
        _: Annotated[Principal, CORRECT.person],
        session_id: UUID,
        accept_language: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Page[ChoiceView]:
        """Every direction in which support may correct the session, and what each will do."""
        language: Literal["fr", "en"] = language_of(accept_language)
        loaded = handling.load(session_id)
        return Page(items=[choice_view(one, language) for one in choices_for(loaded.session, now=clock.now())])

    @router.post("/{session_id}/correction", response_model=SessionView)
    def correct_session(session_id: UUID, body: Correction, request: Support) -> Response:
        """Correct a wrong status, with a new event; by support."""
        return handling.correct(request, session_id, body)

    return router


def _event(recorded: Recorded) -> RecordedEvent | None:
    data = published(recorded)
    if data is None:
        return None
    return RecordedEvent(
        event_id=recorded.event_id,
        type=data.ce_type,
        version=recorded.version,
        recorded_at=recorded.recorded_at,
        actor=recorded.actor,
        correlation_id=recorded.correlation_id,
        causation_id=recorded.causation_id,
        data=data.model_dump(mode="json"),
    )
