"""Signing in by OpenID Connect, at a provider that is not ours: what it must say, and what is refused."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from services.chassis.auth import Authenticator, OidcKeys
from services.portal.edges.oidc import Client
from services.portal.edges.routes import API_SERVICES, Upstreams
from services.portal.main import WELL_KNOWN, SignIn, create_portal
from tests.portal.provider import CLIENT_ID, SECRET, OtherProvider, running_provider
from tests.portal.test_safety import KEY, csrf_of

PORTAL = "https://relais.school.example"


@pytest.fixture(scope="module")
def running() -> Iterator[OtherProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: OtherProvider) -> OtherProvider:
    fresh = OtherProvider(url=running.url)
    running.__dict__.update(fresh.__dict__)
    return running


@contextmanager
def portal_of(provider: OtherProvider) -> Iterator[TestClient]:
    """A process of the portal, with a browser of its own; all of them have the same key."""
    app = create_portal(
        upstreams=Upstreams(dict.fromkeys(API_SERVICES, "http://127.0.0.1:9")),
        issuer=None,
        sign_in=SignIn(Client(CLIENT_ID, SECRET, PORTAL), provider.url, provider.url + WELL_KNOWN),
        authenticator=Authenticator(OidcKeys(provider.url)),
        key=KEY,
        school_zone="Europe/Paris",
        support_email="support@example.org",
    )
    with TestClient(app, base_url=PORTAL, follow_redirects=False) as client:
        yield client


@pytest.fixture
def browser(provider: OtherProvider) -> Iterator[TestClient]:
    with portal_of(provider) as client:
        yield client


def signs_in(browser: TestClient, to: str = "/deconnecte", **changed: str) -> httpx.Response:
    """From the portal to the provider and back; ``changed`` replaces parts of what the browser comes back with."""
    begun = browser.get("/connexion", params={"suite": to})
    assert begun.status_code == 303
    back = httpx.get(begun.headers["location"]).headers["location"]
    answer = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()} | changed
    answer = {name: value for name, value in answer.items() if value != "(none)"}
    came: httpx.Response = browser.get("/connexion/retour", params=answer)
    return came


def is_signed_in(browser: TestClient) -> bool:
    """Support's page: its services are away in these tests, but it knows who asks."""
    return bool(browser.get("/journal").status_code == 503)


def test_a_person_signs_in_and_comes_back_to_where_they_were(browser: TestClient, provider: OtherProvider) -> None:
    began = browser.get("/connexion", params={"suite": "/journal?type=x"})
    asked = parse_qs(urlsplit(began.headers["location"]).query)
    assert (asked["response_type"], asked["code_challenge_method"]) == (["code"], ["S256"])
    assert asked["redirect_uri"] == [f"{PORTAL}/connexion/retour"]
    assert {len(asked[name][0]) >= 43 for name in ("state", "nonce", "code_challenge")} == {True}
    came = signs_in(browser, to="/journal?type=x")
    assert (came.status_code, came.headers["location"]) == (303, "/journal?type=x")
    cookies = came.headers.get_list("set-cookie")
    assert all("; Secure" in one and "HttpOnly" in one and one.startswith("__Host-") for one in cookies)
    assert is_signed_in(browser)


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": None},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"aud": [CLIENT_ID, "another"]},
        {"azp": "another"},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"signed": "with another key"},
        {"signed": "with the public key"},
        {"signed": "with nothing"},
        {"no_id_token": True},
        {"access_token": "not.a.token"},
        {"answer": {"iss": "https://evil.example"}},
        {"answer": {"error": "access_denied"}},
        {"answer": {"code": ""}},
    ],
    ids=str,
)
def test_a_provider_that_lies_signs_nobody_in(
    browser: TestClient, provider: OtherProvider, lie: dict[str, Any]
) -> None:
    provider.lies = lie
    came = signs_in(browser)
    assert came.status_code == 403, came.text
    assert not is_signed_in(browser)
    assert "evil" not in came.text


@pytest.mark.parametrize("changed", [{"state": "x"}, {"state": "(none)"}, {"code": "x"}, {"code": "(none)"}], ids=str)
def test_what_comes_back_must_be_what_was_asked(browser: TestClient, changed: dict[str, str]) -> None:
    assert signs_in(browser, **changed).status_code == 403
    assert not is_signed_in(browser)


def test_a_code_that_somebody_else_asked_for_is_refused(browser: TestClient, provider: OtherProvider) -> None:
    """Login CSRF: a victim's browser is led to the callback with the attacker's own answer."""
    begun = browser.get("/connexion")
    back = urlsplit(httpx.get(begun.headers["location"]).headers["location"])
    browser.cookies.clear()
    assert browser.get(f"{back.path}?{back.query}").status_code == 403
    browser.get("/connexion")
    assert browser.get(f"{back.path}?{back.query}").status_code == 403
    assert not is_signed_in(browser)


def test_an_answer_is_good_once(browser: TestClient, provider: OtherProvider) -> None:
    begun = browser.get("/connexion")
    back = urlsplit(httpx.get(begun.headers["location"]).headers["location"])
    kept = dict(browser.cookies)
    assert browser.get(f"{back.path}?{back.query}").status_code == 303
    browser.cookies.clear()
    browser.cookies.update(kept)
    assert browser.get(f"{back.path}?{back.query}").status_code == 403


@pytest.mark.parametrize("lie", [{"issuer": "https://evil.example"}, {"issuer": None}], ids=str)
def test_a_document_of_another_issuer_is_not_believed(
    browser: TestClient, provider: OtherProvider, lie: dict[str, Any]
) -> None:
    provider.lies = lie
    assert browser.get("/connexion").status_code == 503


def test_somebody_without_a_role_of_ours_has_no_account(browser: TestClient, provider: OtherProvider) -> None:
    provider.role = "directory"
    came = signs_in(browser)
    assert came.status_code == 403
    assert "pas de compte" in came.text
    provider.role = "janitor"
    assert signs_in(browser).status_code == 403


def test_tokens_are_renewed_before_they_end_once_for_requests_at_once(
    browser: TestClient, provider: OtherProvider
) -> None:
    provider.token_ttl_s = 50
    assert signs_in(browser).status_code == 303
    provider.token_ttl_s = 3600
    with ThreadPoolExecutor(4) as at_once:
        list(at_once.map(lambda _: browser.get("/journal"), range(4)))
    assert provider.renewed_count == 1
    browser.get("/journal")
    assert provider.renewed_count == 1


def test_two_processes_that_renew_at_once_sign_nobody_out(browser: TestClient, provider: OtherProvider) -> None:
    """At a provider that takes a refresh token once: who comes second goes on with what is still good."""
    provider.token_ttl_s, provider.rotates = 50, True
    assert signs_in(browser).status_code == 303
    provider.token_ttl_s = 3600
    with portal_of(provider) as other:
        other.cookies.update(browser.cookies)
        with ThreadPoolExecutor(2) as at_once:
            answers = list(at_once.map(lambda portal: portal.get("/journal"), (browser, other)))
        assert [answer.status_code for answer in answers] == [503, 503]  # Signed in; all services are away.
        renewed = [answer for answer in answers if "set-cookie" in answer.headers]
        assert (len(renewed), provider.renewed_count) == (1, 2)


def test_where_the_tokens_are_over_the_second_asks_once_more_and_comes_with_the_firsts_answer(
    browser: TestClient, provider: OtherProvider
) -> None:
    provider.token_ttl_s, provider.rotates = 1, True
    assert signs_in(browser).status_code == 303
    provider.token_ttl_s = 3600
    with portal_of(provider) as other:
        other.cookies.update(browser.cookies)
        time.sleep(1.1)  # The clock of tokens is the machine's.
        with ThreadPoolExecutor(2) as at_once:
            answers = list(at_once.map(lambda portal: portal.get("/journal?type=x"), (browser, other)))
        by_status = {
            answer.status_code: (answer, portal) for answer, portal in zip(answers, (browser, other), strict=True)
        }
        assert sorted(by_status) == [307, 503]
        (_, winner), (sent_again, loser) = by_status[503], by_status[307]
        again = sent_again.headers["location"]
        assert again == "/journal?type=x"
        assert "Max-Age=5;" in sent_again.headers["set-cookie"]  # So the next time is a first time again.
        over = loser.get(again)  # A browser that has no other cookie: asked once more, no longer.
        assert (over.status_code, over.headers["location"]) == (303, "/connexion?suite=/journal")
        loser.cookies.clear()
        loser.cookies.update(winner.cookies)
        assert loser.get(again).status_code == 503


def test_a_race_lost_later_on_the_same_page_signs_nobody_out(browser: TestClient, provider: OtherProvider) -> None:
    provider.token_ttl_s, provider.revoked = 1, True
    assert signs_in(browser).status_code == 303
    time.sleep(1.1)
    first = browser.get("/journal?type=x")
    browser.cookies.delete("relais_once_more")  # As the browser does, five seconds later.
    second = browser.get(first.headers["location"])
    assert [(answer.status_code, answer.headers["location"]) for answer in (first, second)] == [
        (307, "/journal?type=x"),
        (307, "/journal?type=x"),
    ]


def test_while_the_provider_is_away_people_go_on_with_tokens_that_are_still_good(
    browser: TestClient, provider: OtherProvider
) -> None:
    provider.token_ttl_s, provider.away = 50, True
    assert signs_in(browser).status_code == 303
    answer = browser.get("/journal")
    assert (answer.status_code, provider.renewed_count) == (503, 1)
    assert "Sam" in answer.text  # Signed in; all services are away.
    assert "pas possible pour le moment" not in answer.text


def test_while_the_provider_is_away_nobody_is_signed_out_whose_tokens_are_over(
    browser: TestClient, provider: OtherProvider
) -> None:
    provider.token_ttl_s, provider.away = 1, True
    assert signs_in(browser).status_code == 303
    time.sleep(1.1)
    answer = browser.get("/journal")
    assert answer.status_code == 503
    assert "pas possible pour le moment" in answer.text
    provider.token_ttl_s, provider.away = 3600, False
    assert "pas possible pour le moment" not in browser.get("/journal").text


def test_a_session_that_the_provider_ended_asks_to_sign_in_again(browser: TestClient, provider: OtherProvider) -> None:
    provider.token_ttl_s = 1
    signs_in(browser)
    provider.revoked = True
    time.sleep(1.1)
    answer = browser.get(browser.get("/journal").headers["location"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/connexion?suite=/journal")


def test_long_tokens_are_kept_in_several_cookies(browser: TestClient, provider: OtherProvider) -> None:
    provider.lies = {"padding": "x" * 6_000}
    came = signs_in(browser)
    cookies = came.headers.get_list("set-cookie")
    assert len([one for one in cookies if "relais_session" in one]) == 3
    assert all(len(one) < 4_096 for one in cookies)
    assert browser.get("/journal").status_code == 503
    provider.lies = {}
    signs_in(browser)
    assert len([name for name in browser.cookies if "relais_session" in name]) == 1


def test_signing_out_ends_the_providers_session_too(browser: TestClient, provider: OtherProvider) -> None:
    signs_in(browser)
    page = browser.get("/deconnecte")
    out = browser.post("/deconnexion", data={"csrf": csrf_of(page)})
    assert out.status_code == 303
    leaves = urlsplit(out.headers["location"])
    assert f"{leaves.scheme}://{leaves.netloc}{leaves.path}" == f"{provider.url}/logout"
    assert parse_qs(leaves.query)["post_logout_redirect_uri"] == [f"{PORTAL}/connexion"]
    assert f"form-action 'self' {provider.url};" in page.headers["content-security-policy"]
    assert not is_signed_in(browser)
    assert browser.get("/journal").status_code == 303


def test_over_https_people_stay_there_and_cookies_too(browser: TestClient) -> None:
    page = browser.get("/deconnecte")
    assert page.headers["strict-transport-security"].startswith("max-age=31536000")


def test_another_name_of_the_portal_leads_to_its_own(browser: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1:8080"):
        answer = browser.get("/connexion", params={"suite": "/x"}, headers={"host": host})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PORTAL}/connexion")
