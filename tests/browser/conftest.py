"""A real Chromium, driven by Playwright against a whole Relais."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, sync_playwright

from services.portal.edges.language import Code, read_catalogue
from tests.conftest import ROOT, RunningRelais
from tests.journeys.school import School

ARTIFACTS = ROOT / "artifacts" / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)
TIMEOUT_MS = 10_000
AXE = Axe().axe_script


@dataclass(frozen=True)
class Way:
    """How somebody comes: on what, in which language, with scripts or without."""

    name: str
    language: Code
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_scripts(self) -> bool:
        """axe-core needs them, and so does a slider that shows at once where it stands."""
        return bool(self.options.get("java_script_enabled", True))

    def say(self, french: str, **values: object) -> str:
        """A text of the pages in this way's language."""
        said = read_catalogue(self.language).gettext(french)
        return said % values if values else said


PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}
NO_SCRIPT = {"java_script_enabled": False}
# Any two of screen, language and scripts meet in one of four ways. A long journey is walked in two that are opposites,
# each device, language and kind of browser once; a short one in all four.
WAYS = (
    Way("desktop-fr", "fr"),
    Way("phone-en-without-script", "en", PHONE | NO_SCRIPT),
    Way("desktop-en-without-script", "en", NO_SCRIPT),
    Way("phone-fr", "fr", PHONE),
)
IN_TWO_WAYS = pytest.mark.parametrize("way", WAYS[:2], ids=lambda way: way.name)
IN_FOUR_WAYS = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
IN_THE_OTHER_TWO_WAYS = pytest.mark.parametrize("way", WAYS[2:], ids=lambda way: way.name)
CROSSED = (
    WAYS[:2],
    (Way("desktop-en", "en"), Way("phone-fr-without-script", "fr", PHONE | NO_SCRIPT)),
    (Way("desktop-fr-without-script", "fr", NO_SCRIPT), Way("phone-en", "en", PHONE)),
    WAYS[2:],
)
"""Pairs of opposites: the journeys of the teams go through them in turn, and so together through all eight ways."""


def crossed(number: int) -> pytest.MarkDecorator:
    """Walks a journey in the pair of that number."""
    return pytest.mark.parametrize("way", CROSSED[number], ids=lambda way: way.name)


@dataclass(frozen=True)
class Look:
    """How pages look. ``rules`` are those of axe-core that may find something else there; none: all of them."""

    options: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[str, ...] = ()


@pytest.fixture(params=[Look(), Look(PHONE, ("color-contrast", "target-size"))], ids=["desktop-light", "phone-dark"])
def look(request: pytest.FixtureRequest) -> Look:
    chosen: Look = request.param
    return chosen


def chromium_path(playwright: Playwright) -> str:
    """Where install_browser.sh looks, in its order. Without one the tests fail: they never skip."""
    named = os.environ.get("RELAIS_CHROMIUM")
    found = named or next((path for path in map(shutil.which, NAMES) if path), None)
    path = found or playwright.chromium.executable_path
    if not Path(path).exists():
        pytest.fail("There is no Chromium for the browser tests: run `make install-browser`.")
    return path


# One a module, not one a session: while it runs, no other test of this process could start an event loop.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(playwright), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def school(relais: RunningRelais) -> School:
    return School(relais)


class Visitor:
    """A person at a browser. Notes what no page may do: an error in the console, a request to another host."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(
            **{
                "base_url": url,
                "locale": "fr-FR",
                "timezone_id": "Europe/Paris",
                "viewport": {"width": 1280, "height": 860},
                "reduced_motion": "reduce",
            }
            | options
        )
        self.context.set_default_timeout(TIMEOUT_MS)
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self._url = url
        self.page.on("pageerror", lambda error: self.faults.append(f"error in a script: {error}"))
        self.page.on("request", self._note_request)
        self.page.on(
            "console", lambda message: self.faults.append(message.text) if "Content Security" in message.text else None
        )

    def sign_in(self, name: str, *, student: bool = False) -> None:
        self.page.goto("/connexion")
        if student:
            self.page.get_by_role("searchbox").fill(name)
            self.page.get_by_role("searchbox").press("Enter")
        self.page.locator("button.card", has_text=name).click()
        self.page.wait_for_url(lambda url: "/connexion" not in url and "/issuer/" not in url)

    def enter(self, name: str, *, student: bool = False) -> None:
        """Signs in as ``sign_in`` does, by the same requests, without drawing the pages in between."""
        ask = self.context.request
        chosen = ask.get("/connexion")
        if student:
            chosen = ask.get(f"{chosen.url}&{urlencode({'q': name})}")
        page = chosen.text()
        [action] = re.findall(r'<form method="post" action="(/issuer/authorize[^"]*)"', page)
        [person] = re.findall(rf'value="([^"]+)"><strong>{re.escape(escape(name, quote=False))}</strong>', page)
        [token, *_] = re.findall(r'name="csrf" value="([^"]+)"', page)
        there = ask.post(unescape(action), form={"csrf": token, "person": person}, max_redirects=0)
        back = ask.get(there.headers["location"], max_redirects=0)
        assert back.status == 303, back.text()
        self.page.goto("/")

    def speak(self, language: Code) -> None:
        self.context.add_cookies([{"name": "relais_language", "value": language, "url": self._url}])

    def weight_bytes(self) -> int:
        """All that the page loaded, as it came over the wire."""
        weight: int = self.page.evaluate(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".reduce((sum, entry) => sum + entry.encodedBodySize, 0)"
        )
        return weight

    def barriers(self, *rules: str) -> list[str]:
        """What axe-core finds against WCAG 2.2 A and AA and its own good practice, or against some rules alone."""
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": list(rules)}
        if not self.page.evaluate("typeof axe !== 'undefined'"):
            self.page.evaluate(AXE)
        found = self.page.evaluate("options => axe.run(options)", options)["violations"]
        return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]

    def overflows(self) -> bool:
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return wide

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:", "about:")):
            self.faults.append(f"a request to another host: {request.url}")


class Visitors:
    """Opens browsers for a test and closes them, with a screenshot of where each ended."""

    def __init__(self, browser: Browser, url: str, test: str) -> None:
        self._browser, self._url, self._test = browser, url, test
        self._open: list[Visitor] = []

    def __call__(self, **options: Any) -> Visitor:
        visitor = Visitor(self._browser, self._url, **options)
        self._open.append(visitor)
        return visitor

    def come(self, way: Way, name: str, *, student: bool = False) -> Visitor:
        """Somebody who is signed in, the way that is asked for."""
        visitor = self(**way.options)
        visitor.speak(way.language)
        visitor.enter(name, student=student)
        return visitor

    def leave(self) -> list[str]:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        for number, visitor in enumerate(self._open):
            visitor.page.screenshot(path=ARTIFACTS / f"{self._test}-{number}.png", full_page=True)
            visitor.context.close()
        return [fault for visitor in self._open for fault in visitor.faults]


@pytest.fixture
def visitors(chromium: Browser, relais: RunningRelais, request: pytest.FixtureRequest) -> Iterator[Visitors]:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    visiting = Visitors(chromium, relais.url, name)
    yield visiting
    assert visiting.leave() == []
