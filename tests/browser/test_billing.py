"""Billing goes through a month, takes it away as files, closes what is ready, and answers who disagrees."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser.conftest import Look, Visitors, Way, crossed
from tests.browser.office import documented, is_open_to_everybody, taken
from tests.browser.test_journeys import Cast
from tests.journeys.school import School, at, eventually

MONTHS = {"desktop": 2, "phone": 3}
"""Each way closes a month of its own."""


@pytest.mark.rule("S8")
@crossed(1)
def test_billing_closes_what_is_ready_and_leaves_what_is_not(school: School, visitors: Visitors, way: Way) -> None:
    then = datetime(2024, MONTHS[way.name.partition("-")[0]], 14, 15, tzinfo=UTC)
    month = f"{then:%Y-%m}"
    ready, waiting = documented(school, then), documented(school, then)
    school.session(waiting.student, then + timedelta(days=1))
    span = f"from={month}-01T00:00:00Z&to={month}-28T00:00:00Z"
    eventually(lambda: school.ok("GET", f"/sessions/to-document?{span}")["items"], within_s=10)
    visitor = visitors.come(way, way.say("Facturation"))
    page, say = visitor.page, way.say
    page.goto(f"/facturation?mois={month}&statut=open")
    expect(page.get_by_role("row", name=re.compile(waiting.mentor["name"]))).to_contain_text("1 session")
    page.get_by_role("link", name=say("Clôturer les appels prêts")).click()
    expect(page.locator("main")).to_contain_text(say("Laissés ouverts : des sessions restent à documenter"))
    if way.has_scripts:
        assert visitor.barriers() == []
    assert not visitor.overflows()
    page.locator("form[action='/facturation/cloture'] button").click()
    expect(page.get_by_role("status")).to_contain_text(say("Une correction deviendra une ligne du suivant."))
    closed = {cast: _statement(school, cast, month)["status"] for cast in (ready, waiting)}
    assert closed == {ready: "closed", waiting: "open"}

    page.goto(f"/facturation/{waiting.mentor['mentor_id']}/{month}")
    page.locator("a[href$='/cloture']").click()
    expect(page.locator("main")).to_contain_text("1 session")
    page.get_by_role("button", name=say("Clôturer l'appel")).click()
    expect(page.get_by_role("status")).to_contain_text(say("L'appel à facturation est clôturé."))

    # What is corrected later stands as an adjustment on the next open statement, and the closed one stays.
    before = _statement(school, ready, month)
    no_show = {"status": "cancelled", "reason": "student_no_show", "why": "Erreur"}
    school.ok("POST", f"{ready.session_path}/correction", no_show)
    mentor = ready.mentor["mentor_id"]
    [adjusted] = eventually(
        lambda: [
            one
            for one in school.ok("GET", f"/mentors/{mentor}/statements")["items"]
            if any(line["kind"] == "adjustment" for line in one["lines"])
        ],
        within_s=10,
    )
    page.goto(f"/facturation/{mentor}/{adjusted['month']}")
    expect(page.locator("tbody")).to_contain_text(say("Ajustement"))
    assert _statement(school, ready, month) == before


def test_a_month_is_taken_away_as_files_that_open_right(school: School, visitors: Visitors) -> None:
    cast = documented(school, datetime(2024, 6, 14, 15, tzinfo=UTC))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Facturation")
    page.goto("/facturation?mois=2024-06")
    text = taken(page, page.get_by_role("link", name="Télécharger en CSV"), "csv")
    assert text.startswith(b"\xef\xbb\xbf")
    [row] = [
        row
        for row in csv.DictReader(io.StringIO(text.decode("utf-8-sig")), delimiter=";")
        if cast.mentor["name"] in row.values()
    ]
    amount = next(name for name in row if name.startswith("Montant"))
    assert re.fullmatch(r"\d+,\d\d", row[amount])

    book = load_workbook(io.BytesIO(taken(page, page.get_by_role("link", name="Excel"), "xlsx")))
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    found = next(row for row in rows if cast.mentor["name"] in row)
    worth = found[rows[0].index(next(name for name in rows[0] if str(name).startswith("Montant")))]
    assert isinstance(worth, int | float)
    assert f"{worth:.2f}".replace(".", ",") == row[amount]

    paper = PdfReader(io.BytesIO(taken(page, page.get_by_role("link", name="PDF"), "pdf")))
    assert cast.mentor["name"] in re.sub(r"\s+", " ", "".join(one.extract_text() for one in paper.pages))
    page.goto(f"/facturation/{cast.mentor['mentor_id']}/2024-06")
    paper = PdfReader(io.BytesIO(taken(page, page.get_by_role("link", name="Télécharger en PDF"), "pdf")))
    shown = re.sub(r"\s+", " ", "".join(one.extract_text() for one in paper.pages))
    assert cast.student["name"] in shown
    assert "€" in shown


@crossed(2)
def test_billing_answers_a_disputed_line(school: School, visitors: Visitors, way: Way) -> None:
    cast = documented(school, at(days=-1))
    mentor_id, month = cast.mentor["mentor_id"], f"{at(days=-1):%Y-%m}"
    [line] = school.ok("GET", f"/mentors/{mentor_id}/statements/{month}")["lines"]
    address = f"/mentors/{mentor_id}/statements/{month}/lines/{line['line_id']}/dispute"
    school.ok("POST", address, {"reason": "La session a duré deux heures."}, role="mentor", email=cast.mentor["email"])
    visitor = visitors.come(way, way.say("Facturation"))
    page, say = visitor.page, way.say
    page.goto("/contestations")
    sheet = page.locator("li.sheet", has_text=cast.mentor["name"])
    expect(sheet).to_contain_text("« La session a duré deux heures. »")
    sheet.get_by_label(say("Votre réponse au mentor")).fill("Le support va la corriger.")
    sheet.get_by_role("button", name=say("Répondre")).click()
    expect(page.get_by_role("status")).to_contain_text(say("Votre réponse est enregistrée."))
    page.get_by_role("link", name=say("Répondues")).click()
    answered = page.locator("li.sheet", has_text=cast.mentor["name"])
    expect(answered).to_contain_text("Le support va la corriger.")
    answered.get_by_role("heading", level=2).get_by_role("link").click()
    expect(page.locator("tr.chosen + .why")).to_contain_text("Le support va la corriger.")


def test_no_page_of_billing_shuts_anybody_out_in_light_and_dark(school: School, visitors: Visitors, look: Look) -> None:
    cast = documented(school, at(days=-1))
    own = f"/facturation/{cast.mentor['mentor_id']}/{at(days=-1):%Y-%m}"
    visitor = visitors(**look.options)
    visitor.sign_in("Facturation")
    for path in ("/facturation", "/facturation?q=qzzq", "/facturation?mois=2031-01", "/contestations?etat=settled", own,
                 f"{own}/cloture", "/facturation/cloture?mois=2019-01"):  # fmt: skip
        answer = visitor.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        is_open_to_everybody(visitor, *look.rules)


def _statement(school: School, cast: Cast, month: str) -> dict[str, Any]:
    return school.ok("GET", f"/mentors/{cast.mentor['mentor_id']}/statements/{month}")
