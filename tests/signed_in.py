"""A browser without a screen, in which somebody signed in as people do."""

import re

import httpx

from tests.conftest import RunningRelais

TOKEN_OF_FORMS = re.compile(r'name="csrf" value="([^"]+)"')


def signed_in(relais: RunningRelais, person: str) -> httpx.Client:
    """``person`` ("support:", "mentor:ID") as the local issuer's page of choice names them."""
    browser = httpx.Client(base_url=relais.url, follow_redirects=True, timeout=60, trust_env=False)
    choose = browser.get("/connexion")
    came = browser.post(choose.url, data={"csrf": token_of(choose), "person": person})
    assert "/connexion" not in str(came.url), came.text
    return browser


def token_of(page: httpx.Response) -> str:
    """What a form of this browser's session must send."""
    found = TOKEN_OF_FORMS.search(page.text)
    assert found, page.text
    return found[1]
