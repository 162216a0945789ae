"""What the absence assistant shows, worked out from what the services said: dates, what is missed, words to send."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from urllib.parse import quote

from services.portal.edges.language import from_local, zone_of
from services.portal.edges.shapes import Absence, AbsenceItem, AbsentStudent, Session, Student
from services.portal.edges.visit import Visit
from services.portal.pages.calendar import Span, days_span

SLOTS_LOOKED_AT: Final = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One student of an absence. ``missed``: their sessions within it, whoever holds them."""

    student: AbsentStudent
    missed: Sequence[Session]
    mentor_name: str | None

    @property
    def still_with_me(self) -> Sequence[Session]:
        """What is to be moved out of the absence where the student is kept."""
        return [session for session in self.missed if session.status == "scheduled"]


def span_of(absence: AbsenceItem, zone: str) -> Span:
    """The absence from its first instant to its last, excluded."""
    if isinstance(absence.starts, datetime) and isinstance(absence.ends, datetime):
        return Span(absence.starts, absence.ends)
    days = (_date(absence.ends) - _date(absence.starts)).days + 1
    return days_span(_date(absence.starts), zone, days)


def period_words(visit: Visit, absence: AbsenceItem, zone: str) -> str:
    """« du jeudi 3 au dimanche 13 décembre 2026 »"""
    language = visit.language
    if isinstance(absence.starts, datetime) and isinstance(absence.ends, datetime):
        return visit.say(
            "du %(first)s au %(last)s",
            first=language.moment(absence.starts, zone),
            last=language.moment(absence.ends, zone),
        )
    if absence.starts == absence.ends:
        return visit.say("le %(day)s", day=language.full_date(absence.starts))
    first, last = language.days(absence.starts, absence.ends)
    return visit.say("du %(first)s au %(last)s", first=first, last=last)


def cases(absence: Absence, within: Sequence[Session], present: Mapping[str, Student]) -> list[Case]:
    """Each student with the sessions that fall into the absence; who is still waiting comes first."""
    of_student: dict[str, list[Session]] = {}
    for session in sorted(within, key=lambda session: session.starts_at):
        if session.status != "cancelled":
            of_student.setdefault(session.student_id, []).append(session)
    found = [
        Case(
            student,
            of_student.get(student.student_id, []),
            present[student.student_id].mentor_name if student.student_id in present else None,
        )
        for student in absence.students
    ]
    return sorted(found, key=lambda case: (case.student.done, case.student.advice == "keep"))


def warning_mail(visit: Visit, absence: AbsenceItem, words: str, addresses: Sequence[str]) -> str:
    """A letter to the students concerned, ready to be sent from the mentor's own mail (T10, T13)."""
    text = visit.say(
        "Bonjour,\n\nJe serai en congé %(period)s et de retour le %(back)s. Pendant ce temps, un autre mentor "
        "prend le relais ou nous déplaçons votre session : je vous dis lequel des deux sous peu.\n\n%(name)s",
        period=words,
        back=visit.language.full_date(absence.return_on),
        name=visit.person.name,
    )
    subject = visit.say("Mon absence %(period)s", period=words)
    return f"mailto:?bcc={quote(','.join(addresses), safe='@,')}&subject={quote(subject)}&body={quote(text)}"


def handover(visit: Visit, absence: AbsenceItem, student: Student, sessions: Sequence[Session]) -> dict[str, str]:
    """The four parts of the hand-over comment (T14), filled in as far as the platform knows them."""
    zone = visit.portal.school_zone
    starts = absence.starts if not isinstance(absence.starts, datetime) else visit.language.local(absence.starts).date()
    lines = [
        visit.say("Projet en cours : %(project)s", project=student.project),
        *_habits(visit, sessions, zone),
        visit.say("Points bloquants : "),
        visit.say("Là où l'étudiant en est : "),
    ]
    return {
        "mentor_name": visit.person.name,
        "leave_from": starts.isoformat(),
        "return_on": absence.return_on.isoformat(),
        "about_the_student": "\n".join(lines),
    }


def period_body(form: Mapping[str, str], zone: str) -> dict[str, str]:
    """The dates of a form as the service takes them: two days, or two instants where hours are given too."""
    starts, ends = form.get("du", ""), form.get("au", "")
    if not form.get("de_h") and not form.get("a_h"):
        return {"from": starts, "to": ends}
    return {
        "from": _instant(f"{starts}T{form.get('de_h') or '00:00'}", zone),
        "to": _instant(f"{ends}T{form.get('a_h') or '23:59'}", zone),
    }


def _instant(text: str, zone: str) -> str:
    try:
        return from_local(text, zone).isoformat()
    except ValueError:
        return text


def _habits(visit: Visit, sessions: Sequence[Session], zone: str) -> list[str]:
    lately = sorted(
        (session for session in sessions if session.status != "cancelled"), key=lambda session: session.starts_at
    )[-SLOTS_LOOKED_AT:]
    said: list[str] = []
    slots = Counter(
        (local.isoweekday(), local.strftime("%H:%M"))
        for local in (session.starts_at.astimezone(zone_of(session.timezone or zone)) for session in lately)
    )
    if slots:
        (weekday, clock), _ = slots.most_common(1)[0]
        said.append(
            visit.say("Créneau habituel : %(day)s à %(clock)s", day=visit.language.weekday(weekday), clock=clock)
        )
    held = [session for session in sessions if session.status == "held"]
    if held:
        last = max(held, key=lambda session: session.starts_at)
        said.append(visit.say("Dernière session tenue : %(day)s", day=visit.language.day(last.starts_at)))
    to_make_up = sum(1 for session in sessions if session.to_make_up)
    if to_make_up:
        said.append(visit.say("Sessions à rattraper : %(count)s", count=to_make_up))
    return said


def _date(value: object) -> date:
    assert isinstance(value, date)
    return value
