"""Every page, form and download of the portal × everybody × own and somebody else's, with sessions as browsers have."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from services.chassis.auth import LOCAL_ISSUER, LocalIssuer
from services.portal.edges.oidc import Client
from services.portal.edges.routes import Upstreams
from services.portal.main import SignIn, create_portal
from tests.authorisation.conftest import PEOPLE, School
from tests.authorisation.pages import PAGES, Page
from tests.authorisation.test_table import declared, shape
from tests.signed_in import signed_in, token_of

TRIED: Counter[str] = Counter()
LISTED = {shape(page.request) for page in PAGES}
PAGE_OF_ERRORS = re.compile(r'<p class="eyebrow">Erreur (\d+)</p>')
HER_MATTERS = ("Zoe", "zoe@", "Bruno", "bruno@", "Alice", "alice@")
"""What stands on whatever page shows something of the student: names and addresses of those concerned."""


@pytest.fixture(scope="module")
def browsers(school: School) -> Iterator[Mapping[str, httpx.Client]]:
    opened = {
        person: signed_in(school.relais, f"{role}:{school.facts.get(f'{person}_id', '')}")
        for person, role in PEOPLE.items()
        if role != "directory"
    }
    opened["nobody"] = httpx.Client(base_url=school.relais.url, timeout=60, trust_env=False)
    for browser in opened.values():
        browser.follow_redirects = False
    yield opened
    for browser in opened.values():
        browser.close()


@pytest.fixture(scope="module")
def tokens(browsers: Mapping[str, httpx.Client]) -> Mapping[str, str]:
    return {person: token_of(browser.get("/deconnecte")) for person, browser in browsers.items()}


def ask(school: School, browser: httpx.Client, token: str, page: Page) -> tuple[httpx.Response, str]:
    """The answer with its text, of a stream only what it begins with."""
    method, path = page.request.split(" ")
    sent = None if page.form is None else {"csrf": token, "once": str(uuid4()), **school.filled(page.form)}
    params = school.filled(page.query)
    with browser.stream(method, school.filled(path), data=sent, params=params) as answer:
        if "event-stream" in answer.headers.get("content-type", ""):
            return answer, ""
        answer.read()
        return answer, "" if "pdf" in answer.headers.get("content-type", "") else answer.text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_whoever_may_sees_the_page_and_everybody_else_an_error_without_data(
    school: School, browsers: Mapping[str, httpx.Client], tokens: Mapping[str, str], page: Page
) -> None:
    school.facts |= {"kind": "etudiant", "service": "billing"}
    with ThreadPoolExecutor(len(browsers)) as at_once:
        given = at_once.map(lambda one: ask(school, browsers[one], tokens[one], page), browsers)
        answers = dict(zip(browsers, given, strict=True))
    found = {person: answer.status_code for person, (answer, _) in answers.items()}
    assert found == {person: page.expected(person) for person in browsers}, {
        person: re.sub(r"\s+", " ", text)[-1500:]
        for person, (_, text) in answers.items()
        if found[person] != page.expected(person)
    }
    for person, (answer, text) in answers.items():
        if person in page.told or person in page.allowed - page.without_hers:
            continue
        shown = [one for one in HER_MATTERS if one in text and person not in one.lower()]
        assert shown == [], f"{person} sees {shown}"
        if person in page.allowed:
            continue
        if answer.status_code == 303:
            to = answer.headers["location"]
            assert to.startswith("/connexion") if person == "nobody" else to in ("/", "/facturation", "/dossiers"), to
        else:
            error = PAGE_OF_ERRORS.search(text)
            assert error, text
            assert int(error[1]) == answer.status_code
    refused = len(browsers) - len(page.allowed)
    TRIED.update(answered=len(page.allowed), refused=refused)


def test_every_route_of_the_portal_is_in_the_table_and_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = declared(portal(tmp_path).openapi())
    assert here - LISTED == set(), "routes that are not in tests/authorisation/pages.py"
    assert LISTED - here == set(), "rows of routes that are no more"
    with capsys.disabled():
        print(f"\npages: {len(here)} routes, {len(PAGES)} rows; {dict(TRIED)}")


def test_a_page_that_is_new_fails_until_it_is_listed(tmp_path: Path) -> None:
    app = portal(tmp_path)
    app.get("/etudiants/{student_id}/notes")(lambda student_id: None)
    assert declared(app.openapi()) - LISTED == {"GET /etudiants/{}/notes"}


def portal(folder: Path) -> FastAPI:
    """With all that it answers itself; its static files and what it passes on to services are no routes."""
    issuer = LocalIssuer(folder)
    return create_portal(
        upstreams=Upstreams({}),
        issuer=issuer,
        sign_in=SignIn(Client("relais-portal", None, "http://testserver"), LOCAL_ISSUER, None),
        authenticator=issuer.authenticator(),
        key=b"k" * 32,
        school_zone="Europe/Paris",
        support_email="support@example.org",
    )
