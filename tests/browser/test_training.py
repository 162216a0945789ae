"""Training administration keeps every student's week in view, and proves attendance to whoever pays."""

import csv
import io
import re

import pytest
from openpyxl import load_workbook
from playwright.sync_api import expect
from pypdf import PdfReader

from tests.browser.conftest import Look, Visitors, Way, crossed
from tests.browser.office import documented, is_open_to_everybody, taken
from tests.browser.test_journeys import local
from tests.journeys.school import School, at

TEAM = "Administration de la formation"


@pytest.mark.rule("T2")
@crossed(2)
def test_the_board_leads_from_everybody_s_weeks_to_one_student_s(school: School, visitors: Visitors, way: Way) -> None:
    cast = documented(school, at(days=-1))
    visitor = visitors.come(way, way.say(TEAM))
    page, say = visitor.page, way.say
    page.goto("/continuite")
    page.locator("svg.board a").last.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("semaine=.*financement="))
    week = f"{local(at(days=-1)).isocalendar().year}-W{local(at(days=-1)).isocalendar().week:02d}"
    page.goto(f"/continuite?semaine={week}&financement=third_party&etat=green")
    expect(page.get_by_label(say("Financement"), exact=True)).to_have_value("third_party")
    text = taken(page, page.get_by_role("link", name=say("Télécharger en CSV")), "csv").decode("utf-8-sig")
    assert any(cast.student["name"] in row.values() for row in csv.DictReader(io.StringIO(text), delimiter=";"))
    page.goto(f"/etudiants/{cast.student['student_id']}/assiduite")
    expect(page.get_by_role("img", name=say("L'assiduité, semaine par semaine"))).to_be_visible()
    expect(page.locator("table")).to_contain_text(say("Présent"))
    assert not visitor.overflows()


@pytest.mark.rule("S7")
@crossed(3)
def test_a_funders_month_and_the_certificate_say_the_same(school: School, visitors: Visitors, way: Way) -> None:
    cast = documented(school, at(days=-1))
    visitor = visitors.come(way, way.say(TEAM))
    page, say = visitor.page, way.say
    page.goto("/dossiers")
    page.get_by_label(say("Mois")).select_option(f"{at(days=-1):%Y-%m}")
    page.get_by_label(say("Financement"), exact=True).select_option("third_party")
    page.get_by_label(say("Nom ou e-mail")).fill(cast.student["email"])
    page.get_by_role("button", name=say("Chercher")).click()
    row = page.get_by_role("row", name=re.compile(cast.student["name"]))
    expect(row).to_contain_text("45")
    text = taken(page, page.get_by_role("link", name=say("Télécharger en CSV")), "csv")
    assert text.startswith(b"\xef\xbb\xbf")
    assert cast.student["name"] in text.decode("utf-8-sig")
    book = load_workbook(io.BytesIO(taken(page, page.get_by_role("link", name=say("Excel")), "xlsx")))
    [found] = [row for row in book.worksheets[0].iter_rows(values_only=True) if cast.student["name"] in row]
    assert sum(isinstance(cell, int | float) for cell in found) >= 5
    certificate = taken(page, row.get_by_role("link", name=re.compile(say("PDF"))), "pdf")
    shown = re.sub(r"\s+", " ", "".join(one.extract_text() for one in PdfReader(io.BytesIO(certificate)).pages))
    assert cast.student["name"] in shown
    assert "é" in shown
    row.get_by_role("link", name=cast.student["name"], exact=True).click()
    expect(page.get_by_label(say("Au"), exact=True)).to_have_value(f"{local(at()):%Y-%m-%d}")
    again = taken(page, page.get_by_role("button", name=say("Télécharger l'attestation")), "pdf")
    assert cast.student["name"] in re.sub(
        r"\s+", " ", "".join(one.extract_text() for one in PdfReader(io.BytesIO(again)).pages)
    )


def test_no_page_of_training_shuts_anybody_out_in_light_and_dark(
    school: School, visitors: Visitors, look: Look
) -> None:
    cast = documented(school, at(days=-1))
    student = cast.student["student_id"]
    visitor = visitors(**look.options)
    visitor.sign_in(TEAM)
    for path in (
        *("/dossiers", "/dossiers?q=qzzq", "/continuite", "/continuite?etat=missed", cast.session_path),
        *(f"/etudiants/{student}", f"/etudiants/{student}/informations", f"/etudiants/{student}/assiduite"),
    ):
        answer = visitor.page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        is_open_to_everybody(visitor, *look.rules)
