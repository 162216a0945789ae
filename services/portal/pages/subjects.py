"""What support looks at over time: a student, a mentor, a session or an absence, and how the audit log knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Session
from services.portal.edges.visit import Visit

# Kind as in an address → where it is read, the audit log's parameter, and the page on which it is worked on.
KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "etudiant": ("students", "student_id", "/etudiants/{id}"),
    "mentor": ("mentors", "mentor_id", ""),
    "session": ("sessions", "subject", "/sessions/{id}"),
    "absence": ("absences", "subject", ""),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """``asked`` is the audit log's parameter; ``page`` is empty where there is none; ``now`` is None while away."""

    kind: str
    identity: str
    title: str
    page: str
    asked: Mapping[str, str]
    now: Mapping[str, Any] | None

    @property
    def address(self) -> str:
        return path(KINDS[self.kind][0], self.identity)


async def subject_of(visit: Visit, kind: str, identity: str) -> Subject:
    """Raises Problem where there is no such thing; one whose service is away still has its timeline."""
    if kind not in KINDS:
        raise Problem(404, "not_found", "")
    resource, parameter, page = KINDS[kind]
    found = await or_problem(visit.apis.get(path(resource, identity)))
    if isinstance(found, Problem) and found.status < 500:
        raise found
    now = None if isinstance(found, Problem) else found
    return Subject(
        kind, identity, _title(visit, kind, now) or identity, page.format(id=identity), {parameter: identity}, now
    )


def _title(visit: Visit, kind: str, now: Mapping[str, Any] | None) -> str:
    if now is None:
        return ""
    match kind:
        case "session":
            session = Session.model_validate(now)
            return visit.say("Session du %(at)s", at=visit.language.short_moment(session.starts_at, session.timezone))
        case "absence":
            return visit.say("Absence du %(first)s au %(last)s", first=_day(now["from"]), last=_day(now["to"]))
        case _:
            return str(now["name"])


def _day(written: str) -> str:
    year, month, day = written[:10].split("-")
    return f"{day}/{month}/{year}"
