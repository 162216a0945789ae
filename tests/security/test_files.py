"""Files that people open elsewhere: no cell is a formula, no PDF acts, no name of a file becomes a header."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from tests.conftest import RunningRelais
from tests.journeys.school import School
from tests.security.conftest import Hostile, Tried, hostile_school
from tests.signed_in import signed_in

FORMULAS = (
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A1", '=HYPERLINK("http://evil.example";"Ouvrir")',
    "＝1+1", "＋1+1", "－1+1", "＠SUM(1)", '";=1+1;"', "';=1+1",
)  # fmt: skip
AFTER_A_BREAK = ("\t=1+1", "\r=1+1", "\n=1+1", "Ada\n=1+1", "Ada\r\n=1+1")
STARTS = ("=", "+", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MARKUP = '<b>x</b></para><a href="http://evil.example">y</a><img src="file:///etc/passwd"/>) /JS (app.alert(1)) &#x41;'
ACTS = {
    "/JavaScript", "/JS", "/OpenAction", "/AA", "/Launch", "/URI", "/GoToR", "/SubmitForm", "/EmbeddedFile",
    "/RichMedia",     "/AcroForm", "/XFA", "/Annots",
}  # fmt: skip


def files_of(hostile: Hostile, form: str) -> list[tuple[str, str]]:
    """Every file of this form in which something of the school stands, with a role that may have it."""
    now = datetime.now(UTC)
    month, student, mentor = f"{now:%Y-%m}", hostile.student["student_id"], hostile.mentor["mentor_id"]
    days = f"from={(now - timedelta(days=30)).date()}&to={(now + timedelta(days=1)).date()}"
    whole = [(f"/statements/{month}.{form}", "billing"), (f"/attendance.{form}?{days}", "training")]
    of_one = [
        (f"/mentors/{mentor}/statements/{month}.{form}", "billing"),
        (f"/students/{student}/attendance.{form}", "training"),
    ]
    certificate = (f"/students/{student}/attendance/certificate.pdf?{days}", "training")
    continuity = (f"/continuity.csv?mentor_id={mentor}", "training")
    return whole + {"xlsx": [], "csv": [*of_one, continuity], "pdf": [*of_one, certificate]}[form]


@pytest.fixture(scope="module", params=FORMULAS, ids=repr)
def formula(request: pytest.FixtureRequest, school: School) -> tuple[str, Hostile]:
    return request.param, hostile_school(school, request.param)


def test_no_cell_of_a_csv_file_is_a_formula(school: School, tried: Tried, formula: tuple[str, Hostile]) -> None:
    text, hostile = formula
    seen = 0
    for path, role in files_of(hostile, "csv"):
        answer = school.call("GET", path, role=role)
        assert answer.is_success, f"{path} {answer.text}"
        for row in csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"):
            for cell in row:
                harmless = not cell.startswith(STARTS) and not re.match(r"-(?!\d+([.,]\d+)?$)", cell)
                if text in cell:
                    seen += 1
                    tried.note("formulas in cells: CSV", refused=harmless)
                assert harmless, f"{path}: {cell!r}"
    assert seen


def test_no_cell_of_a_workbook_is_a_formula_and_its_numbers_are_numbers(
    school: School, tried: Tried, formula: tuple[str, Hostile]
) -> None:
    text, hostile = formula
    for path, role in files_of(hostile, "xlsx"):
        answer = school.call("GET", path, role=role)
        assert answer.is_success, f"{path} {answer.text}"
        seen = 0
        with zipfile.ZipFile(io.BytesIO(answer.content)) as parts:
            names = " ".join(parts.namelist())
            assert not re.search(r"externalLink|vbaProject|activeX|embeddings|connections", names), names
            sheets = [parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets/sheet")]
        assert not any(b"<f" in sheet or b"hyperlink" in sheet for sheet in sheets), path
        sheet = load_workbook(io.BytesIO(answer.content)).worksheets[0]
        for row in sheet.iter_rows(min_row=2):
            for cell in row:
                if isinstance(cell.value, str) and text in cell.value:
                    seen += 1
                    tried.note("formulas in cells: XLSX", refused=cell.data_type == "s")
                assert cell.data_type in ("s", "n"), f"{path}: {cell.value!r}"
                assert not (isinstance(cell.value, str) and re.fullmatch(r"-?\d+[.,]\d+", cell.value)), cell.value
        assert seen, path


@pytest.mark.parametrize("text", AFTER_A_BREAK, ids=repr)
def test_a_break_before_a_formula_gets_into_no_name(school: School, tried: Tried, text: str) -> None:
    mentor = school.mentor()
    body = {name: value for name, value in mentor.items() if name != "mentor_id"} | {"name": text}
    answer = school.call("PUT", f"/mentors/{mentor['mentor_id']}", body, role="directory")
    kept = answer.json().get("name", "")
    harmless = answer.status_code == 422 or not re.search(r"[\t\r\n]", kept)  # What is left is like any other.
    tried.note("formulas in cells: after a break", refused=harmless)
    assert harmless, kept


def parts_of(found: Any, seen: set[int]) -> Iterator[str]:
    """The keys of every dictionary that a PDF file holds."""
    if isinstance(found, IndirectObject):
        if found.idnum in seen:
            return
        seen.add(found.idnum)
        found = found.get_object()
    if isinstance(found, DictionaryObject):
        for name, value in found.items():
            yield str(name)
            yield from parts_of(value, seen)
    elif isinstance(found, ArrayObject):
        for value in found:
            yield from parts_of(value, seen)


def test_a_pdf_shows_what_was_typed_and_does_nothing(school: School, tried: Tried) -> None:
    hostile = hostile_school(school, MARKUP)
    for path, role in files_of(hostile, "pdf"):
        answer = school.call("GET", path, role=role)
        assert answer.is_success, f"{path} {answer.text}"
        document = PdfReader(io.BytesIO(answer.content))
        found = set(parts_of(document.trailer, set())) & ACTS
        shown = re.sub(r"\s+", "", "".join(page.extract_text() for page in document.pages))
        literally = MARKUP[:9].replace(" ", "") in shown and "root:" not in shown
        tried.note("PDF: markup and scripts", refused=not found and literally)
        assert found == set(), path
        assert literally, f"{path}: {shown[:600]}"


NAMES_OF_FILES = (
    "x%0d%0aSet-Cookie:%20a=b", "x%22%3b%20filename=%22evil.exe", "x%00.exe", "..%2f..%2fevil",
    "x%0aContent-Type:%20text%2fhtml",
    "%e2%80%ae%67pj.exe", "x%5c%22", "x;evil=1",
)  # fmt: skip
SAFE_NAME = re.compile(r'attachment; filename="[A-Za-z0-9][A-Za-z0-9.-]{0,120}\.(csv|xlsx|pdf)"')


def downloads(name: str) -> list[tuple[str, str]]:
    """Each download of the portal with ``name`` in place of whatever the file's name is made of."""
    one = "01980a1c-0000-7000-8000-000000000001"
    return [
        ("billing", f"/facturation/{name}/2026-11/csv"),
        ("billing", f"/facturation/{name}/2026-11/pdf"),
        ("billing", f"/facturation/{one}/{name}/csv"),
        ("billing", f"/facturation/{one}/{name}/pdf"),
        ("billing", f"/facturation/export?mois={name}&forme=csv"),
        ("billing", f"/facturation/export?mois=2026-11&forme={name}"),
        ("training", f"/dossiers/export?mois={name}&forme=xlsx"),
        ("training", f"/dossiers/export?mois=2026-11&forme={name}"),
        ("training", f"/dossiers/{name}/attestation?du=2026-11-01&au=2026-11-30"),
        ("training", f"/dossiers/{one}/attestation?du={name}&au=2026-11-30"),
        ("training", f"/dossiers/{one}/attestation?du=2026-11-01&au={name}"),
        ("training", f"/continuite/csv?semaine={name}"),
        ("training", f"/etudiants/{name}/assiduite.csv"),
    ]


@pytest.fixture(scope="module")
def browsers(relais: RunningRelais) -> Iterator[dict[str, httpx.Client]]:
    opened = {role: signed_in(relais, f"{role}:") for role in ("billing", "training")}
    yield opened
    for browser in opened.values():
        browser.close()


@pytest.mark.parametrize("name", NAMES_OF_FILES)
def test_no_name_of_a_file_becomes_a_header(browsers: dict[str, httpx.Client], tried: Tried, name: str) -> None:
    for role, path in downloads(name):
        answer = browsers[role].get(path)
        given = answer.headers.get("content-disposition")
        safe = (
            (given is None or SAFE_NAME.fullmatch(given) is not None)
            and answer.status_code in (200, 403, 404, 422)
            and not {cookie for cookie in answer.cookies if cookie not in ("relais_session", "relais_language")}
        )
        tried.note("header injection: names of files", refused=safe)
        assert safe, f"{path}: {answer.status_code} {answer.headers}"


def test_each_download_has_a_name_that_people_recognise(school: School, hostile: Hostile) -> None:
    for form in ("csv", "xlsx", "pdf"):
        for path, role in files_of(hostile, form):
            given = school.call("GET", path, role=role).headers["content-disposition"]
            assert SAFE_NAME.fullmatch(given), given
