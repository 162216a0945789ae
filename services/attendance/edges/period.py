"""HTTP: attendance over a period: a student's certificate, and the files of all students of a funding and path."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from psycopg import Connection
from psycopg.rows import DictRow
from pydantic import BaseModel

from services.attendance.domain.attendance_file import Entry
from services.attendance.domain.period import Counted, Period, counted
from services.attendance.edges.access import READ_ALL_FILES, READ_FILE
from services.attendance.edges.period_documents import (
    FileOfPeriod,
    certificate,
    files_as_csv,
    files_as_pdf,
    files_as_xlsx,
)
from services.attendance.views import files, students
from services.attendance.views.files import Question
from services.chassis.access import Guard, patient
from services.chassis.auth import Principal
from services.chassis.by_name import name_after, pattern_of
from services.chassis.clock import Clock
from services.chassis.database import Database
from services.chassis.http import (
    DEFAULT_LIMIT,
    Instant,
    Limit,
    Page,
    encode_cursor,
)
from services.chassis.refusal import NotFound, Refused

MAX_DAYS: Final = 800
MAX_FILES: Final = 20_000
MAX_PDF_FILES: Final = 2_000
FILES_AT_ONCE: Final = 200

Reader = Annotated[Principal, READ_ALL_FILES.person]
First = Annotated[date, Query(alias="from", description="The first day.")]
Last = Annotated[date, Query(alias="to", description="The last day, included.")]
Funding = Literal["third_party", "apprenticeship", "self_funded"]
Path = Annotated[str | None, Query(max_length=120)]
Search = Annotated[str | None, Query(max_length=100, description="Part of a name or an e-mail.")]
AsOf = Annotated[Instant | None, Query(description="As it was known at this instant.")]


class FileItem(BaseModel):
    """One student over the period; sessions count where they start in it, weeks where they end in it."""

    student_id: UUID
    name: str
    funding: str
    path: str
    planned: int
    attended: int
    excused: int
    unexcused: int
    to_qualify: int
    missing_weeks: int
    attended_minutes: int


class FilesPage(Page[FileItem]):
    """A page by name. ``students``: how many pass the filters; ``paths``: all that there are."""

    students: int
    paths: list[str]


def period_router(database: Database, guard: Guard, clock: Clock, zone: ZoneInfo) -> APIRouter:
    """Routes ``/attendance`` and ``/students/{student_id}/attendance/certificate``."""
    router = APIRouter(tags=["attendance"])

    @router.get("/attendance")
    def files_of_period(
        _: Reader,
        first: First,
        last: Last,
        funding: Funding | None = None,
        path: Path = None,
        search: Search = None,
        as_of: AsOf = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> FilesPage:
        """The students whose file runs in the period, each with what it comes to."""
        period = _period(first, last)
        question = _question(period, funding, path, search, as_of, name_after(cursor))
        with database.connection() as connection:
            found = files.page(connection, question, limit=limit + 1)
            counts = files.count(connection, question)
            shown = _files(connection, found[:limit], period, as_of)
        last_row = found[:limit][-1:] if len(found) > limit else []
        return FilesPage(
            items=[_item(file) for file in shown],
            next_cursor=encode_cursor({"name": last_row[0]["searched"], "id": last_row[0]["student_id"]})
            if last_row
            else None,
            students=counts["students"],
            paths=[one for one in counts["paths"] if one],
        )

    @router.get("/attendance.csv", response_class=Response)
    def files_csv(
        _: Reader, first: First, last: Last, funding: Funding | None = None, path: Path = None, search: Search = None
    ) -> Response:
        """The same as a CSV file with French headers, a row a student."""
        period = _period(first, last)
        return files_as_csv(_all(_question(period, funding, path, search), period, MAX_FILES), period)

    @router.get("/attendance.xlsx", response_class=Response)
    def files_xlsx(
        _: Reader, first: First, last: Last, funding: Funding | None = None, path: Path = None, search: Search = None
    ) -> Response:
        """The same as an Excel workbook."""
        period = _period(first, last)
        return files_as_xlsx(_all(_question(period, funding, path, search), period, MAX_FILES), period)

    @router.get("/attendance.pdf", response_class=Response)
    def files_pdf(
        _: Reader, first: First, last: Last, funding: Funding | None = None, path: Path = None, search: Search = None
    ) -> Response:
        """The same as a PDF file."""
        period = _period(first, last)
        return files_as_pdf(list(_all(_question(period, funding, path, search), period, MAX_PDF_FILES)), period, zone)

    @router.get("/students/{student_id}/attendance/certificate")
    @patient
    def certificate_of_student(
        student_id: UUID, person: Annotated[Principal, READ_FILE.person], first: First, last: Last, as_of: AsOf = None
    ) -> FileItem:
        """What the certificate of this period says."""
        return _item(_one(student_id, person, _period(first, last), as_of))

    @router.get("/students/{student_id}/attendance/certificate.pdf", response_class=Response)
    @patient
    def certificate_pdf(
        student_id: UUID, person: Annotated[Principal, READ_FILE.person], first: First, last: Last, as_of: AsOf = None
    ) -> Response:
        """« Attestation d'assiduité » as a PDF file in French."""
        period = _period(first, last)
        return certificate(_one(student_id, person, period, as_of), period, as_of or clock.now(), zone)

    def _one(student_id: UUID, person: Principal, period: Period, as_of: datetime | None) -> FileOfPeriod:
        guard.check(READ_FILE, person, student_id=student_id)
        with database.connection() as connection:
            student = students.find(connection, student_id, as_of=as_of)
            if student is None:
                raise NotFound("student_unknown", "Cet étudiant n’est pas connu.", "This student is not known.")
            row = {
                "student_id": student_id,
                "name": student.name,
                "funding": student.funding,
                "path": student.path,
                "enrolled_at": student.enrolled_at,
            }
            [file] = _files(connection, [row], period, as_of)
        return file

    def _files(
        connection: Connection[DictRow], rows: Sequence[DictRow], period: Period, as_of: datetime | None
    ) -> list[FileOfPeriod]:
        student_ids = [row["student_id"] for row in rows]
        entries = files.entries_between(
            connection, student_ids, period.week_starts_at(zone), period.ends_at(zone), as_of=as_of
        )
        now = as_of or clock.now()
        return [_file(row, _counted(entries.get(row["student_id"], []), row, period, now)) for row in rows]

    def _counted(entries: Sequence[Entry], row: DictRow, period: Period, now: datetime) -> Counted:
        return counted(entries, period, enrolled_at=row["enrolled_at"], now=now, zone=zone)

    def _all(question: Question, period: Period, limit: int) -> Iterator[FileOfPeriod]:
        """Every student who passes, read some hundreds at a time. Refused where they are too many, before the first."""
        with database.connection() as connection:
            rows = files.page(connection, question, limit=limit + 1)
        if len(rows) > limit:
            raise Refused(
                "too_many_rows",
                "Ce fichier aurait trop de lignes ; choisissez un financement ou un parcours, ou le CSV.",
                "This file would have too many rows; choose a funding or a path, or take the CSV file.",
            )
        return _in_parts(rows, period, question.as_of)

    def _in_parts(rows: Sequence[DictRow], period: Period, as_of: datetime | None) -> Iterator[FileOfPeriod]:
        for begin in range(0, len(rows), FILES_AT_ONCE):
            with database.connection() as connection:
                part = _files(connection, rows[begin : begin + FILES_AT_ONCE], period, as_of)
            yield from part

    def _question(
        period: Period,
        funding: str | None,
        path: str | None,
        search: str | None,
        as_of: datetime | None = None,
        after: tuple[str, UUID] | None = None,
    ) -> Question:
        return Question(
            enrolled_before=period.ends_at(zone),
            funding=funding,
            path=path,
            search=pattern_of(search),
            as_of=as_of,
            after=after,
        )

    return router


def _period(first: date, last: date) -> Period:
    if not timedelta() <= last - first < timedelta(days=MAX_DAYS):
        raise Refused(
            "invalid_period",
            f"La période va du premier au dernier jour, et compte au plus {MAX_DAYS} jours.",
            f"The period goes from its first to its last day, and has {MAX_DAYS} days at most.",
        )
    return Period(first, last)


def _file(row: DictRow, found: Counted) -> FileOfPeriod:
    return FileOfPeriod(row["student_id"], row["name"], row["funding"], row["path"], row["enrolled_at"], found)


def _item(file: FileOfPeriod) -> FileItem:
    found = file.counted
    return FileItem(
        student_id=file.student_id,
        name=file.name,
        funding=file.funding,
        path=file.path,
        planned=found.planned,
        attended=found.attended,
        excused=found.excused,
        unexcused=found.unexcused,
        to_qualify=found.to_qualify,
        missing_weeks=found.missing_weeks,
        attended_minutes=found.attended_minutes,
    )
