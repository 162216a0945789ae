"""Sessions, forms and headers: what a stranger sends is refused, and nobody is sent elsewhere."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from services.chassis.auth import LOCAL_ISSUER, LocalIssuer
from services.chassis.settings import Settings
from services.portal.edges.oidc import Client
from services.portal.edges.routes import API_SERVICES, Upstreams
from services.portal.edges.session_cookie import Person, Session, SessionCookies
from services.portal.edges.settings import session_key
from services.portal.edges.sign_in import inside
from services.portal.main import SignIn, create_portal

KEY = b"k" * 32
CHOOSE = (
    "/issuer/authorize?response_type=code&client_id=relais-portal&state=s&nonce=n&code_challenge=c"
    "&code_challenge_method=S256&redirect_uri=http%3A%2F%2Ftestserver%2Fconnexion%2Fretour"
)
PERSON = Person(role="mentor", email="a@example.org", name="Alice", person_id="1", token="t")


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    """The portal where every service is away."""
    issuer = LocalIssuer(tmp_path / "issuer")
    app = create_portal(
        upstreams=Upstreams(dict.fromkeys(API_SERVICES, "http://127.0.0.1:9")),
        issuer=issuer,
        sign_in=SignIn(Client("relais-portal", None, "http://testserver"), LOCAL_ISSUER, "http://127.0.0.1:9/issuer"),
        authenticator=issuer.authenticator(),
        key=KEY,
        school_zone="Europe/Paris",
        support_email="support@example.org",
    )
    return TestClient(app, base_url="http://testserver", follow_redirects=False)


def cookie_of(session: Session, key: bytes = KEY) -> str:
    request, response = _request({}), Response()
    SessionCookies(key).write(request, response, session)
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


def csrf_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return found[1]


def test_a_session_comes_back_as_it_was_written() -> None:
    session = Session.fresh(PERSON)
    assert SessionCookies(KEY).read(_request({"relais_session": cookie_of(session)})) == session


def test_the_cookie_shows_nothing_of_the_token() -> None:
    sealed = cookie_of(Session.fresh(replace(PERSON, token="secret-token")))
    assert "secret" not in sealed
    assert sealed.count(".") == 4


@pytest.mark.parametrize("change", ["one letter", "another key", "over", "no cookie", "unsealed", "none"])
def test_a_cookie_that_is_not_ours_is_no_session(change: str) -> None:
    session = Session.fresh(PERSON)
    sealed = cookie_of(session)
    forged = {
        "one letter": sealed[:-6] + ("A" if sealed[-6] != "A" else "B") + sealed[-5:],
        "another key": cookie_of(session, b"x" * 32),
        "over": cookie_of(replace(session, expires_at=int(time.time()) - 1)),
        "no cookie": "rubbish",
        "unsealed": "eyJhbGciOiJub25lIn0.eyJwZXJzb24iOm51bGx9.",
        "none": "",
    }[change]
    assert SessionCookies(KEY).read(_request({"relais_session": forged})) is None


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_secure_over_https() -> None:
    for scheme, name, secure in (("http", "relais_session", False), ("https", "__Host-relais_session", True)):
        response = Response()
        SessionCookies(KEY).write(_request({}, scheme=scheme), response, Session.fresh())
        header = response.headers["set-cookie"]
        assert header.startswith(name + "=")
        assert "HttpOnly" in header
        assert "SameSite=lax" in header
        assert ("Secure" in header) is secure


def test_each_form_needs_the_token_of_its_own_session(client: TestClient) -> None:
    page = client.get(CHOOSE)
    good = csrf_of(page)
    for path in (CHOOSE, "/deconnexion", "/langue"):
        for wrong in ({}, {"csrf": ""}, {"csrf": "x" * len(good)}):
            assert client.post(path, data=wrong).status_code == 403
    assert client.post("/langue", data={"csrf": good, "langue": "en"}).status_code == 303
    from_elsewhere = client.post(
        "/langue", data={"csrf": good, "langue": "en"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert from_elsewhere.status_code == 403


def test_pages_allow_no_inline_code_and_no_other_host(client: TestClient) -> None:
    for path in (CHOOSE, "/connexion", "/deconnecte", "/nothing", "/docs"):
        page = client.get(path)
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?! src=)", page.text)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)


def test_a_page_needs_somebody_signed_in(client: TestClient) -> None:
    answer = client.get("/etudiants")
    assert (answer.status_code, answer.headers["location"]) == (303, "/connexion?suite=/etudiants")


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("student", "/etudiants"),
        ("student", "/journal"),
        ("student", "/appel-a-facturation"),
        ("mentor", "/recherche"),
        ("mentor", "/journal"),
        ("mentor", "/e-mails"),
        ("mentor", "/facturation"),
        ("billing", "/journal"),
        ("billing", "/dossiers"),
        ("training", "/facturation"),
        ("training", "/e-mails"),
    ],
)
def test_a_page_of_another_role_is_refused_in_words(client: TestClient, role: Any, path: str) -> None:
    client.cookies.set("relais_session", cookie_of(Session.fresh(replace(PERSON, role=role))))
    page = client.get(path)
    assert page.status_code == 403
    assert "ne vous est pas destinée" in page.text


def test_where_services_are_away_pages_say_so(client: TestClient) -> None:
    client.cookies.set("relais_session", cookie_of(Session.fresh(PERSON)))
    page = client.get("/")
    assert page.status_code == 503
    assert "ne répond pas" in page.text
    assert "Une partie de cette page manque" in client.get(CHOOSE).text


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil",
        "",
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(elsewhere: str) -> None:
    assert inside(elsewhere) == "/"


def test_one_is_sent_back_to_where_one_was() -> None:
    assert inside("/sessions/1?vue=passees") == "/sessions/1?vue=passees"


def test_the_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    key = session_key(settings)
    assert session_key(settings) == key
    assert (tmp_path / "portal.key").stat().st_mode & 0o077 == 0


def test_a_key_that_is_given_counts(tmp_path: Path) -> None:
    assert session_key(Settings(data_dir=tmp_path, portal_key=SecretStr("ab" * 32))) == b"\xab" * 32
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        session_key(Settings(data_dir=tmp_path, portal_key=SecretStr("abcd")))


def test_the_local_issuer_publishes_its_public_key_alone(client: TestClient) -> None:
    document = client.get("/issuer/.well-known/openid-configuration").json()
    keys = client.get(document["jwks_uri"].removeprefix("http://testserver")).json()["keys"]
    assert [key["kty"] for key in keys] == ["EC"]
    assert "d" not in keys[0]


def _request(cookies: dict[str, str], scheme: str = "http") -> Request:
    header = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
    return Request(
        {
            "type": "http",
            "method": "GET",
            "scheme": scheme,
            "server": ("testserver", 80),
            "path": "/",
            "query_string": b"",
            "headers": [(b"cookie", header)] if header else [],
        }
    )
