"""Pages over services that answer as these tests want: how far behind, how long a list, how late."""

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
from tests.portal.test_safety import KEY, cookie_of

STREAM = {"accept": "text/event-stream"}
COME_BACK_LATER = (200, "text/event-stream; charset=utf-8", "retry: 30000\n\n")
MENTOR = Person(role="mentor", email="a@example.org", name="Alice", person_id="m", token="t")
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
