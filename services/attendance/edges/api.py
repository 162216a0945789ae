"""HTTP: a student's attendance file, as JSON, CSV and PDF."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from services.attendance.domain.attendance_file import Entry, FileWeek, weeks_of
from services.attendance.domain.standing import Cause, Outcome, Standing
from services.attendance.domain.week import Week
from services.attendance.edges.access import READ_ENTRIES_OF_EVENTS, READ_FILE
from services.attendance.edges.documents import StudentFile, file_as_csv, file_as_pdf
from services.attendance.views import sessions, students
from services.chassis.access import Guard, patient
from services.chassis.auth import Principal
from services.chassis.clock import Clock
from services.chassis.database import Database
from services.chassis.http import MAX_LIMIT, Instant, Limit, Page
from services.chassis.refusal import NotFound

Reader = Annotated[Principal, READ_FILE.person]
AsOf = Annotated[Instant | None, Query(description="As it was known at this instant.")]


class MoveView(BaseModel):
    """A move of the session to another date."""

    event_id: UUID
    previous_starts_at: Instant
    requested_by: str
    late: bool


class AttendanceSession(BaseModel):
    """A session in the file. ``event_id`` is the last event that changed it, ``event_ids`` all of them.

    ``caught_up_by`` is the session that was held in its place, ``makes_up_for`` the one in whose place it is.
    """

    session_id: UUID
    event_id: UUID
    outcome: Outcome
    cause: Cause | None
    counts_as: Standing
    starts_at: Instant
    duration_minutes: int
    mentor_id: UUID
    recoverable: bool | None
    makes_up_for: UUID | None
    caught_up_by: UUID | None
    moves: list[MoveView]
    event_ids: list[UUID]


class EntryOfEvent(BaseModel):
    """What one event came to in a student's file."""

    student_id: UUID
    week: str
    session_id: UUID
    event_id: UUID
    outcome: Outcome
    cause: Cause | None
    counts_as: Standing
    starts_at: Instant


class AttendanceWeek(BaseModel):
    """An ISO week. ``planned`` counts every session set for it, whatever became of it; ``caught_up`` those of them that
    were missed and in whose place another one was held, in whatever week; ``late_requests`` how often the student asked
    to move one of them less than 24 h before it was to start."""

    week: str
    starts_on: date
    planned: int
    attended: int
    excused: int
    unexcused: int
    to_qualify: int
    missing: bool
    caught_up: int
    late_requests: int
    sessions: list[AttendanceSession]


class Attendance(BaseModel):
    """A student's file; ``funding`` is null while nothing but sessions is known of the student."""

    student_id: UUID
    name: str | None
    funding: str | None
    enrolled_at: Instant | None
    weeks: list[AttendanceWeek]


def attendance_router(database: Database, guard: Guard, clock: Clock, zone: ZoneInfo) -> APIRouter:
    """Routes ``/students/{student_id}/attendance``."""
    router = APIRouter(prefix="/students/{student_id}", tags=["attendance"])

    @router.get("/attendance")
    @patient
    def attendance(student_id: UUID, person: Reader, as_of: AsOf = None) -> Attendance:
        """The student's weeks, from the enrolment (or the first session, if earlier) to the current one, and later ones
        with sessions."""
        return _view(_read(student_id, person, as_of))

    @router.get("/attendance.csv", response_class=Response)
    @patient
    def attendance_as_csv(student_id: UUID, person: Reader, as_of: AsOf = None) -> Response:
        """The same as a CSV file with French headers, one row a week."""
        return file_as_csv(_read(student_id, person, as_of), zone)

    @router.get("/attendance.pdf", response_class=Response)
    @patient
    def attendance_as_pdf(student_id: UUID, person: Reader, as_of: AsOf = None) -> Response:
        """The same as a PDF file in French: one row a week, and the file's totals."""
        return file_as_pdf(_read(student_id, person, as_of), zone)

    def _read(student_id: UUID, person: Principal, as_of: datetime | None) -> StudentFile:
        guard.check(READ_FILE, person, student_id=student_id)
        with database.connection() as connection:
            student = students.find(connection, student_id, as_of=as_of)
            entries = sessions.entries_of(connection, student_id, as_of=as_of)
        if student is None and not entries:
            raise NotFound("student_unknown", "Cet étudiant n’est pas connu.", "This student is not known.")
        enrolled_at = student.enrolled_at if student is not None else None
        return StudentFile(student_id, student, weeks_of(entries, enrolled_at, as_of or clock.now(), zone), as_of)

    return router


def entries_router(database: Database, zone: ZoneInfo) -> APIRouter:
    """Route ``/attendance-entries``: what events came to, for ``relais explain``."""
    router = APIRouter(tags=["attendance"])

    @router.get("/attendance-entries")
    def attendance_entries(
        event_id: Annotated[list[UUID], Query(min_length=1, max_length=MAX_LIMIT, description="The events asked for.")],
        _: Annotated[Principal, READ_ENTRIES_OF_EVENTS.person],
        limit: Limit = MAX_LIMIT,
        as_of: AsOf = None,
    ) -> Page[EntryOfEvent]:
        """What these events say in the files; an event makes one entry at most."""
        with database.connection() as connection:
            found = sessions.of_events(connection, event_id, limit=limit, as_of=as_of)
        return Page(
            items=[
                EntryOfEvent(
                    student_id=student_id,
                    week=str(Week.of(entry.starts_at, zone)),
                    session_id=entry.session_id,
                    event_id=entry.event_id,
                    outcome=entry.outcome,
                    cause=entry.cause,
                    counts_as=entry.standing,
                    starts_at=entry.starts_at,
                )
                for student_id, entry in found
            ]
        )

    return router


def _view(file: StudentFile) -> Attendance:
    return Attendance(
        student_id=file.student_id,
        name=file.student.name if file.student else None,
        funding=file.student.funding if file.student else None,
        enrolled_at=file.student.enrolled_at if file.student else None,
        weeks=[_week_view(week) for week in file.weeks],
    )


def _week_view(week: FileWeek) -> AttendanceWeek:
    return AttendanceWeek(
        week=str(week.week),
        starts_on=week.week.monday(),
        planned=week.planned,
        attended=week.attended,
        excused=week.excused,
        unexcused=week.unexcused,
        to_qualify=week.to_qualify,
        missing=week.missing,
        caught_up=week.caught_up,
        late_requests=week.late_requests,
        sessions=[_session_view(entry, week.caught_up_by.get(entry.session_id)) for entry in week.entries],
    )


def _session_view(entry: Entry, caught_up_by: UUID | None) -> AttendanceSession:
    return AttendanceSession(
        session_id=entry.session_id,
        event_id=entry.event_id,
        outcome=entry.outcome,
        cause=entry.cause,
        counts_as=entry.standing,
        starts_at=entry.starts_at,
        duration_minutes=entry.duration_minutes,
        mentor_id=entry.mentor_id,
        recoverable=entry.recoverable,
        makes_up_for=entry.makes_up_for,
        caught_up_by=caught_up_by,
        moves=[
            MoveView(
                event_id=move.event_id,
                previous_starts_at=move.previous_starts_at,
                requested_by=move.requested_by,
                late=move.late,
            )
            for move in entry.moves
        ],
        event_ids=list(entry.event_ids),
    )
