"""The statement as it is sent: what stands in the PDF, and that its total is the sum of the lines that people see."""

import io
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from psycopg.rows import DictRow
from pypdf import PdfReader

from relais_contracts.sessions import SessionHeld
from relais_contracts.transfers import MentorRegistered, StudentEnrolled, StudentUpdated
from services.billing.edges.documents import statement_as_csv, statement_as_pdf
from services.billing.views.statements import StatementRow
from services.chassis.ids import new_id
from tests.billing.conftest import Billing
from tests.billing.figures import MENTOR, NOVEMBER, OCTOBER, PARIS, STUDENT, paris

NAMES = {MENTOR: "Camille Durand", STUDENT: "Inès Morel"}


def line(amount_cents: int, **said: Any) -> DictRow:
    row = {
        "line_id": new_id(),
        "kind": "session",
        "session_id": new_id(),
        "student_id": STUDENT,
        "event_id": new_id(),
        "outcome": "held",
        "starts_at": paris(2026, 10, 31, 23, 59),
        "duration_minutes": 45,
        "path": "web-developer",
        "level": 1,
        "rate_cents": 123456,
        "share_percent": 100,
        "amount_cents": amount_cents,
        "rate_version": "été",
    }
    return row | said


def text_of(row: StatementRow, names: dict[UUID, str]) -> str:
    pages = PdfReader(io.BytesIO(bytes(statement_as_pdf(row, names, PARIS).body))).pages
    return " ".join(" ".join(page.extract_text() for page in pages).replace("\u00a0", " ").split())


@pytest.mark.rule("S8")
def test_the_pdf_says_whose_statement_it_is_each_reason_and_a_total_that_is_the_sum_of_its_lines() -> None:
    taken_back = line(-50, kind="adjustment", outcome="student_no_show", share_percent=0)
    row = StatementRow(MENTOR, OCTOBER, "EUR", paris(2026, 11, 3), [line(123456), taken_back])
    text = text_of(row, NAMES)
    assert text.startswith(f"Appel à facturation · octobre 2026 Mentor Camille Durand Numéro {MENTOR}")
    assert "Statut clos le 03/11/2026 Total 1 234,06 €" in text
    assert "31/10/2026 23:59 Session Inès Morel web-developer Session réalisée été 1 234,56 € 100 % 1 234,56 €" in text
    assert "Régularisation Inès Morel web-developer L'étudiant ne s'est pas présenté à la session" in text
    assert "0 % -0,50 € Total 1 234,06 €" in text
    assert "n’est pas une facture" in text


@pytest.mark.parametrize("closed_at", [None, paris(2026, 11, 3)])
def test_an_empty_statement_says_so_and_whether_it_may_still_change(closed_at: datetime | None) -> None:
    text = text_of(StatementRow(MENTOR, NOVEMBER, "EUR", closed_at, []), {})
    assert "Aucune session pour ce mois." in text
    assert "Mentor nom inconnu" in text
    assert ("ouvert, il peut encore changer" in text) == (closed_at is None)


def test_a_statement_of_many_lines_goes_on_over_pages_and_is_always_the_same_bytes() -> None:
    row = StatementRow(MENTOR, OCTOBER, "EUR", None, [line(100) for _ in range(120)])
    pdf = bytes(statement_as_pdf(row, NAMES, PARIS).body)
    pages = PdfReader(io.BytesIO(pdf)).pages
    assert len(pages) > 2
    assert all("Montant" in page.extract_text() for page in pages)
    assert f"Page {len(pages)} sur {len(pages)}" in pages[-1].extract_text()
    assert bytes(statement_as_pdf(row, NAMES, PARIS).body) == pdf


def test_a_student_whose_name_is_not_known_yet_stands_there_with_the_number() -> None:
    row = StatementRow(MENTOR, OCTOBER, "EUR", None, [line(100)])
    assert str(STUDENT)[:8] in text_of(row, {})
    assert bytes(statement_as_csv(row, {}, PARIS).body).decode("utf-8-sig").splitlines()[1].endswith(";")


def test_documents_name_people_as_the_directory_last_called_them(billing: Billing) -> None:
    mentor_id, student_id = new_id(), new_id()
    account: dict[str, Any] = {
        "student_id": student_id,
        "email": "ines@students.example",
        "path": "web-developer",
        "project": "P5",
        "funding": "self_funded",
        "language": "fr",
    }
    billing.receive(
        MentorRegistered(
            mentor_id=mentor_id,
            email="camille@mentors.example",
            name="Camille Durand",
            capacity=3,
            paths=("web-developer",),
            projects=("P5",),
            timezone="Europe/Paris",
        )
    )
    billing.receive(StudentEnrolled(**account, name="Inès Morel", mentor_id=mentor_id, enrolled_at=paris(2026, 9, 1)))
    billing.receive(StudentUpdated(**account, name="Inès Morel-Petit"))
    starts_at = paris(2026, 10, 20)
    billing.receive(
        SessionHeld(
            session_id=new_id(),
            student_id=student_id,
            mentor_id=mentor_id,
            starts_at=starts_at,
            duration_minutes=45,
            path="web-developer",
            held_at=starts_at,
        )
    )
    path = f"/mentors/{mentor_id}/statements/2026-10"
    answer = billing.get(f"{path}.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == 'attachment; filename="appel-a-facturation-2026-10.pdf"'
    text = PdfReader(io.BytesIO(answer.content)).pages[0].extract_text().replace("\n", " ")
    assert "Camille Durand" in text
    assert "Inès Morel-Petit" in text
    assert "Inès Morel-Petit" in billing.get(f"{path}.csv").text
    assert billing.get(f"{path}.pdf", "training").status_code == 403
    assert billing.get(f"/mentors/{mentor_id}/statements/2026-13.pdf").status_code == 422
