"""What people do by hand, in a real browser, from signing in to what it caused in the other services."""

import re
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitors
from tests.journeys.school import School, at, eventually

PARIS = ZoneInfo("Europe/Paris")


class Cast:
    """A mentor, a colleague on the same path, and a student with a session."""

    def __init__(self, school: School, *, starts_at: datetime, funding: str = "third_party") -> None:
        mark = uuid4().hex[:6].upper()
        self.school = school
        self.mentor = school.mentor(name=f"Maëlle Petit {mark}")
        self.colleague = school.mentor(name=f"Idris Colin {mark}")
        self.student = school.student(self.mentor, name=f"Zoé Lefort {mark}", funding=funding)
        eventually(self._mentor_is_listed, within_s=10)
        self.session = school.session(self.student, starts_at)
        eventually(self._session_is_listed, within_s=10)

    @property
    def session_path(self) -> str:
        return f"/sessions/{self.session['session_id']}"

    def now(self) -> dict[str, Any]:
        return self.school.ok("GET", self.session_path)

    def event_types(self) -> list[str]:
        return [event["type"] for event in self.school.ok("GET", f"{self.session_path}/history")["items"]]

    def _mentor_is_listed(self) -> bool:
        found = self.school.ok("GET", f"/mentors?search={self.mentor['email']}")["items"]
        students = self.school.ok("GET", f"/students?mentor_id={self.mentor['mentor_id']}")["items"]
        return bool(found and students)

    def _session_is_listed(self) -> bool:
        return bool(self.school.ok("GET", f"/sessions?student_id={self.student['student_id']}")["items"])


def local(instant: datetime) -> datetime:
    return instant.astimezone(PARIS)


def panel(page: Page) -> Any:
    return page.locator("#effets")


@pytest.mark.rule("S2", "S3", "S6", "S7", "S8")
def test_a_mentor_cancels_a_session_and_sees_all_that_it_caused(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=3))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    expect(page.get_by_role("heading", level=1)).to_contain_text("Bonjour Maëlle")

    page.get_by_role("link", name="Mes sessions").first.click()
    page.get_by_role("link", name="À venir").click()
    page.get_by_role("link", name=cast.student["name"]).click()
    page.get_by_role("link", name="Annuler la session").click()

    for label, offered in (
        ("L'étudiant a annulé plus de 24h avant le début de la session", True),
        ("L'étudiant a annulé moins de 24h avant le début de la session", False),
        ("L'étudiant ne s'est pas présenté à la session", False),
        ("Autre", True),
    ):
        choice = page.get_by_role("radio", name=re.compile(f"^{re.escape(label)}"))
        expect(choice).to_be_enabled(enabled=offered)
    expect(page.locator(".reason.closed").nth(1)).to_contain_text("un tiers de la durée")

    page.get_by_role("radio", name=re.compile("^Autre")).check()
    page.get_by_label("Raison").fill("Panne de courant <b>chez moi</b>")
    page.get_by_role("radio", name=re.compile("^Mentor")).check()
    page.get_by_role("button", name="Annuler la session").click()

    expect(page.get_by_role("status")).to_contain_text("La session est annulée.")
    expect(panel(page)).to_contain_text("relais.sessions.SessionCancelled.v1")
    expect(panel(page)).to_contain_text("Annulée, autre motif")
    expect(panel(page)).to_contain_text("Absence excusée")
    expect(panel(page)).to_contain_text("Envoyé")
    expect(page.get_by_text("Panne de courant <b>chez moi</b>")).to_be_visible()

    page.goto("/mail")
    expect(page.locator("body")).to_contain_text(cast.student["email"])
    page.goto(f"/etudiants/{cast.student['student_id']}/assiduite")
    expect(page.locator("table")).to_contain_text("Absence excusée")
    month = local(at(days=3)).strftime("%Y-%m")
    page.goto(f"/appel-a-facturation/{month}")
    expect(page.locator("table")).to_contain_text(cast.student["name"])


@pytest.mark.rule("S4")
def test_inside_the_24_hours_an_early_notice_opens_the_early_reason(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(hours=20))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    page.goto(f"{cast.session_path}/annuler")
    early = page.get_by_role("radio", name=re.compile("plus de 24h avant"))
    late = page.get_by_role("radio", name=re.compile("moins de 24h avant"))
    expect(early).to_be_disabled()
    expect(late).to_be_enabled()

    page.get_by_label("Quand l'étudiant vous a-t-il prévenu").fill(local(at(hours=-6)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_role("button", name="Mettre à jour les motifs").click()
    expect(early).to_be_enabled()
    expect(late).to_be_disabled()
    early.check()
    page.get_by_role("button", name="Annuler la session").click()

    expect(page.get_by_role("status")).to_contain_text("La session est annulée.")
    expect(page.get_by_text("Rattrapable", exact=True)).to_be_visible()
    assert cast.now()["reason"] == "student_early"


@pytest.mark.rule("S6")
def test_other_without_its_reason_is_refused_in_a_sentence_and_nothing_changes(
    school: School, visitors: Visitors
) -> None:
    cast = Cast(school, starts_at=at(days=2))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    page.goto(f"{cast.session_path}/annuler")
    page.get_by_role("radio", name=re.compile("^Autre")).check()
    page.get_by_role("button", name="Annuler la session").click()
    expect(page.get_by_role("alert")).to_contain_text("écrivez la raison")
    expect(page.get_by_role("radio", name=re.compile("^Autre"))).to_be_checked()
    assert cast.now()["status"] == "scheduled"


@pytest.mark.rule("S9", "S10")
def test_a_mentor_moves_a_session_without_cancelling_it(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=3))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    page.goto(cast.session_path)
    page.get_by_role("link", name="Déplacer la session").click()
    new_start = local(at(days=5)).replace(hour=16, minute=30, second=0)
    page.get_by_label("Nouvelle date").fill(new_start.strftime("%Y-%m-%d"))
    page.get_by_label("Heure", exact=True).fill("16:30")
    page.get_by_role("radio", name="L'étudiant").check()
    page.get_by_role("button", name="Déplacer la session").click()
    if local(at(days=3)).isocalendar().week != new_start.isocalendar().week:
        page.get_by_role("button", name="Déplacer quand même").click()

    expect(page.get_by_role("status")).to_contain_text("La session est déplacée.")
    expect(page.locator("h1 + .lead")).to_contain_text("16:30")
    expect(page.locator(".timeline")).to_contain_text("à la demande de l'étudiant")
    expect(panel(page)).to_contain_text("Envoyé")
    assert datetime.fromisoformat(cast.now()["starts_at"]) == new_start


def test_a_past_session_is_documented_as_held(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(hours=-2))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    expect(page.locator("main")).to_contain_text("session à documenter")
    page.get_by_role("link", name=cast.student["name"]).first.click()
    page.get_by_role("link", name="Elle a eu lieu").click()
    page.get_by_role("button", name="Confirmer").click()
    expect(page.get_by_role("status")).to_contain_text("la session a eu lieu")
    expect(panel(page)).to_contain_text("100\u202f%")
    expect(panel(page)).to_contain_text("Présent")


def test_a_form_sent_twice_does_one_thing(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=3))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    page.goto(f"{cast.session_path}/annuler")
    form: dict[str, str | float | bool] = {
        name: page.locator(f"form.form input[name={name}]").first.input_value() for name in ("csrf", "once", "prevenu")
    }
    form["reason"] = "student_early"
    answers = [page.request.post(f"{cast.session_path}/annuler", form=form, max_redirects=0) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    assert cast.event_types().count("relais.sessions.SessionCancelled.v1") == 1


def test_support_finds_a_person_an_event_and_an_email(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=2))
    school.ok("POST", f"{cast.session_path}/cancellation", {"reason": "student_early"}, role="mentor")
    event_id = school.ok("GET", f"{cast.session_path}/history")["items"][-1]["event_id"]
    eventually(lambda: school.ok("GET", f"/emails?event_id={event_id}&state=sent")["items"], within_s=10)
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Support")
    page.get_by_role("searchbox").fill(cast.student["email"])
    page.get_by_role("button", name="Chercher").click()
    expect(page.get_by_role("link", name=cast.student["name"]).first).to_be_visible()

    page.get_by_role("searchbox").fill(event_id)
    page.get_by_role("button", name="Chercher").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Session annulée")
    expect(page.locator(".caused")).to_contain_text("Appel à facturation")
    expect(page.locator(".caused")).to_contain_text("Absence excusée")

    page.locator(".caused a", has_text="session").last.click()
    expect(page.locator("main")).to_contain_text(cast.student["email"])
    page.get_by_role("button", name="Envoyer à nouveau").click()
    expect(page.get_by_role("status")).to_contain_text("de nouveau en route")


def test_billing_reads_and_closes_a_month_that_is_over(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=-40))
    school.ok("POST", f"{cast.session_path}/completion", {}, role="mentor")
    month = local(at(days=-40)).strftime("%Y-%m")
    statement = f"/mentors/{cast.mentor['mentor_id']}/statements/{month}"
    eventually(lambda: school.ok("GET", statement)["lines"], within_s=10)
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Facturation")
    page.goto(f"/facturation?mois={month}")
    page.get_by_role("link", name=cast.mentor["name"]).click()
    expect(page.locator("table")).to_contain_text(cast.student["name"])
    with page.expect_download() as download:
        page.get_by_role("link", name="Télécharger en CSV").click()
    assert download.value.suggested_filename.endswith(f"{month}.csv")
    page.get_by_role("link", name=re.compile("Clôturer")).click()
    page.get_by_role("button", name="Clôturer l'appel").click()
    expect(page.get_by_role("status")).to_contain_text("clôturé")
    expect(page.get_by_role("link", name=re.compile("Clôturer"))).to_have_count(0)


def test_training_opens_a_student_s_file(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=-3), funding="apprenticeship")
    school.ok("POST", f"{cast.session_path}/cancellation", {"reason": "student_no_show"}, role="mentor")
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Administration de la formation")
    page.get_by_label("Nom ou e-mail").fill(cast.student["email"])
    page.locator("main").get_by_role("button", name="Chercher").click()
    page.locator("main th").get_by_role("link", name=cast.student["name"]).click()
    expect(page.locator("svg.heat[role=img] rect.unexcused")).to_have_count(1)
    expect(page.locator("table")).to_contain_text("Absence non excusée")
