"""The absence assistant, from the dates of a leave to the students' return."""

import re
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import IN_FOUR_WAYS, IN_THE_OTHER_TWO_WAYS, IN_TWO_WAYS, Visitors, Way
from tests.browser.test_journeys import Cast, local
from tests.journeys.school import School, at, eventually


def in_days(days: int, hour: int = 10) -> datetime:
    """An instant so many days from now, at that hour in Paris."""
    return local(at(days=days)).replace(hour=hour, minute=0, second=0)


def declare(page: Page, way: Way, first: datetime, last: datetime) -> None:
    page.goto("/absences")
    page.get_by_label(way.say("Premier jour d'absence")).fill(first.strftime("%Y-%m-%d"))
    page.get_by_label(way.say("Dernier jour d'absence")).fill(last.strftime("%Y-%m-%d"))
    page.get_by_role("button", name=way.say("Voir ce qu'elle demande")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("L'absence est déclarée. Voici ce qu'elle demande."))


def case_of(page: Page, student: dict[str, Any]) -> Any:
    return page.locator(f"#etudiant-{student['student_id']}")


def is_planned(school: School, session: dict[str, Any], mentor: dict[str, Any]) -> Any:
    """Whether transfers knows of it: an absence counts what it has been told of."""
    listed = school.ok("GET", f"/sessions?mentor_id={mentor['mentor_id']}")["items"]
    return [one for one in listed if one["session_id"] == session["session_id"]]


@IN_TWO_WAYS
@pytest.mark.rule("T1", "T5", "T10", "T12", "T13", "T14", "T15", "T16")
def test_a_mentor_prepares_an_absence_hands_over_and_takes_back(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=in_days(5))
    second = school.session(cast.student, in_days(12))
    eventually(lambda: is_planned(school, second, cast.mentor), within_s=10)
    page = visitors.come(way, cast.mentor["name"]).page
    declare(page, way, in_days(4), in_days(13))

    case = case_of(page, cast.student)
    eventually(lambda: page.reload() and case.locator(".told a[href^='/sessions/']").count() == 2, within_s=10)
    expect(case).to_contain_text(way.say("Conseil : transférer"))
    expect(page.locator("#aide ~ p").first).to_contain_text("72")

    page.get_by_role("button", name=way.say("Mettre à 0 maintenant")).click()
    expect(page.locator("#etape-capacity_zero")).to_have_class("step done")
    for item in ("peers_asked", "students_warned"):
        page.locator(f"#etape-{item} button").click()
        expect(page.locator(f"#etape-{item}")).to_have_class("step done")
    letter = page.locator("#etape-students_warned a").get_attribute("href") or ""
    assert letter.startswith("mailto:?bcc=")
    assert cast.student["email"] in letter

    case.get_by_role("link", name=way.say("Préparer le relais")).click()
    about = page.get_by_label(way.say("Sur l'étudiant"))
    expect(about).to_have_value(re.compile(re.escape(cast.student["project"])))
    about.fill(about.input_value() + "\nBloque sur les tests.")
    page.get_by_role("button", name=way.say("Enregistrer la note")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("La note est enregistrée."))

    email = page.get_by_label(way.say("E-mail exact du nouveau mentor"))
    email.fill("personne@example.org")
    page.get_by_role("button", name=way.say("Vérifier")).click()
    expect(page.locator(".diagnoses li.no").first).to_be_visible()
    email.fill(cast.colleague["email"])
    page.get_by_role("button", name=way.say("Vérifier")).click()
    page.get_by_role("button", name=way.say("Transférer maintenant à %(email)s", email=cast.colleague["email"])).click()

    expect(page.get_by_role("status")).to_contain_text(
        way.say("Le transfert est fait : l'étudiant et le mentor remplaçant reçoivent un e-mail.")
    )
    expect(case).to_contain_text(cast.colleague["name"])
    expect(page.locator(".step:not(.done)")).to_have_count(0)
    eventually(lambda: cast.now()["mentor_id"] == cast.colleague["mentor_id"], within_s=5)
    of_student = visitors.come(way, cast.student["name"], student=True).page
    expect(of_student.locator("main")).to_contain_text(
        way.say("%(name)s prend le relais.", name=cast.colleague["name"])
    )
    expect(of_student.locator("main")).to_contain_text(cast.mentor["name"])

    expect(page.locator("main")).to_contain_text(
        way.say(
            "D'abord, votre capacité d'accueil : elle est de %(capacity)s et il en faut %(needed)s.",
            capacity=0,
            needed=1,
        )
    )
    page.get_by_text(way.say("Reprendre des étudiants dès maintenant")).click()
    page.get_by_role("button", name=way.say("Reprendre ces étudiants")).click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name=way.say("Relever la capacité")).click()
    page.get_by_role("button", name=way.say("Reprendre ces étudiants")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("Vos étudiants sont revenus."))
    eventually(lambda: cast.now()["mentor_id"] == cast.mentor["mentor_id"], within_s=5)


@IN_THE_OTHER_TWO_WAYS
@pytest.mark.rule("T6", "T8")
def test_a_student_who_agrees_is_kept_and_the_session_moves_out_of_the_absence(
    school: School, visitors: Visitors, way: Way
) -> None:
    cast = Cast(school, starts_at=in_days(8), funding="self_funded")
    page = visitors.come(way, cast.mentor["name"]).page
    declare(page, way, in_days(7), in_days(9))
    case = case_of(page, cast.student)
    eventually(lambda: page.reload() and case.locator("form.consent").count() == 1, within_s=10)
    expect(case).to_contain_text(way.say("Conseil : garder"))
    case.get_by_role("button", name=way.say("Je lui ai demandé")).click()
    expect(case).to_contain_text(way.say("demandé, sans réponse"))
    case.get_by_role("button", name=way.say("D'accord"), exact=True).click()
    case.locator(f"a[href^='{cast.session_path}/deplacer']").click()
    page.locator("#day").fill(in_days(3).strftime("%Y-%m-%d"))
    page.get_by_role("radio", name=way.say("Le mentor")).check()
    page.locator("form.sheet button").click()
    page.goto("/absences")
    page.locator(".row a").first.click()
    eventually(lambda: page.reload() and case.get_by_text(way.say("Réglé"), exact=True).count() == 1, within_s=10)


@IN_TWO_WAYS
@pytest.mark.rule("T17")
def test_72_hours_before_the_departure_the_page_asks_for_help(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=in_days(2))
    page = visitors.come(way, cast.mentor["name"]).page
    declare(page, way, in_days(2), in_days(3))
    eventually(lambda: page.reload() and page.locator("[role=alert]").count() == 1, within_s=10)
    page.get_by_label(way.say("Message (facultatif)")).fill("Trois mentors sondés, aucun n'a de place.")
    page.get_by_role("button", name=way.say("Demander l'aide du support")).click()
    expect(page.get_by_role("status")).to_contain_text(
        way.say("Le support est prévenu. Vous recevez une confirmation par e-mail.")
    )
    expect(page.locator("[role=alert]")).to_have_count(0)
    page.get_by_text(way.say("Je reviens plus tôt, ou je ne pars plus")).click()
    page.get_by_role("button", name=way.say("Terminer l'absence maintenant")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("L'absence est terminée."))


@IN_FOUR_WAYS
@pytest.mark.rule("T12")
def test_a_mentor_changes_the_capacity(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=in_days(2))
    page = visitors.come(way, cast.mentor["name"]).page
    page.goto("/mon-compte")
    page.locator("#capacity").fill("7")
    page.get_by_role("button", name=way.say("Enregistrer la capacité")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("La capacité d'accueil est changée."))
    assert school.ok("GET", f"/mentors/{cast.mentor['mentor_id']}")["capacity"] == 7
