"""The file as it is sent on: what stands in the CSV and in the PDF, and that the PDF's total is that of its weeks."""

import csv
import io

import pytest
from pypdf import PdfReader

from services.attendance.domain.attendance_file import Move, entry_of, weeks_of
from services.attendance.domain.standing import Outcome
from services.attendance.edges.documents import StudentFile, file_as_csv, file_as_pdf
from services.attendance.views.students import Student
from tests.attendance.school import PARIS, STUDENT, event_id, paris, state

ENROLLED, NOW = paris(2026, 11, 9, 9), paris(2026, 11, 27, 12)
BEFORE, MOVED_TO = paris(2026, 11, 19), paris(2026, 11, 20)


def moved(requested_by: str, *, late: bool) -> Move:
    return Move(event_id(2), BEFORE, requested_by, late)


def file_with(move: Move, *, name: str = "Inès Morel") -> StudentFile:
    """Week 46 is missing, in week 47 a session was moved and held, in week 48 the student did not come."""
    entries = [
        entry_of([state(1, Outcome.PLANNED, MOVED_TO, event=2, move=move), state(1, Outcome.HELD, MOVED_TO, event=3)]),
        entry_of([state(2, Outcome.STUDENT_NO_SHOW, paris(2026, 11, 26), event=4, recoverable=False)]),
    ]
    student = Student(STUDENT, "ines@students.example", name, "third_party", ENROLLED)
    return StudentFile(STUDENT, student, weeks_of(entries, ENROLLED, NOW, PARIS))


def csv_rows(file: StudentFile) -> list[dict[str, str]]:
    text = bytes(file_as_csv(file, PARIS).body).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def pdf_text(file: StudentFile) -> str:
    pages = PdfReader(io.BytesIO(bytes(file_as_pdf(file, PARIS).body))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).replace("\u00a0", " ").split())


@pytest.mark.rule("S7", "S9")
@pytest.mark.parametrize(
    ("move", "told", "late_requests"),
    [
        (moved("student", late=True), "à la demande de l’étudiant, moins de 24 h avant", 1),
        (moved("student", late=False), "à la demande de l’étudiant", 0),
        (moved("mentor", late=True), "à la demande du mentor, moins de 24 h avant", 0),
        (moved("mentor", late=False), "à la demande du mentor", 0),
    ],
)
def test_a_late_request_of_the_student_is_visible_in_the_file(move: Move, told: str, late_requests: int) -> None:
    file = file_with(move)
    session = f"20/11/2026 18:00 réalisée (déplacée du 19/11/2026 18:00 {told})"
    (week,) = [row for row in csv_rows(file) if row["Semaine"] == "2026-W47"]
    assert week["Sessions"] == session
    assert week["Déplacées tard à la demande de l'étudiant"] == str(late_requests)
    assert session in pdf_text(file)


@pytest.mark.rule("S7")
def test_the_pdf_says_whose_file_it_is_and_its_total_is_that_of_its_weeks() -> None:
    text = pdf_text(file_with(moved("mentor", late=False)))
    assert "Dossier d’assiduité" in text
    assert f"Étudiant Inès Morel Numéro {STUDENT} Financement Financé par un organisme tiers" in text
    assert "2026-W46 09/11/2026 15/11/2026 0 0 0 0 0 oui 0" in text
    assert "2026-W47 16/11/2026 22/11/2026 1 1 0 0 0 non 0" in text
    assert "2026-W48 23/11/2026 29/11/2026 1 0 0 1 0 non 0" in text
    assert "Total 2 1 0 1 0 1 0" in text
    assert "Page 1 sur 1" in text


def test_a_file_of_many_weeks_goes_on_over_pages_with_its_columns_named_on_each() -> None:
    entries = [entry_of([state(number, Outcome.HELD, paris(2026, 11, 26), event=number)]) for number in range(1, 200)]
    file = StudentFile(STUDENT, None, weeks_of(entries, paris(2024, 1, 8), NOW, PARIS))
    pages = PdfReader(io.BytesIO(bytes(file_as_pdf(file, PARIS).body))).pages
    assert len(pages) > 3
    assert all("Rattrapées" in page.extract_text() for page in pages[1:])
    assert f"Page {len(pages)} sur {len(pages)}" in pages[-1].extract_text()


def test_the_same_file_gives_the_same_bytes() -> None:
    file = file_with(moved("student", late=True))
    assert file_as_pdf(file, PARIS).body == file_as_pdf(file, PARIS).body
