"""« À une date »: a student, a mentor or a session as it stood at an instant, beside how it stands now."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Apis, Problem, or_problem, path
from services.portal.edges.language import from_local
from services.portal.edges.shapes import Attendance, Mentor, Session, Statement, Student
from services.portal.edges.visit import SupportVisit, Visit
from services.portal.edges.words import Words
from services.portal.pages import attendance_file, calendar, people
from services.portal.pages.subjects import Subject, subject_of
from services.portal.pages.timeline import Span

router = APIRouter()

SESSIONS_COUNTED: Final = 200
EVENTS_ASKED: Final = 100


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that may have changed. ``then`` is None where nothing was known of it yet."""

    name: str
    then: str | None
    now: str

    @property
    def changed(self) -> bool:
        return self.then is not None and self.then != self.now


@dataclass(frozen=True, slots=True)
class Known:
    """What the services said about the subject at one instant: their answers by name, None where there was nothing."""

    instant: datetime
    parts: Mapping[str, Any]
    away: Sequence[Problem]


@router.get("/a-une-date/{kind}/{identity}")
async def as_of(visit: SupportVisit, kind: str, identity: str, instant: str = "", s: str = "") -> Response:
    """The slider sends « s », seconds since 1970; the field sends « instant », a local date and time."""
    subject = await subject_of(visit, kind, identity)
    if kind == "absence":
        raise Problem(404, "not_found", "")
    zone = visit.portal.school_zone
    asked = _asked(instant, s, zone)
    at = min(asked or visit.now, visit.now)
    span, then, now = await asyncio.gather(
        or_problem(visit.apis.get(path("audit", "span"), **subject.asked)),
        _known(visit.apis, subject, month_of=at, zone=zone, instant=at),
        _known(visit.apis, subject, month_of=at, zone=zone, instant=visit.now, still_now=True),
    )
    known = await people.people(visit.apis, **_named(then, now))
    spread = Span() if isinstance(span, Problem) else Span.model_validate(span)
    return visit.page(
        "as_of.html",
        subject=subject,
        at=at,
        understood=not (instant or s) or asked is not None,
        existed=then.parts["self"] is not None,
        facts=_facts(visit, subject.kind, then, now, known),
        span=spread,
        first_s=int((spread.first_at or at).timestamp()),
        last_s=int(visit.now.timestamp()),
        at_s=int(at.timestamp()),
        away=next(iter((*then.away, *now.away)), None),
    )


def _asked(instant: str, seconds: str, zone: str) -> datetime | None:
    try:
        if instant:
            # A field gives whole seconds: the state once that second is over, with all that happened in it.
            whole = from_local(instant, zone)
            return whole if "+" in instant or whole.microsecond else whole.replace(microsecond=999_999)
        return datetime.fromtimestamp(int(seconds), UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


async def _known(
    apis: Apis, subject: Subject, *, month_of: datetime, zone: str, instant: datetime, still_now: bool = False
) -> Known:
    """What is asked depends on the kind; each part on its own, so that one service away leaves the others."""
    stamp = {"as_of": None if still_now else instant.isoformat()}
    asked: dict[str, Any] = {"self": apis.get_or_none(subject.address, **stamp)}
    match subject.kind:
        case "etudiant":
            asked["sessions"] = apis.get(path("sessions"), student_id=subject.identity, limit=SESSIONS_COUNTED, **stamp)
            asked["file"] = apis.get_or_none(path("students", subject.identity, "attendance"), **stamp)
        case "mentor":
            month = calendar.this_month(month_of, zone)
            asked["statement"] = apis.get_or_none(path("mentors", subject.identity, "statements", month), **stamp)
        case "session" if subject.now is not None:
            asked["lines"] = _lines(apis, subject, stamp)
            asked["file"] = apis.get_or_none(path("students", subject.now["student_id"], "attendance"), **stamp)
    answers = await asyncio.gather(*(or_problem(one) for one in asked.values()))
    parts = dict(zip(asked, answers, strict=True))
    away = [part for part in answers if isinstance(part, Problem)]
    return Known(instant, {name: None if isinstance(part, Problem) else part for name, part in parts.items()}, away)


async def _lines(apis: Apis, subject: Subject, stamp: Mapping[str, str | None]) -> Any:
    """What the session's events came to, on whichever statement: one that was closed has its correction on a later."""
    told = await apis.get(path("audit"), **subject.asked, limit=EVENTS_ASKED)
    events = [item["event_id"] for item in told["items"]]
    return await apis.get(path("statement-lines"), event_id=events, **stamp) if events else {"items": []}


def _named(then: Known, now: Known) -> dict[str, set[str | None]]:
    selves = [known.parts["self"] or {} for known in (then, now)]
    return {
        "students": {one.get("student_id") for one in selves if "starts_at" in one},
        "mentors": {one.get("mentor_id") for one in selves if "capacity" not in one},
    }


def _facts(visit: Visit, kind: str, then: Known, now: Known, known: people.People) -> list[Fact]:
    rows: Callable[[Visit, Known, people.People], Mapping[str, str]]
    match kind:
        case "etudiant":
            rows = _of_student
        case "mentor":
            rows = _of_mentor
        case _:
            rows = _of_session
    before = rows(visit, then, known) if then.parts["self"] is not None else {}
    after = rows(visit, now, known) if now.parts["self"] is not None else {}
    return [Fact(name, before.get(name), said) for name, said in after.items()]


def _of_student(visit: Visit, at: Known, known: people.People) -> dict[str, str]:
    student = Student.model_validate(at.parts["self"])
    say, words = visit.say, Words(visit.language)
    rows = {
        say("Nom"): student.name,
        say("E-mail"): student.email,
        say("Mentor"): known.mentor(student.mentor_id),
        say("Parcours"): student.path,
        say("Projet en cours"): student.project,
        say("Financement"): words.funding(student.funding),
    }
    if at.parts.get("sessions") is not None:
        sessions = [Session.model_validate(item) for item in at.parts["sessions"]["items"]]
        names = {
            "scheduled": say("Sessions prévues"),
            "held": say("Sessions tenues"),
            "cancelled": say("Sessions annulées"),
        }
        for status, name in names.items():
            rows[name] = visit.language.number(sum(session.status == status for session in sessions))
    if at.parts.get("file") is not None:
        file = Attendance.model_validate(at.parts["file"])
        summary = attendance_file.summary(file, calendar.this_week(at.instant, visit.portal.school_zone))
        rows |= {
            say("Présences au dossier"): str(summary.attended),
            say("Absences excusées"): str(summary.excused),
            say("Absences non excusées"): str(summary.unexcused),
            say("Absences à qualifier"): str(summary.to_qualify),
            say("Semaines sans session"): str(summary.missing_weeks),
        }
    return rows


def _of_mentor(visit: Visit, at: Known, _: people.People) -> dict[str, str]:
    mentor = Mentor.model_validate(at.parts["self"])
    say = visit.say
    rows = {
        say("Nom"): mentor.name,
        say("E-mail"): mentor.email,
        say("Capacité d'accueil"): str(mentor.capacity),
        say("Étudiants accompagnés"): "–" if mentor.students is None else str(mentor.students),
        say("Parcours"): ", ".join(mentor.paths) or "–",
        say("Projets"): ", ".join(mentor.projects) or "–",
    }
    if at.parts.get("statement") is not None:
        statement = Statement.model_validate(at.parts["statement"])
        month = visit.language.month(statement.month)
        rows[say("Appel à facturation de %(month)s", month=month)] = say(
            "%(total)s, %(lines)s lignes, %(status)s",
            total=visit.language.money(statement.total_cents, statement.currency),
            lines=len(statement.lines),
            status=say("clôturé") if statement.status == "closed" else say("ouvert"),
        )
    return rows


def _of_session(visit: Visit, at: Known, known: people.People) -> dict[str, str]:
    session = Session.model_validate(at.parts["self"])
    say, words, language = visit.say, Words(visit.language), visit.language
    rows = {
        say("Date"): language.moment(session.starts_at, session.timezone),
        say("Durée"): language.duration(session.duration_minutes),
        say("Mentor"): known.mentor(session.mentor_id),
        say("Statut"): words.status(session.status),
        say("Motif"): words.reason(session.reason) or "–",
        say("Cause"): words.cause(session.cause) or "–",
        say("Rattrapage"): words.recoverable(session.recoverable) if session.status == "cancelled" else "–",
        say("Raison partagée avec l'étudiant"): session.note or "–",
    }
    if at.parts.get("file") is not None:
        weeks = Attendance.model_validate(at.parts["file"]).weeks
        found = [one for week in weeks for one in week.sessions if one.session_id == session.session_id]
        rows[say("Dossier de l'étudiant")] = words.standing(found[-1].counts_as) if found else "–"
    if at.parts.get("lines") is not None:
        standing = [line for line in at.parts["lines"]["items"] if line["superseded_by"] is None]
        worth = sum(line["amount_cents"] for line in standing)
        rows[say("Appel à facturation")] = language.money(worth, standing[0]["currency"]) if standing else "–"
    return rows
