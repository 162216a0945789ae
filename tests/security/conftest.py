"""A whole Relais with a school whose every text is hostile, and browsers that sign in as people do."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningRelais
from tests.journeys.school import School, eventually

MARK = "zqx"
SCRIPT = f"\"'><script>alert('{MARK}')</script><img src=x onerror=alert(1)>{{{{7*7}}}}</title>"
SLOW_S = 60.0
HEAD = """# What the security corpora tried

Written by `make security` on a whole running Relais; no figure here was typed by a person. *Refused* counts what was
turned down or came out harmless; a run in which the two differ fails.

| corpus | tried | refused |
|---|---|---|"""


@dataclass
class Tried:
    """What each corpus tried, and how much of it was refused or came out harmless."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, corpus: str, *, refused: bool) -> None:
        self.counts.setdefault(corpus, Counter()).update(tried=1, refused=int(refused))

    @property
    def rows(self) -> list[tuple[str, int, int]]:
        return [(name, count["tried"], count["refused"]) for name, count in sorted(self.counts.items())]

    def table(self) -> str:
        lines = [f"{name:<52}{tried:>7}{refused:>9}" for name, tried, refused in self.rows]
        return "\n".join([f"{'corpus':<52}{'tried':>7}{'refused':>9}", *lines])

    def keep(self, path: Path) -> None:
        lines = [f"| {name} | {tried} | {refused} |" for name, tried, refused in self.rows]
        path.write_text("\n".join([HEAD, *lines]) + "\n")


TRIED = pytest.StashKey[Tried]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--totals", type=Path, default=None, help="keeps the table of what was tried in this file")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TRIED] = Tried()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash[TRIED]
    if not found.counts:
        return
    terminalreporter.write_line(f"\n{found.table()}")
    path = config.getoption("--totals", default=None)
    if path is not None:
        found.keep(path)


@pytest.fixture(scope="session")
def tried(pytestconfig: pytest.Config) -> Tried:
    return pytestconfig.stash[TRIED]


@dataclass
class Hostile:
    """A school that an attacker filled in; ``text`` stands in every field that takes one."""

    school: School
    mentor: dict[str, Any]
    student: dict[str, Any]
    session: dict[str, Any]


def hostile_school(school: School, text: str) -> Hostile:
    """One mentor, one student, a cancelled session with a note, a correction, comments, an absence and its help, and a
    disputed line."""
    label = text[:100]
    mentor = school.mentor(name=text[:200], paths=(label, "Python"), projects=[label])
    student = school.student(mentor, name=text[:200], path=label, project=label)
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
    month = f"/mentors/{mentor['mentor_id']}/statements/{session['starts_at'][:7]}"
    lines = eventually(
        lambda: [
            line
            for line in school.call("GET", month).json().get("lines", ())
            if line["session_id"] == session["session_id"]
        ],
        within_s=SLOW_S,
    )
    school.ok("POST", f"{month}/lines/{lines[0]['line_id']}/dispute", {"reason": text}, **by)
    eventually(lambda: school.ok("GET", "/emails?to=" + student["email"])["items"], within_s=SLOW_S)
    return Hostile(school, mentor, student, session)


@pytest.fixture(scope="session")
def school(relais: RunningRelais) -> School:
    return School(relais)


@pytest.fixture(scope="session")
def hostile(school: School) -> Hostile:
    return hostile_school(school, SCRIPT)
