"""« Mes sessions »: a week or a list of them, and one session with its history and what it caused."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.live import Part
from services.portal.edges.shapes import Event, Session, Student
from services.portal.edges.visit import SignedIn, Visit
from services.portal.pages import calendar, effects, people

router = APIRouter()

WEEKS_SHOWN: Final = 4
LOOK_EVERY_S: Final = 0.4
STATUSES: Final = ("scheduled", "held", "cancelled")
TO_DO: Final = ("a-documenter", "a-rattraper")
VIEWS: Final = ("semaine", "a-venir", "passees")


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    sessions: Sequence[Session]


@router.get("/sessions")
async def sessions(
    visit: SignedIn, vue: str = "semaine", semaine: str = "", statut: str = "", etudiant: str = ""
) -> Response:
    """A mentor's or a student's sessions: a week day by day; to come or past, four weeks a page."""
    if visit.person.role not in ("mentor", "student"):
        return visit.redirect("/")  # The school's teams find sessions by student.
    zone = visit.portal.school_zone
    current = calendar.this_week(visit.now, zone)
    week = semaine if calendar.is_week(semaine) else current
    view = vue if vue in VIEWS else "semaine"
    span = _span(visit, view, week, current)
    mentor_id = visit.own_id if visit.person.role == "mentor" else None
    found, own_students = await asyncio.gather(
        visit.apis.all_items(
            path("sessions"),
            mentor_id=mentor_id,
            student_id=visit.own_id if visit.person.role == "student" else etudiant,
            status={"a-documenter": "scheduled", "a-rattraper": "cancelled"}.get(statut, statut)
            if statut in (*STATUSES, *TO_DO)
            else None,
            **{"from": span.start.isoformat(), "to": span.end.isoformat()},
        ),
        people.students_of(visit.apis, mentor_id) if mentor_id else _nobody(),
    )
    shown = [session for item in found if _asked_for(visit, session := Session.model_validate(item), statut)]
    known = await people.people(
        visit.apis,
        students={session.student_id for session in shown} - {student.student_id for student in own_students},
        mentors={session.mentor_id for session in shown} if not mentor_id else (),
    )
    known = people.People(
        {**known.students, **{student.student_id: student for student in own_students}}, known.mentors
    )
    step = 1 if view == "semaine" else WEEKS_SHOWN
    return visit.page(
        "sessions.html",
        weeks=calendar.by_week(shown, zone, latest_first=view == "passees"),
        days=_days(shown, week, zone),
        today=calendar.today(visit.now, zone),
        view=view,
        week=week,
        current=current,
        before=calendar.neighbour(week, -step),
        after=calendar.neighbour(week, step),
        chosen_status=statut,
        chosen_student=etudiant,
        keep=urlencode({"statut": statut, "etudiant": etudiant}),
        students=own_students,
        people=known,
    )


@router.get("/sessions/{session_id}")
async def session_page(visit: SignedIn, session_id: str, version: int | None = None, fait: str = "") -> Response:
    """A session, its history, and what its last event caused. After a command, waits for the views to show it."""
    session = Session.model_validate(await visit.apis.at_version(path("sessions", session_id), version))
    history, known, missed, instead = await asyncio.gather(
        or_problem(effects.history(visit.apis, session_id)),
        people.people(visit.apis, students=[session.student_id], mentors=[session.mentor_id]),
        _related(visit, session.makes_up_for),
        _related(visit, session.made_up_by),
    )
    events = [] if isinstance(history, Problem) else history
    caused = await effects.settled(visit.apis, visit.portal.school_zone, session, events, patient=version is not None)
    return visit.page(
        "session.html",
        session=session,
        people=known,
        events=events,
        history_away=history if isinstance(history, Problem) else None,
        caused=caused,
        missed=missed,
        instead=instead,
        undo=_undo(visit, session, events),
        wrong_status=_letter_to_support(visit, session, known),
        done=fait,
        started=session.starts_at <= visit.now,
    )


@router.get("/sessions/{session_id}/effets")
async def session_effects(visit: SignedIn, session_id: str) -> Response:
    """The panel again whenever there is more to see, until all of it is there or it takes so long that it says so."""
    session = Session.model_validate(await visit.apis.get(path("sessions", session_id)))
    events = await effects.history(visit.apis, session_id)

    async def look() -> Part:
        caused = await effects.look(visit.apis, visit.portal.school_zone, session, events)
        return Part(visit.render("_effects.html", session=session, caused=caused), caused.complete or not caused.recent)

    return visit.live(look, every_s=LOOK_EVERY_S)


def _span(visit: Visit, view: str, week: str, current: str) -> calendar.Span:
    zone = visit.portal.school_zone
    if view == "semaine":
        return calendar.week_span(week, zone)
    if view == "a-venir":
        span = calendar.week_span(week, zone, WEEKS_SHOWN)
        return calendar.Span(max(span.start, visit.now), span.end) if week == current else span
    span = calendar.week_span(calendar.neighbour(week, 1 - WEEKS_SHOWN), zone, WEEKS_SHOWN)
    return calendar.Span(span.start, min(span.end, visit.now))


def _asked_for(visit: Visit, session: Session, status: str) -> bool:
    """The two filters that no status says: past and undocumented, recoverable and not made up for."""
    match status:
        case "a-documenter":
            return session.ends_at <= visit.now
        case "a-rattraper":
            return session.to_make_up
        case _:
            return True


def _days(shown: Sequence[Session], week: str, zone: str) -> list[Day]:
    """The seven days of a week, each with its sessions in order."""
    of_day: dict[date, list[Session]] = {}
    for session in sorted(shown, key=lambda session: session.starts_at):
        of_day.setdefault(calendar.today(session.starts_at, zone), []).append(session)
    monday = calendar.today(calendar.week_span(week, zone).start, zone)
    return [Day(day, of_day.get(day, ())) for day in (monday + timedelta(days=number) for number in range(7))]


def _undo(visit: Visit, session: Session, events: Sequence[Event]) -> Event | None:
    """The last move, where the date before it is still to come: the session may simply go back there."""
    last = events[-1] if events else None
    if last is None or last.short_name != "SessionRescheduled" or session.status != "scheduled":
        return None
    return last if session.starts_at > visit.now and last.instant("previous_starts_at") > visit.now else None


def _letter_to_support(visit: Visit, session: Session, known: people.People) -> str:
    """A wrong status is corrected by support: the letter that asks for it, all but sent."""
    when = visit.language.moment(session.starts_at, session.timezone)
    subject = visit.say("Statut à corriger : session du %(when)s", when=when)
    text = visit.say(
        "Bonjour,\n\nLe statut de cette session est faux.\n\nSession : %(id)s\nÉtudiant : %(student)s\n"
        "Date : %(when)s\nStatut affiché : %(status)s\n\nCe qui s'est vraiment passé : ",
        id=session.session_id,
        student=known.student(session.student_id),
        when=when,
        status=_status_words(visit, session),
    )
    return f"mailto:{quote(visit.portal.support_email, safe='@')}?subject={quote(subject)}&body={quote(text)}"


def _status_words(visit: Visit, session: Session) -> str:
    names: Mapping[str, str] = {
        "scheduled": visit.say("Prévue"),
        "held": visit.say("Tenue"),
        "cancelled": visit.say("Annulée"),
    }
    return f"{names[session.status]} ({session.reason})" if session.reason else names[session.status]


async def _related(visit: Visit, session_id: str | None) -> Session | None:
    """The session that this one makes up for, or that makes up for it."""
    if session_id is None:
        return None
    found = await or_problem(visit.apis.get(path("sessions", session_id)))
    return None if isinstance(found, Problem) else Session.model_validate(found)


async def _nobody() -> list[Student]:
    return []
