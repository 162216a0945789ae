"""What a mentor does with one session or one student, on each device, in each language, with scripts and without."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import IN_FOUR_WAYS, IN_THE_OTHER_TWO_WAYS, Visitors, Way
from tests.browser.test_absences import in_days
from tests.browser.test_journeys import Cast, local, panel
from tests.journeys.school import School, at, eventually

REASONS = {
    "student_early": "L'étudiant a annulé plus de 24h avant le début de la session",
    "student_late": "L'étudiant a annulé moins de 24h avant le début de la session",
    "student_no_show": "L'étudiant ne s'est pas présenté à la session",
    "other": "Autre",
}


def choose(page: Page, way: Way, reason: str, *, of: set[str]) -> None:
    """Picks a reason on the page that has all four, of which only some are offered."""
    for code, label in REASONS.items():
        expect(page.get_by_role("radio", name=re.compile(f"^{re.escape(way.say(label))}"))).to_be_enabled(
            enabled=code in of
        )
    page.get_by_role("radio", name=re.compile(f"^{re.escape(way.say(REASONS[reason]))}")).check()


@IN_FOUR_WAYS
@pytest.mark.rule("S2", "S3", "S4", "S5", "S6", "S7", "S8")
def test_each_reason_is_offered_in_its_time_and_says_what_it_did(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=at(days=3))
    late = school.session(cast.student, at(hours=20))
    missed = school.session(cast.student, at(hours=-1))
    other = school.session(cast.student, at(days=5))
    page = visitors.come(way, cast.mentor["name"]).page

    def done(session: dict[str, Any], recoverable: str) -> None:
        expect(page.get_by_role("status")).to_be_visible()
        expect(page.locator(".facts")).to_contain_text(way.say(recoverable))
        assert school.ok("GET", f"/sessions/{session['session_id']}")["status"] == "cancelled"

    page.goto(cast.session_path)
    page.get_by_role("link", name=way.say("Annuler la session")).click()
    choose(page, way, "student_early", of={"student_early", "other"})
    page.get_by_role("button", name=way.say("Annuler la session")).click()
    done(cast.session, "Rattrapable")

    page.goto(f"/sessions/{late['session_id']}/annuler")
    choose(page, way, "student_late", of={"student_late", "other"})
    page.get_by_role("button", name=way.say("Annuler la session")).click()
    done(late, "Non rattrapable")

    page.goto(f"/sessions/{missed['session_id']}")
    page.get_by_role("link", name=way.say("L'étudiant ne s'est pas présenté"), exact=True).click()
    choose(page, way, "student_no_show", of={"student_no_show", "other"})
    page.get_by_role("button", name=way.say("Enregistrer le motif")).click()
    done(missed, "Non rattrapable")

    page.goto(f"/sessions/{other['session_id']}/annuler")
    choose(page, way, "other", of={"student_early", "other"})
    page.get_by_role("button", name=way.say("Annuler la session")).click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label(way.say("Raison"), exact=True).fill("Panne de courant <b>chez moi</b>")
    page.get_by_role("radio", name=re.compile("^Mentor")).check()
    page.get_by_role("button", name=way.say("Annuler la session")).click()
    done(other, "Rattrapable")
    expect(page.get_by_text("Panne de courant <b>chez moi</b>")).to_be_visible()
    eventually(lambda: way.say("Envoyé") in _whole(page, way), within_s=10)
    for effect in ("Annulée, autre motif", "Absence excusée"):
        expect(panel(page)).to_contain_text(way.say(effect))


def _whole(page: Page, way: Way) -> str:
    """What the last event caused; without scripts, as the page says when it is asked for again."""
    if "java_script_enabled" in way.options:
        page.reload()
    return str(panel(page).inner_text())


@IN_FOUR_WAYS
@pytest.mark.rule("T3", "T11", "T15", "T18")
def test_a_transfer_names_what_fails_and_is_done_once_nothing_does(
    school: School, visitors: Visitors, way: Way
) -> None:
    cast = Cast(school, starts_at=at(days=3))
    failing = {
        "Ce mentor est positionné sur le parcours": school.mentor(paths=("Data",)),
        "Le projet en cours est renseigné sur son profil": school.mentor(projects=["Projet 9"]),
        "Il lui reste assez de disponibilités": school.mentor(capacity=0),
    }
    page = visitors.come(way, cast.mentor["name"]).page
    page.goto(f"/etudiants/{cast.student['student_id']}/informations")
    email, check = page.locator("#mentor_email"), page.get_by_role("button", name=way.say("Vérifier"))

    email.fill("personne@example.org")
    check.click()
    expect(page.locator(".diagnoses li.no")).to_contain_text(way.say("L'adresse e-mail est celle d'un compte mentor"))
    expect(page.locator(".diagnoses li.later")).to_have_count(3)
    for diagnosis, mentor in failing.items():
        email.fill(mentor["email"])
        check.click()
        expect(page.locator(".diagnoses li.no")).to_contain_text(way.say(diagnosis))
        expect(page.get_by_role("link", name=way.say("Demander l'aide du support"))).to_be_visible()
        expect(page.locator("form[action$='/transfert']")).to_have_count(0)
    assert cast.now()["mentor_id"] == cast.mentor["mentor_id"]

    email.fill(cast.colleague["email"])
    check.click()
    expect(page.locator(".diagnoses li.no, .diagnoses li.later")).to_have_count(0)
    page.get_by_role("button", name=way.say("Transférer maintenant à %(email)s", email=cast.colleague["email"])).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("Le transfert est fait."))
    expect(page.locator(".facts").first).to_contain_text(cast.colleague["name"])
    eventually(lambda: cast.now()["mentor_id"] == cast.colleague["mentor_id"], within_s=10)


@IN_FOUR_WAYS
@pytest.mark.rule("T10", "T14")
def test_a_private_comment_is_left_for_the_replacement(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=at(days=2))
    page = visitors.come(way, cast.mentor["name"]).page
    page.goto(f"/etudiants/{cast.student['student_id']}/commentaires")
    page.get_by_label(way.say("Congés à partir du")).fill(local(at(days=7)).strftime("%Y-%m-%d"))
    page.get_by_label(way.say("Retour le")).fill(local(at(days=14)).strftime("%Y-%m-%d"))
    page.get_by_label(way.say("Sur l'étudiant")).fill("Avance bien ; bloque sur les tests.")
    page.get_by_role("button", name=way.say("Enregistrer la note")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("Le commentaire est enregistré."))
    expect(page.locator("article")).to_contain_text(way.say("Passage de relais"))
    expect(page.locator("article")).to_contain_text("bloque sur les tests")
    page.get_by_label(way.say("Commentaire"), exact=True).fill("A changé d'horaires.")
    page.get_by_role("button", name=way.say("Enregistrer le commentaire")).click()
    expect(page.locator("article")).to_have_count(2)


@IN_THE_OTHER_TWO_WAYS
@pytest.mark.rule("T2")
def test_a_session_is_planned_by_its_mentor(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=at(days=3))
    page = visitors.come(way, cast.mentor["name"]).page
    page.goto("/sessions")
    page.get_by_role("link", name=way.say("Planifier une session")).first.click()
    page.get_by_label(way.say("Étudiant")).select_option(label=cast.student["name"])
    page.get_by_label(way.say("Date et heure")).fill(in_days(9).strftime("%Y-%m-%dT10:00"))
    page.get_by_role("button", name=way.say("Planifier la session")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("La session est planifiée."))
