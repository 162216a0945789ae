"""Support finds whatever somebody writes of, sees what happened and what it was like, and repairs it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Look, Visitors, Way, crossed
from tests.browser.office import documented, is_open_to_everybody
from tests.browser.test_journeys import Cast, local
from tests.journeys.school import School, at, eventually


@pytest.fixture(scope="module")
def known(relais: Any) -> tuple[Cast, dict[str, str]]:
    """A session that was held and then corrected, with the ids of all that this left behind."""
    school = School(relais)
    cast = documented(school, at(days=-1))
    held_at = datetime.now(UTC).replace(microsecond=0)
    eventually(lambda: datetime.now(UTC) >= held_at + timedelta(seconds=1))  # A field knows whole seconds alone.
    body = {"status": "cancelled", "reason": "student_no_show", "why": "Le mentor s'est trompé <b>de jour</b>"}
    school.ok("POST", f"{cast.session_path}/correction", body)
    letters = eventually(lambda: school.ok("GET", f"/emails?to={cast.student['email']}")["items"], within_s=10)
    month = f"/mentors/{cast.mentor['mentor_id']}/statements/{at(days=-1):%Y-%m}"
    events = [event["event_id"] for event in school.ok("GET", f"{cast.session_path}/history")["items"]]
    line = eventually(
        lambda: next((one for one in school.ok("GET", month)["lines"] if one["event_id"] == events[-1]), None),
        within_s=10,
    )
    ids = {"event": events[-1], "email": letters[0]["email_id"], "line": line["line_id"], "held_at": _field(held_at)}
    eventually(lambda: school.call("GET", f"/audit/events/{events[-1]}").is_success, within_s=10)
    return cast, ids


@crossed(0)
def test_whatever_is_typed_into_the_one_box_leads_to_what_it_means(
    known: tuple[Cast, dict[str, str]], visitors: Visitors, way: Way
) -> None:
    cast, ids = known
    visitor = visitors.come(way, "Support")
    page = visitor.page

    def look_for(text: str) -> None:
        page.goto("/")
        page.get_by_role("searchbox").fill(text)
        page.get_by_role("button", name=way.say("Chercher")).click()

    places: dict[str, Callable[[], object]] = {
        cast.student["name"].replace("Zoé", "zoe"): lambda: expect(
            page.get_by_role("link", name=cast.student["name"], exact=True)
        ).to_be_visible(),
        cast.student["email"]: lambda: expect(
            page.get_by_role("heading", name=way.say("E-mails à cette adresse"))
        ).to_be_visible(),
        cast.session["session_id"]: lambda: expect(page).to_have_url(re.compile(cast.session_path)),
        ids["event"]: lambda: expect(page).to_have_url(re.compile(f"/journal/{ids['event']}")),
        f"<{ids['email']}@example.org>": lambda: expect(page).to_have_url(re.compile(f"/e-mails/{ids['email']}")),
        ids["line"]: lambda: expect(page.locator("tr.chosen + .why")).to_contain_text(ids["event"]),
        "01980a1c-0000-7000-8000-000000000001": lambda: expect(page.locator(".empty")).to_contain_text(
            way.say("Rien ne porte cet identifiant.")
        ),
        "qzzq": lambda: expect(page.locator(".empty")).to_contain_text(
            way.say("Personne ne répond à cette recherche.")
        ),
    }
    for text, is_there in places.items():
        look_for(text)
        is_there()
        assert not visitor.overflows(), text


@crossed(1)
def test_a_timeline_tells_each_event_with_its_effects_and_leads_to_any_instant(
    known: tuple[Cast, dict[str, str]], visitors: Visitors, way: Way
) -> None:
    cast, ids = known
    visitor = visitors.come(way, "Support")
    page, say = visitor.page, way.say
    page.goto(f"/recherche?q={cast.student['email']}")
    page.get_by_role("link", name=say("Chronologie")).first.click()
    newest = page.locator(".chain li", has_text=say("Session corrigée par le support")).first
    expect(newest).to_contain_text("Le mentor s'est trompé <b>de jour</b>")
    expect(newest).to_contain_text(say("Absence non excusée"))
    page.goto(f"/chronologie/session/{cast.session['session_id']}")
    page.get_by_role("link", name=say("Session corrigée par le support"), exact=True).click()
    expect(page.locator("main")).to_contain_text(say("Ce que cela a causé"))
    expect(page.locator(".caused")).to_contain_text(say("Appel à facturation"))
    page.get_by_role("link", name=cast.mentor["name"]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(cast.mentor["name"])

    page.goto(f"/a-une-date/session/{cast.session['session_id']}")
    expect(page.get_by_text(say("Rien n'a changé depuis."))).to_be_visible()
    page.get_by_label(say("Date et heure exactes")).fill(ids["held_at"])
    page.locator("form", has=page.get_by_label(say("Date et heure exactes"))).get_by_role("button").click()
    status = page.get_by_role("row", name=re.compile(f"^{say('Statut')}"))
    expect(status).to_contain_text(say("Tenue"))
    expect(status).to_contain_text(say("Annulée"))
    slider = page.get_by_label(say("À quelle date ?"))
    if way.has_scripts:
        slider.focus()
        page.keyboard.press("End")
        page.wait_for_url(re.compile(r"\?s=\d+"))
    else:
        slider.evaluate("slider => { slider.value = slider.min }")
        page.get_by_role("button", name=say("Voir")).first.click()
    nothing = say("À cet instant, rien n'était encore connu.")
    expect(page.locator("main")).to_contain_text(re.compile(f"{re.escape(nothing)}|{say('À cette date')}"))


@pytest.mark.rule("S1", "S7", "S8")
@crossed(2)
def test_support_corrects_a_status_and_sees_what_that_does_before_and_after(
    school: School, visitors: Visitors, way: Way
) -> None:
    cast = documented(school, at(days=-1))
    visitor = visitors.come(way, "Support")
    page, say = visitor.page, way.say
    page.goto(cast.session_path)
    page.get_by_role("link", name=say("Corriger le statut")).click()
    page.locator("input[value='cancelled:student_no_show']").check()
    page.get_by_label(say("Pourquoi corrigez-vous ?")).fill("Le mentor s'est trompé")
    page.get_by_role("button", name=say("Voir les effets")).click()
    expect(page.get_by_role("heading", name=say("Après la correction"))).to_be_visible()
    assert cast.now()["status"] == "held"
    page.get_by_role("button", name=say("Corriger maintenant")).click()
    expect(page.get_by_role("status").first).to_contain_text(say("La session est corrigée."))
    expect(page.locator("#effets")).to_contain_text(say("Étudiant absent"))
    assert (cast.now()["status"], cast.now()["reason"]) == ("cancelled", "student_no_show")


def test_a_session_that_changed_meanwhile_is_not_corrected(school: School, visitors: Visitors) -> None:
    cast = documented(school, at(days=-1))
    page = visitors().page
    page.goto("/connexion?suite=" + f"{cast.session_path}/corriger")
    page.locator("button.card", has_text="Support").click()
    page.get_by_role("radio", name=re.compile("de nouveau prévue")).check()
    page.get_by_label("Pourquoi corrigez-vous").fill("Erreur")
    page.get_by_role("button", name="Voir les effets").click()
    body = {"status": "cancelled", "reason": "student_no_show", "why": "Plus vite"}
    school.ok("POST", f"{cast.session_path}/correction", body)
    page.get_by_role("button", name="Corriger maintenant").click()
    expect(page.get_by_role("alert")).to_contain_text("a changé pendant que vous la corrigiez")
    assert cast.now()["status"] == "cancelled"


@pytest.mark.rule("T4", "T17")
@crossed(3)
def test_support_finds_a_place_for_a_student_whose_mentor_asks_for_help(
    school: School, visitors: Visitors, way: Way
) -> None:
    cast = Cast(school, starts_at=at(days=3))
    days = {"from": f"{local(at(days=2)):%Y-%m-%d}", "to": f"{local(at(days=20)):%Y-%m-%d}"}
    by: dict[str, Any] = {"role": "mentor", "email": cast.mentor["email"]}
    absence = school.ok("POST", f"/mentors/{cast.mentor['mentor_id']}/absences", days, **by)
    school.ok("POST", f"/absences/{absence['absence_id']}/help-requests", {"message": "Personne ne peut."}, **by)
    visitor = visitors.come(way, "Support")
    page, say = visitor.page, way.say
    page.goto("/aide")
    asked = page.locator("li.sheet", has_text=cast.mentor["name"])
    expect(asked).to_contain_text("« Personne ne peut. »")
    expect(asked).to_contain_text(say("72 h dépassées"))
    asked.get_by_role("link", name=cast.student["name"]).click()
    page.get_by_label(say("E-mail exact du nouveau mentor")).fill("nobody@example.org")
    page.get_by_role("button", name=say("Vérifier")).click()
    expect(page.locator(".diagnoses .no").first).to_contain_text(say("L'adresse e-mail est celle d'un compte mentor"))
    page.get_by_label(say("E-mail exact du nouveau mentor")).fill(cast.colleague["email"])
    page.get_by_role("button", name=say("Vérifier")).click()
    page.get_by_role("button", name=say("Transférer maintenant à %(email)s", email=cast.colleague["email"])).click()
    expect(page.get_by_role("status")).to_contain_text(say("Le transfert est fait."))
    student = school.ok("GET", f"/students/{cast.student['student_id']}")
    assert student["mentor_id"] == cast.colleague["mentor_id"]
    assert student["returns_to_mentor_id"] == cast.mentor["mentor_id"]
    page.goto("/aide")
    expect(page.locator("li.row", has_text=cast.mentor["name"])).to_contain_text(say("Tous placés"))


@pytest.mark.rule("T4")
def test_support_transfers_for_good(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=3))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Support")
    page.goto(f"/etudiants/{cast.student['student_id']}/informations")
    page.get_by_label("E-mail exact du nouveau mentor").fill(cast.colleague["email"])
    page.get_by_role("button", name="Vérifier").click()
    page.get_by_role("radio", name=re.compile("Définitivement")).check()
    page.get_by_role("button", name=re.compile("Transférer maintenant")).click()
    expect(page.get_by_role("status")).to_contain_text("Le transfert est fait.")
    student = school.ok("GET", f"/students/{cast.student['student_id']}")
    assert (student["mentor_id"], student["returns_to_mentor_id"]) == (cast.colleague["mentor_id"], None)


@crossed(0)
def test_support_sees_each_e_mail_with_its_state_and_sends_it_again(
    known: tuple[Cast, dict[str, str]], school: School, visitors: Visitors, way: Way
) -> None:
    cast, ids = known
    visitor = visitors.come(way, "Support")
    page, say = visitor.page, way.say
    page.goto("/e-mails")
    page.get_by_label(say("Destinataire (adresse exacte)")).fill(cast.student["email"])
    page.get_by_role("button", name=say("Chercher")).click()
    page.locator(f"a[href='/e-mails/{ids['email']}']").click()
    expect(page.locator("main")).to_contain_text(say("Session corrigée par le support"))
    eventually(lambda: school.ok("GET", f"/emails/{ids['email']}")["state"] == "sent", within_s=10)
    page.reload()
    page.get_by_role("button", name=say("Envoyer à nouveau")).click()
    expect(page.get_by_role("status")).to_contain_text(say("Le message est de nouveau en route."))
    eventually(lambda: school.ok("GET", f"/emails/{ids['email']}")["state"] == "sent", within_s=10)


def test_no_page_behind_a_search_shuts_anybody_out_in_light_and_dark(
    known: tuple[Cast, dict[str, str]], visitors: Visitors, look: Look
) -> None:
    cast, ids = known
    student, mentor = cast.student["student_id"], cast.mentor["mentor_id"]
    visitor = visitors(**look.options)
    visitor.sign_in("Support")
    for path, status in {
        f"/recherche?q={cast.student['email']}": 200,
        "/recherche?q=qzzq": 200,
        f"/chronologie/etudiant/{student}": 200,
        f"/chronologie/mentor/{mentor}": 200,
        f"/a-une-date/etudiant/{student}": 200,
        f"/a-une-date/mentor/{mentor}": 200,
        f"/a-une-date/session/{cast.session['session_id']}?instant={ids['held_at']}": 200,
        f"/journal/{ids['event']}": 200,
        f"/e-mails/{ids['email']}": 200,
        cast.session_path: 200,
        f"{cast.session_path}/corriger": 200,
        f"/etudiants/{student}/informations": 200,
        f"/etudiants/{student}/commentaires": 200,
        "/nulle-part": 404,
        "/facturation/cloture?mois=2024-01": 403,
    }.items():
        answer = visitor.page.goto(path)
        assert answer is not None
        assert answer.status == status, path
        is_open_to_everybody(visitor, *look.rules)


def _field(instant: datetime) -> str:
    return local(instant).strftime("%Y-%m-%dT%H:%M:%S")
