"""A student's dashboard, for mentors and the school's teams: sessions, information, comments, attendance."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Apis, Problem, or_problem, path
from services.portal.edges.shapes import Attendance, Comment, Session, Student
from services.portal.edges.visit import FileVisit, MentorOrSupport, MentorVisit, StaffVisit, StudentVisit, Visit
from services.portal.pages import attendance_file, calendar, people, transfer, transfer_effects

router = APIRouter()

SESSIONS_SHOWN: Final = 60
HANDOVER_FIELDS: Final = ("mentor_name", "leave_from", "return_on", "about_the_student")


@router.get("/etudiants")
async def my_students(visit: MentorVisit) -> Response:
    me, students = await asyncio.gather(
        people.mentor(visit.apis, visit.own_id), people.students_of(visit.apis, visit.own_id)
    )
    return visit.page("students.html", me=me, students=students)


@router.get("/etudiants/{student_id}")
async def student_sessions(visit: StaffVisit, student_id: str) -> Response:
    """The tab « Sessions »."""
    student = await people.student(visit.apis, student_id)
    found = await or_problem(visit.apis.all_items(path("sessions"), student_id=student_id))
    sessions = [] if isinstance(found, Problem) else [Session.model_validate(item) for item in found]
    coming = sorted((s for s in sessions if s.starts_at > visit.now), key=lambda s: s.starts_at)
    past = sorted((s for s in sessions if s.starts_at <= visit.now), key=lambda s: s.starts_at, reverse=True)
    known = await people.people(visit.apis, mentors=[student.mentor_id, *(session.mentor_id for session in sessions)])
    return visit.page(
        "student_sessions.html",
        student=student,
        tab="sessions",
        coming=coming,
        past=past[:SESSIONS_SHOWN],
        people=known,
        away=found if isinstance(found, Problem) else None,
    )


@router.get("/etudiants/{student_id}/informations")
async def information(visit: StaffVisit, student_id: str, fait: str = "", de: str = "", absence: str = "") -> Response:
    """The tab « Informations », with the transfer (T15); « absence »: for which one it would be."""
    entered = transfer.TransferForm(absence_id=absence)
    return await _information_page(visit, student_id, entered=entered, done=fait, from_mentor_id=de)


@router.post("/etudiants/{student_id}/verification")
async def check_transfer(visit: MentorOrSupport, student_id: str) -> Response:
    """The four diagnoses (T18), before anything is done. Nothing is written, so the answer is the page itself."""
    form = await visit.form()
    return await _information_page(visit, student_id, entered=await transfer.checked(visit, student_id, form))


@router.post("/etudiants/{student_id}/transfert")
async def transfer_student(visit: MentorOrSupport, student_id: str) -> Response:
    """At once (T3), to the mentor with this exact e-mail (T11)."""
    form = await visit.form()
    result = await transfer.transferred(visit, student_id, form)
    if isinstance(result, transfer.TransferForm):
        return await _information_page(visit, student_id, entered=result)
    before, version = result
    return visit.redirect(
        f"/etudiants/{student_id}/informations?version={version}&fait=transfere&de={before.mentor_id or ''}"
    )


@router.get("/etudiants/{student_id}/commentaires")
async def comments(visit: MentorOrSupport, student_id: str, fait: str = "") -> Response:
    """« Commentaire privé » (T14): for the student's mentors and support."""
    return await _comments_page(visit, student_id, {}, done=fait)


@router.post("/etudiants/{student_id}/commentaires")
async def add_comment(visit: MentorOrSupport, student_id: str) -> Response:
    form = await visit.form()
    names = HANDOVER_FIELDS if form.get("kind") == "relais" else ("text",)
    body = {name: form[name] for name in names if form.get(name)}
    try:
        await visit.apis.post(path("students", student_id, "comments"), body, idempotency_key=form.get("once", ""))
    except Problem as problem:
        return await _comments_page(visit, student_id, form, problem)
    return visit.redirect(f"/etudiants/{student_id}/commentaires?fait=commente")


@router.get("/etudiants/{student_id}/assiduite")
async def attendance(visit: FileVisit, student_id: str) -> Response:
    """« Assiduité »: the file that funders ask for."""
    student, found = await asyncio.gather(people.student(visit.apis, student_id), _attendance(visit.apis, student_id))
    return visit.page(
        "student_attendance.html",
        student=student,
        tab="attendance",
        period=_period(visit, student),
        **_file(visit, found),
    )


@router.get("/etudiants/{student_id}/assiduite.csv")
async def attendance_csv(visit: FileVisit, student_id: str) -> Response:
    return await download(visit, path("students", student_id, "attendance.csv"), f"assiduite-{student_id}.csv")


@router.get("/etudiants/{student_id}/assiduite.pdf")
async def attendance_pdf(visit: FileVisit, student_id: str) -> Response:
    return await download(visit, path("students", student_id, "attendance.pdf"), f"assiduite-{student_id}.pdf")


@router.get("/assiduite")
async def own_attendance(visit: StudentVisit) -> Response:
    found = await _attendance(visit.apis, visit.own_id)
    return visit.page("own_attendance.html", **_file(visit, found))


async def download(visit: Visit, address: str, file_name: str) -> Response:
    """A file of a service, handed on under a name that people recognise."""
    answer = await visit.apis.download(address)
    return Response(
        answer.content,
        media_type=answer.headers.get("content-type", "text/csv; charset=utf-8"),
        headers={"content-disposition": f'attachment; filename="{file_name}"', "cache-control": "no-store"},
    )


async def _attendance(apis: Apis, student_id: str) -> Attendance | Problem:
    found = await or_problem(apis.get_or_none(path("students", student_id, "attendance")))
    if isinstance(found, Problem):
        return found
    return Attendance.model_validate(found) if found else Attendance(student_id=student_id)


def _period(visit: Visit, student: Student) -> tuple[date, date]:
    """What a certificate is mostly asked for: from the enrolment until today."""
    zone = visit.portal.school_zone
    today = calendar.today(visit.now, zone)
    return (calendar.today(student.enrolled_at, zone) if student.enrolled_at else today.replace(day=1)), today


def _file(visit: Visit, found: Attendance | Problem) -> dict[str, Any]:
    if isinstance(found, Problem):
        return {"file": None, "summary": None, "heat_map": None, "away": found}
    current = calendar.this_week(visit.now, visit.portal.school_zone)
    return {
        "file": found,
        "summary": attendance_file.summary(found, current),
        "heat_map": attendance_file.heat_map(found, current),
        "away": None,
    }


async def _information_page(
    visit: Visit,
    student_id: str,
    *,
    entered: transfer.TransferForm | None = None,
    done: str = "",
    from_mentor_id: str = "",
) -> Response:
    student = await people.student(visit.apis, student_id)
    known = await people.people(visit.apis, mentors=[student.mentor_id, from_mentor_id])
    entered = entered or transfer.TransferForm()
    return visit.page(
        "student_information.html",
        status=entered.status,
        student=student,
        tab="information",
        people=known,
        entered=entered,
        done=done,
        from_mentor_id=from_mentor_id,
        support_email=visit.portal.support_email,
        handover=await transfer_effects.look(visit, student_id) if done == "transfere" else None,
    )


async def _comments_page(
    visit: Visit, student_id: str, form: Mapping[str, str], problem: Problem | None = None, done: str = ""
) -> Response:
    student, found = await asyncio.gather(
        people.student(visit.apis, student_id),
        or_problem(visit.apis.all_items(path("students", student_id, "comments"))),
    )
    listed = [] if isinstance(found, Problem) else [Comment.model_validate(item) for item in found]
    return visit.page(
        "student_comments.html",
        status=problem.status if problem else 200,
        student=student,
        tab="comments",
        comments=listed,
        away=found if isinstance(found, Problem) else None,
        form=form,
        problem=problem,
        done=done,
    )
