"""A whole Relais with a school whose every text is hostile, and browsers that sign in as people do."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import RunningRelais
from tests.journeys.school import School, eventually

MARK = "zqx"
SCRIPT = f"\"'><script>alert('{MARK}')</script><img src=x onerror=alert(1)>{{{{7*7}}}}</title>"
SLOW_S = 60.0


@dataclass
class Tried:
    """What each corpus tried, and how much of it was refused or came out harmless."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, corpus: str, *, refused: bool) -> None:
        self.counts.setdefault(corpus, Counter()).update(tried=1, refused=int(refused))

    def table(self) -> str:
        rows = [f"{name:<44}{count['tried']:>7}{count['refused']:>9}" for name, count in self.counts.items()]
        return "\n".join([f"{'corpus':<44}{'tried':>7}{'refused':>9}", *rows])


@pytest.fixture(scope="session")
def tried(request: pytest.FixtureRequest) -> Iterator[Tried]:
    found = Tried()
    yield found
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + found.table())


@dataclass
class Hostile:
    """A school that an attacker filled in; ``text`` stands in every field that takes one."""

    school: School
    mentor: dict[str, Any]
    student: dict[str, Any]
    session: dict[str, Any]


def hostile_school(school: School, text: str) -> Hostile:
    """One mentor, one student, a cancelled session with a note, a correction, comments, an absence and its help."""
    label = text[:100]
    mentor = school.mentor(name=text[:200], paths=(label, "Python"))
    student = school.student(mentor, name=text[:200], path=label, project="Projet 1")
    soon = datetime.now(UTC).replace(microsecond=0)
    session = school.session(student, soon - timedelta(hours=2))
    cancel = {"reason": "other", "cause": "force_majeure", "note": text}
    school.ok("POST", f"/sessions/{session['session_id']}/cancellation", cancel, role="mentor")
    school.session(student, soon + timedelta(days=3))
    school.ok(
        "POST", f"/students/{student['student_id']}/comments", {"text": text}, role="mentor", email=mentor["email"]
    )
    days = {"from": str((soon + timedelta(days=2)).date()), "to": str((soon + timedelta(days=20)).date())}
    by = {"role": "mentor", "email": mentor["email"]}
    absence = school.ok("POST", f"/mentors/{mentor['mentor_id']}/absences", days, **by)
    school.call("POST", f"/absences/{absence['absence_id']}/help-requests", {"message": text}, **by)
    other = school.session(student, soon - timedelta(hours=5))
    school.ok("POST", f"/sessions/{other['session_id']}/completion", role="mentor")
    school.ok("POST", f"/sessions/{other['session_id']}/correction",
              {"status": "cancelled", "reason": "other", "cause": "platform", "why": text})  # fmt: skip
    eventually(lambda: school.ok("GET", "/emails?to=" + student["email"])["items"], within_s=SLOW_S)
    return Hostile(school, mentor, student, session)


@pytest.fixture(scope="session")
def school(relais: RunningRelais) -> School:
    return School(relais)


@pytest.fixture(scope="session")
def hostile(school: School) -> Hostile:
    return hostile_school(school, SCRIPT)
