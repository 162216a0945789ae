"""`python -m benchmarks.pages [ROUNDS]`: p50 and p99 of the teams' pages with 100,000 sessions and 5,000 students.

The school is written by SQL (``pages.sql``) into an empty Relais; one student and one mentor of it are registered by
command as well, since their own pages read the event store. Prints a table; nothing is written.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Final

import httpx
import psycopg
from starlette.requests import Request
from starlette.responses import Response

from services.portal.edges.session_cookie import Person, Role, Session, SessionCookies
from tests.conftest import RunningRelais, start_relais
from tests.journeys.school import School

ROUNDS: Final = 40
WARM_UP: Final = 3
SCHOOL: Final = Path(__file__).with_name("pages.sql")


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="relais-bench-") as folder:
        relais = start_relais(Path(folder) / "data", "--empty")
        try:
            student_id, mentor_id = _fill(relais)
            print(f"{rounds} rounds a page, one client, times at the server's edge in ms")
            for role, pages in _pages(student_id, mentor_id).items():
                with _client(relais, role) as client:
                    for page in pages:
                        _measure(client, f"{role:9}", page, rounds)
        finally:
            relais.stop()


def _fill(relais: RunningRelais) -> tuple[str, str]:
    started = time.monotonic()
    with psycopg.connect(relais.database_url) as connection:
        connection.execute(SCHOOL.read_bytes())
        ids = connection.execute("SELECT md5('student 7')::uuid, md5('mentor 8')::uuid").fetchone()
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM sessions.sessions_list), (SELECT count(*) FROM transfers.student_list)"
        ).fetchone()
    assert ids is not None
    assert counts is not None
    print(f"{counts[0]:,} sessions, {counts[1]:,} students in {time.monotonic() - started:.0f} s")
    school = School(relais)
    student_id, mentor_id = map(str, ids)
    mentor = {
        "email": "mentor8@bench.example",
        "name": "Mentor 0008",
        "capacity": 30,
        "paths": ["Python", "Design"],
        "projects": ["Projet 1"],
        "timezone": "Europe/Paris",
    }
    school.ok("PUT", f"/mentors/{mentor_id}", mentor, role="directory")
    student = {
        "email": "eleve7@bench.example",
        "name": "Élève 00007",
        "path": "Design",
        "project": "Projet 1",
        "funding": "apprenticeship",
        "mentor_id": mentor_id,
        "language": "fr",
    }
    school.ok("PUT", f"/students/{student_id}", student, role="directory")
    time.sleep(2)
    return student_id, mentor_id


def _pages(student_id: str, mentor_id: str) -> Mapping[Role, tuple[str, ...]]:
    last_month = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    return {
        "support": (
            "/",
            "/recherche?q=eleve+0123",
            f"/recherche?q={mentor_id}x",
            f"/chronologie/etudiant/{student_id}",
            f"/chronologie/mentor/{mentor_id}",
            f"/a-une-date/etudiant/{student_id}",
            f"/a-une-date/mentor/{mentor_id}",
            "/aide",
            "/journal",
            "/e-mails",
            "/e-mails?q=eleve7%40bench.example",
            "/mis-de-cote",
            f"/etudiants/{student_id}",
            f"/etudiants/{student_id}/assiduite",
        ),
        "billing": (
            "/facturation",
            f"/facturation?mois={last_month}",
            f"/facturation/cloture?mois={last_month}",
            f"/facturation/{mentor_id}/{last_month}",
            "/contestations",
        ),
        "training": (
            "/continuite",
            "/continuite?financement=apprenticeship",
            "/dossiers",
            f"/dossiers?mois={last_month}&financement=third_party&parcours=Python",
        ),
    }


def _client(relais: RunningRelais, role: Role) -> httpx.Client:
    """Somebody of the team who is signed in: the session is sealed with the portal's own key."""
    email = f"{role}@ecole.example.org"
    person = Person(role=role, email=email, name=role, person_id=None, token=relais.token(role, email))
    key = bytes.fromhex((relais.data_dir / "portal.key").read_text().strip())
    request = Request(
        {"type": "http", "method": "GET", "scheme": "http", "path": "/", "headers": [], "query_string": b""}
    )
    response = Response()
    SessionCookies(key).write(request, response, Session.fresh(person))
    cookies = SimpleCookie(", ".join(response.headers.getlist("set-cookie")))
    return httpx.Client(base_url=relais.url, cookies={name: one.value for name, one in cookies.items()}, timeout=60)


def _measure(client: httpx.Client, who: str, page: str, rounds: int) -> None:
    times_ms = []
    answer = client.get(page)
    for number in range(rounds + WARM_UP):
        began = time.perf_counter()
        answer = client.get(page)
        if number >= WARM_UP:
            times_ms.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(times_ms, n=100, method="inclusive")
    kilobytes = len(answer.content) / 1000
    print(
        f"{who} {answer.status_code}  p50 {cuts[49]:7.1f}  p99 {cuts[98]:7.1f}  {kilobytes:5.1f} kB  {page}", flush=True
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
