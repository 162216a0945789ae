"""What the school's teams do by hand: support finds and repairs, billing closes, training certifies."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor, Visitors
from tests.browser.test_journeys import Cast, local
from tests.journeys.school import School, at, eventually


def documented(school: School, starts_at: datetime) -> Cast:
    """A cast whose session was held, with its line and its entry in the file."""
    cast = Cast(school, starts_at=starts_at)
    school.ok("POST", f"{cast.session_path}/completion", {})
    month = starts_at.strftime("%Y-%m")
    eventually(
        lambda: school.ok("GET", f"/mentors/{cast.mentor['mentor_id']}/statements/{month}")["lines"], within_s=10
    )
    eventually(lambda: school.ok("GET", f"/students/{cast.student['student_id']}/attendance")["weeks"], within_s=10)
    return cast


def is_open_to_everybody(visitor: Visitor) -> None:
    assert visitor.barriers() == []
    assert not visitor.overflows()
    assert visitor.weight_bytes() <= 100_000


@pytest.mark.rule("S1", "S7", "S8")
def test_support_finds_a_session_corrects_it_and_goes_back_to_how_it_was_without_javascript(
    school: School, visitors: Visitors
) -> None:
    cast = documented(school, at(days=-1))
    held_at = datetime.now(UTC)
    visitor = visitors(java_script_enabled=False)
    page = visitor.page
    visitor.sign_in("Support")
    page.get_by_role("searchbox").fill(cast.student["name"].replace("Zoé", "zoe"))
    page.get_by_role("button", name="Chercher").click()
    page.get_by_role("link", name="Chronologie").click()
    expect(page.locator(".chain li").first).to_contain_text("Session tenue")
    expect(page.locator(".chain li").first).to_contain_text("Présent")

    page.goto(f"/recherche?q={cast.session['session_id']}")
    assert page.url.endswith(cast.session_path)
    page.get_by_role("link", name="Corriger le statut").click()
    page.get_by_role("radio", name=re.compile("ne s'est pas présenté")).check()
    page.get_by_label("Pourquoi corrigez-vous").fill("Le mentor s'est trompé <b>de jour</b>")
    page.get_by_role("button", name="Voir les effets").click()
    expect(page.locator("main")).to_contain_text("absence non excusée")
    expect(page.locator("main")).to_contain_text("est encore ouvert : sa ligne est remplacée")
    assert cast.now()["status"] == "held"
    page.get_by_role("button", name="Corriger maintenant").click()
    expect(page.get_by_role("status")).to_contain_text("La session est corrigée.")
    assert (cast.now()["status"], cast.now()["reason"]) == ("cancelled", "student_no_show")

    page.get_by_role("link", name="État à une date").click()
    page.get_by_label("Date et heure exactes").fill(_local(held_at))
    page.locator("form", has=page.get_by_label("Date et heure exactes")).get_by_role("button").click()
    status = page.get_by_role("row", name=re.compile("Statut"))
    expect(status).to_contain_text("Tenue")
    expect(status).to_contain_text("Annulée")
    page.get_by_label("À quelle date").evaluate("slider => { slider.value = slider.min }")
    page.get_by_role("button", name="Voir").first.click()
    expect(page.locator("main")).to_contain_text(re.compile("rien n'était encore connu|À cette date"))


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


@pytest.mark.rule("S8")
def test_billing_closes_what_is_ready_and_leaves_what_is_not(school: School, visitors: Visitors) -> None:
    long_ago = datetime(2024, 2, 14, 15, tzinfo=UTC)
    ready = documented(school, long_ago)
    waiting = documented(school, long_ago)
    school.session(waiting.student, long_ago + timedelta(days=1))
    span = "from=2024-02-01T00:00:00Z&to=2024-03-01T00:00:00Z"
    eventually(lambda: school.ok("GET", f"/sessions/to-document?{span}")["items"], within_s=10)
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Facturation")
    page.goto("/facturation?mois=2024-02&statut=open")
    expect(page.get_by_role("row", name=re.compile(waiting.mentor["name"]))).to_contain_text("1 session à documenter")
    _download(page, "Excel", "xlsx")
    page.get_by_role("link", name="Clôturer les appels prêts").click()
    expect(page.locator("main")).to_contain_text("Laissés ouverts")
    is_open_to_everybody(visitor)
    page.get_by_role("button", name=re.compile("Clôturer c")).click()
    expect(page.get_by_role("status")).to_contain_text(re.compile("clôturé"))
    closed = {cast: _statement(school, cast)["status"] for cast in (ready, waiting)}
    assert closed == {ready: "closed", waiting: "open"}

    page.goto(f"/facturation/{waiting.mentor['mentor_id']}/2024-02")
    page.get_by_role("link", name=re.compile("Clôturer")).click()
    expect(page.locator("main")).to_contain_text("1 session à documenter")
    page.get_by_role("button", name="Clôturer l'appel").click()
    expect(page.get_by_role("status")).to_contain_text("L'appel à facturation est clôturé.")


def test_billing_answers_a_disputed_line(school: School, visitors: Visitors) -> None:
    cast = documented(school, at(days=-1))
    mentor_id, month = cast.mentor["mentor_id"], at(days=-1).strftime("%Y-%m")
    [line] = school.ok("GET", f"/mentors/{mentor_id}/statements/{month}")["lines"]
    address = f"/mentors/{mentor_id}/statements/{month}/lines/{line['line_id']}/dispute"
    school.ok("POST", address, {"reason": "La session a duré deux heures."}, role="mentor", email=cast.mentor["email"])
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Facturation")
    page.goto("/contestations")
    sheet = page.locator("li.sheet", has_text=cast.mentor["name"])
    sheet.get_by_label("Votre réponse").fill("Le support va la corriger.")
    sheet.get_by_role("button", name="Répondre").click()
    expect(page.get_by_role("status")).to_contain_text("Votre réponse est enregistrée.")
    page.get_by_role("link", name="Répondues").click()
    expect(page.locator("li.sheet", has_text=cast.mentor["name"])).to_contain_text("Le support va la corriger.")


@pytest.mark.rule("S7")
def test_training_sees_a_funders_month_and_takes_the_certificate_with_the_same_figures(
    school: School, visitors: Visitors
) -> None:
    cast = documented(school, at(days=-1))
    month = at(days=-1).strftime("%Y-%m")
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Administration de la formation")
    page.goto(f"/dossiers?mois={month}&financement=third_party&q={cast.student['email']}")
    row = page.get_by_role("row", name=re.compile(cast.student["name"]))
    expect(row).to_contain_text(re.compile(r"1 réalisées\s+45"))
    is_open_to_everybody(visitor)
    with page.expect_download() as certificate:
        row.get_by_role("link", name=re.compile("PDF")).click()
    assert certificate.value.suggested_filename.endswith(".pdf")
    _download(page, "Télécharger en CSV", "csv")
    page.goto("/continuite")
    page.locator("svg.board a").last.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("semaine=.*financement="))


def test_the_pages_behind_a_search_are_open_to_everybody(school: School, visitors: Visitors) -> None:
    cast = documented(school, at(days=-1))
    student, mentor = cast.student["student_id"], cast.mentor["mentor_id"]
    visitor = visitors()
    visitor.sign_in("Support")
    for path in (
        f"/recherche?q={cast.student['email']}",
        f"/chronologie/etudiant/{student}",
        f"/chronologie/mentor/{mentor}",
        f"/a-une-date/etudiant/{student}",
        f"/a-une-date/mentor/{mentor}",
        f"/a-une-date/session/{cast.session['session_id']}",
        f"{cast.session_path}/corriger",
    ):
        answer = visitor.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        is_open_to_everybody(visitor)


def _local(instant: datetime) -> str:
    return local(instant).strftime("%Y-%m-%dT%H:%M:%S")


def _statement(school: School, cast: Cast) -> dict[str, object]:
    return school.ok("GET", f"/mentors/{cast.mentor['mentor_id']}/statements/2024-02")


def _download(page: Page, name: str, extension: str) -> None:
    with page.expect_download() as download:
        page.get_by_role("link", name=name, exact=True).click()
    assert download.value.suggested_filename.endswith(f".{extension}")
    assert download.value.path().stat().st_size > 100
