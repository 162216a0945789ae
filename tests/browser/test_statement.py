"""« Appel à facturation »: each line says where it comes from, and is disputed where it is read."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from services.portal.pages.statements import LINES_A_PAGE
from tests.browser.conftest import IN_FOUR_WAYS, WAYS, Visitors, Way
from tests.browser.test_journeys import Cast, local
from tests.journeys.school import School, at, eventually


@IN_FOUR_WAYS
@pytest.mark.rule("S8")
def test_a_line_is_explained_disputed_and_answered(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=at(hours=-2))
    school.ok("POST", f"{cast.session_path}/cancellation", {"reason": "student_no_show"}, role="support")
    month = local(at(hours=-2)).strftime("%Y-%m")
    statement = f"/mentors/{cast.mentor['mentor_id']}/statements/{month}"
    [line] = eventually(lambda: school.ok("GET", statement)["lines"], within_s=10)
    visitor = visitors.come(way, cast.mentor["name"])
    page = visitor.page
    page.goto(f"/appel-a-facturation/{month}")
    row = page.locator(f"#l-{line['line_id'][-12:]}")
    why = page.locator("tr.why")
    row.get_by_role("link", name=way.say("Expliquer")).click()
    expect(why).to_contain_text(line["event_id"])
    expect(why).to_contain_text(line["rate_version"])
    row.get_by_role("button", name=way.say("Contester")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("La ligne est contestée."))
    row.get_by_role("button", name=way.say("Retirer la contestation")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("La contestation est retirée."))
    row.get_by_role("button", name=way.say("Contester")).click()
    page.get_by_label(way.say("Dites pourquoi (facultatif)")).fill("L'étudiante était là.")
    page.get_by_role("button", name=way.say("Envoyer la raison")).click()
    expect(why).to_contain_text("L'étudiante était là.")

    answer = {"answer": "Corrigé par le support."}
    school.ok("POST", f"/disputes/{line['line_id']}/settlement", answer, role="billing")
    page.reload()
    expect(row).to_contain_text(way.say("Réponse reçue"))
    expect(row.get_by_role("button")).to_have_count(0)
    expect(why).to_contain_text("Corrigé par le support.")
    for name in ("Télécharger en CSV", "Télécharger en PDF"):
        with page.expect_download() as download:
            page.get_by_role("link", name=way.say(name)).click()
        assert download.value.suggested_filename.startswith(f"appel-a-facturation-{month}.")


def test_a_long_statement_is_light_page_by_page(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=2))
    first = (local(at()).replace(day=1, hour=9, minute=0, second=0) - timedelta(days=3)).replace(day=1)

    def hold(number: int) -> None:
        session = school.session(cast.student, first + timedelta(hours=6 * number))
        school.ok("POST", f"/sessions/{session['session_id']}/completion", {})

    with ThreadPoolExecutor(8) as held:
        list(held.map(hold, range(LINES_A_PAGE + 5)))
    month = first.strftime("%Y-%m")
    statement = f"/mentors/{cast.mentor['mentor_id']}/statements/{month}"
    eventually(lambda: len(school.ok("GET", statement)["lines"]) == LINES_A_PAGE + 5, within_s=20)
    visitor = visitors.come(WAYS[0], cast.mentor["name"])
    page = visitor.page
    page.goto(f"/appel-a-facturation/{month}")
    expect(page.locator("tr[id]")).to_have_count(LINES_A_PAGE)
    assert visitor.weight_bytes() <= 100_000
    page.get_by_role("link", name="Lignes 101 à 105").first.click()
    expect(page.locator("tr[id]")).to_have_count(5)
    page.get_by_role("button", name="Contester").last.click()
    expect(page.get_by_role("status")).to_contain_text("La ligne est contestée.")
    page.emulate_media(media="print")
    expect(page.locator("tr[id]").first).to_be_visible()
    expect(page.get_by_text(cast.mentor["email"])).to_be_visible()
    for control in ("Contester", "Retirer la contestation", "Envoyer la raison"):
        expect(page.get_by_role("button", name=control)).to_have_count(0)
