"""Pages over services that answer as these tests want: how far behind, how long a list, how late."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from services.chassis.auth import LOCAL_ISSUER, Authenticator, OidcKeys
from services.portal.edges.oidc import Client
from services.portal.edges.routes import API_SERVICES, Upstreams
from services.portal.edges.session_cookie import Person, Session
from services.portal.main import SignIn, create_portal
from tests.portal.test_proxy import Server
from tests.portal.test_safety import KEY, cookie_of, csrf_of

STREAM = {"accept": "text/event-stream"}
COME_BACK_LATER = (200, "text/event-stream; charset=utf-8", "retry: 30000\n\n")
MENTOR = Person(role="mentor", email="a@example.org", name="Alice", person_id="m", token="t")
STUDENT = Person(role="student", email="e@example.org", name="Éva", person_id="e", token="t")
SUPPORT = Person(role="support", email="s@example.org", name="Sam", person_id=None, token="t")


@dataclass
class Services:
    """All of them in one, by path; whatever has no answer here is away (503)."""

    answers: dict[str, Callable[[Request], Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.url.path}")
        known = self.answers.get(request.url.path)
        if known is None:
            return JSONResponse({"code": "service_unavailable", "detail": "Absent."}, 503)
        return JSONResponse(known(request))


@pytest.fixture
def services() -> Iterator[tuple[Services, str]]:
    here = Services()
    server = Server(Starlette(routes=[Route("/{rest:path}", here.answer, methods=["GET", "POST", "PUT"])]))
    yield here, server.url
    server.stop()


@contextmanager
def portal_of(url: str, person: Person) -> Iterator[TestClient]:
    app = create_portal(
        upstreams=Upstreams(dict.fromkeys(API_SERVICES, url)),
        issuer=None,
        sign_in=SignIn(Client("relais-portal", None, "http://testserver"), LOCAL_ISSUER, None),
        authenticator=Authenticator(OidcKeys("http://127.0.0.1:9")),
        key=KEY,
        school_zone="Europe/Paris",
        support_email="support@example.org",
    )
    with TestClient(app, base_url="http://testserver", follow_redirects=False) as client:
        client.cookies.set("relais_session", cookie_of(Session.fresh(person)))
        yield client


def held(recorded_at: datetime) -> Mapping[str, Callable[[Request], Any]]:
    """A session and its event; statement and file do not know of it yet."""
    session = {
        "session_id": "s", "student_id": "e", "mentor_id": "m", "starts_at": "2026-11-24T17:00:00Z",
        "duration_minutes": 45, "status": "held",
    }  # fmt: skip
    event = {"event_id": "1", "type": "relais.sessions.SessionHeld.v1", "recorded_at": recorded_at.isoformat()}
    return {
        "/api/sessions/s": lambda _: session,
        "/api/sessions/s/history": lambda _: {"items": [event | {"data": {}}]},
        "/api/mentors/m/statements/2026-11": lambda _: {
            "mentor_id": "m", "month": "2026-11", "status": "open", "currency": "EUR", "total_cents": 0, "lines": [],
        },
        "/api/students/e/attendance": lambda _: {"student_id": "e", "weeks": []},
    }  # fmt: skip


def test_what_an_event_caused_is_no_longer_looked_for_once_it_takes_so_long_that_the_page_says_so(
    services: tuple[Services, str],
) -> None:
    here, url = services
    here.answers |= held(datetime.now(UTC) - timedelta(seconds=61))
    with portal_of(url, MENTOR) as browser:
        stream = browser.get("/sessions/s/effets", headers=STREAM)
    assert stream.status_code == 200
    assert "le support peut dire ce qui la retient" in stream.text
    assert stream.text.endswith("event: complete\ndata: \n\n")
    assert here.asked.count("GET /api/students/e/attendance") == 1


def test_a_stream_whose_service_is_away_is_told_to_come_back_and_a_stranger_is_not(
    services: tuple[Services, str],
) -> None:
    _, url = services
    with portal_of(url, MENTOR) as browser:
        stream = browser.get("/sessions/s/effets", headers=STREAM)
        assert (stream.status_code, stream.headers["content-type"], stream.text) == COME_BACK_LATER
        assert browser.get("/retards/direct", headers=STREAM).status_code == 403
        assert browser.get("/sessions/s/effets").status_code == 503


@pytest.mark.parametrize(("code", "says"), [("fr", "Demande trop longue"), ("en", "Request too long")])
def test_what_no_page_could_answer_is_still_a_page(services: tuple[Services, str], code: str, says: str) -> None:
    with portal_of(services[1], MENTOR) as browser:
        browser.cookies.set("relais_language", code)
        sent = browser.post("/langue", content=b"x" * 1_100_000)
        assert (sent.status_code, sent.headers["content-type"]) == (413, "text/html; charset=utf-8")
        assert says in sent.text
        assert sent.headers["connection"] == "close"
        long = browser.get("/" + "x" * 60_000, headers={"x": "x" * 6_000})
        assert (long.status_code, long.headers["content-type"]) == (431, "text/html; charset=utf-8")
        machine = browser.post("/issuer/token", content=b"x" * 1_100_000)
        assert (machine.status_code, machine.headers["content-type"]) == (413, "application/problem+json")


def test_a_student_who_changes_the_pages_language_alone_chooses_none_for_the_emails(
    services: tuple[Services, str],
) -> None:
    here, url = services
    here.answers["/api/students/e"] = lambda _: {
        "student_id": "e", "email": "e@example.org", "name": "Éva", "language": "fr",
    }  # fmt: skip
    here.answers["/api/students/e/language"] = lambda _: {}
    with portal_of(url, STUDENT) as browser:
        page = browser.get("/mon-compte")
        [shown] = re.findall(r'name="courrier_montre" value="(\w+)"', page.text)
        form = {"csrf": csrf_of(page), "courrier_montre": shown, "courrier": "fr", "langue": "en"}
        answer = browser.post("/mon-compte/langue", data=form)
        assert (answer.status_code, "relais_language=en" in answer.headers["set-cookie"]) == (303, True)
        assert "PUT /api/students/e/language" not in here.asked
        assert browser.post("/mon-compte/langue", data=form | {"courrier": "en"}).status_code == 303
        assert here.asked.count("PUT /api/students/e/language") == 1


def waiting(count: int) -> Mapping[str, Callable[[Request], Any]]:
    """So many events set aside under one key, a page at a time."""

    def parked(number: int) -> Mapping[str, Any]:
        return {
            "service": "billing", "parked_id": number, "topic": "relais.sessions", "partition": 0, "offset": number,
            "key": "k", "state": "waiting", "error": "?", "parked_at": "2026-11-24T17:00:00Z",
        }  # fmt: skip

    def listed(request: Request) -> Any:
        begin = int(request.query_params.get("cursor", "1"))
        end = min(begin + int(request.query_params["limit"]), count + 1)
        following = str(end) if end <= count else None
        return {"items": [parked(number) for number in range(begin, end)], "next_cursor": following}

    return {"/api/parked/billing": listed, "/api/parked/billing/1": lambda _: parked(1)}


@pytest.mark.parametrize(
    ("count", "behind", "more", "button"),
    [
        (1, "Rien d'autre n'attend derrière celui-ci.", "", "Reprendre cet événement"),
        (201, "200 événements attendent derrière celui-ci.", "… et 181 autres.", "Reprendre ces 201 événements"),
        (1_000, "999 événements attendent derrière celui-ci.", "… et 980 autres.", "Reprendre ces 1000 événements"),
        (1_001, "dont au moins 999 derrière celui-ci", "… et au moins 980 autres.", "Reprendre tous ces événements"),
    ],
)
def test_what_waits_behind_an_event_is_counted_whole_or_said_to_be_at_least_so_many(
    services: tuple[Services, str], count: int, behind: str, more: str, button: str
) -> None:
    here, url = services
    here.answers |= waiting(count)
    with portal_of(url, SUPPORT) as browser:
        skip, retry = (browser.get(f"/mis-de-cote/billing/1/{what}").text for what in ("abandon", "reprise"))
    assert behind in skip
    assert more in skip
    assert button in retry
