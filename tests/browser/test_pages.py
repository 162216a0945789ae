"""What every page keeps to: light, wide or narrow, both languages, the keyboard, and nothing from elsewhere."""

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser.conftest import Visitor, Visitors
from tests.browser.test_journeys import Cast, local
from tests.journeys.school import School, at

WEIGHT_LIMIT_BYTES = 100_000


@pytest.fixture
def cast(school: School) -> Cast:
    return Cast(school, starts_at=at(days=2))


def pages_of_mentor(cast: Cast) -> list[str]:
    student = f"/etudiants/{cast.student['student_id']}"
    return [
        "/",
        "/sessions",
        "/sessions?vue=a-venir",
        "/sessions?vue=passees",
        "/sessions/nouvelle",
        cast.session_path,
        f"{cast.session_path}/annuler",
        f"{cast.session_path}/deplacer",
        f"{cast.session_path}/tenue",
        f"{cast.session_path}/rattraper",
        "/absences",
        "/mon-compte",
        "/etudiants",
        student,
        f"{student}/informations",
        f"{student}/commentaires",
        f"{student}/assiduite",
        "/appel-a-facturation",
        "/docs",
    ]


def declared(school: School, cast: Cast) -> list[str]:
    """The pages of an absence: of the whole and of one student."""
    days = {"from": local(at(days=1)).strftime("%Y-%m-%d"), "to": local(at(days=4)).strftime("%Y-%m-%d")}
    absence = school.ok("POST", f"/mentors/{cast.mentor['mentor_id']}/absences", days)
    own = f"/absences/{absence['absence_id']}"
    return [own, f"{own}/etudiants/{cast.student['student_id']}"]


PAGES_OF_OTHERS = {
    "Support": ("/", "/recherche", "/aide", "/continuite", "/journal", "/e-mails", "/mis-de-cote", "/contestations"),
    "Facturation": ("/facturation", "/contestations"),
    "Administration de la formation": ("/dossiers", "/continuite"),
}


WIDE: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
# What is different on a phone and in the dark; the rest of a page is the same there.
LOOKS = ("color-contrast", "target-size", "scrollable-region-focusable")
UNNAMED = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    .filter(one => !one.labels.length && !one.ariaLabel).map(one => one.name)"""


@pytest.mark.parametrize("who", ["mentor", "student", *PAGES_OF_OTHERS])
def test_each_page_is_light_fits_and_is_open_to_everybody(
    school: School, cast: Cast, visitors: Visitors, who: str
) -> None:
    visitor = visitors()
    match who:
        case "mentor":
            visitor.enter(cast.mentor["name"])
            paths = [*pages_of_mentor(cast), *declared(school, cast)]
        case "student":
            visitor.page.goto("/connexion")
            _is_well(visitor, "/connexion")
            visitor.enter(cast.student["name"], student=True)
            paths = ["/", "/sessions", "/sessions?vue=a-venir", cast.session_path, "/assiduite", "/mon-compte"]
        case _:
            visitor.enter(who)
            paths = [*PAGES_OF_OTHERS[who]]
    for path in paths:
        _open(visitor, path)
        assert visitor.page.evaluate(UNNAMED) == [], path


def test_pages_are_in_english_where_that_is_chosen(cast: Cast, visitors: Visitors) -> None:
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    assert page.locator("html").get_attribute("lang") == "fr"
    page.get_by_role("button", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("link", name="My sessions").first).to_be_visible()
    page.goto(f"{cast.session_path}/annuler")
    expect(page.locator(".reason.closed").first).to_contain_text("This reason appears only within the 24 h")


def test_the_keyboard_alone_leads_to_the_content(cast: Cast, visitors: Visitors) -> None:
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Aller au contenu")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_signed_out_person_is_asked_who_they_are_and_comes_back(cast: Cast, visitors: Visitors) -> None:
    page = visitors().page
    page.goto("/etudiants")
    assert "/issuer/authorize?" in page.url
    page.locator("button.card", has_text=cast.mentor["name"]).click()
    page.wait_for_url("**/etudiants")
    page.get_by_role("button", name="Se déconnecter").click()
    page.wait_for_url("**/issuer/authorize?*")
    page.goto("/sessions")
    assert "/issuer/authorize?" in page.url


def _open(visitor: Visitor, path: str) -> None:
    answer = visitor.page.goto(path)
    assert answer is not None
    assert answer.status == 200, path
    _is_well(visitor, path)


def _is_well(visitor: Visitor, path: str) -> None:
    """Drawn once, looked at wide and narrow, in the light and in the dark."""
    page = visitor.page
    page.set_viewport_size(WIDE)
    assert visitor.weight_bytes() <= WEIGHT_LIMIT_BYTES, path
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert not visitor.overflows(), path
    assert visitor.barriers() == [], path
    page.emulate_media(color_scheme="dark")
    assert visitor.barriers("color-contrast") == [], f"{path}, in the dark"
    page.set_viewport_size(PHONE)
    assert not visitor.overflows(), f"{path}, on a phone"
    assert visitor.barriers(*LOOKS) == [], f"{path}, on a phone in the dark"
    page.emulate_media(color_scheme="light")
    assert visitor.barriers(*LOOKS) == [], f"{path}, on a phone"
