"""All statements of a month: listed with those who have none, as documents, and closed together or not at all."""

import csv
import io
from uuid import UUID, uuid4

import openpyxl
import pytest

from relais_contracts.transfers import MentorRegistered, StudentEnrolled
from services.chassis.ids import new_id
from tests.billing.conftest import Billing
from tests.billing.figures import STUDENT, paris
from tests.billing.test_statements_on_postgres import IN_OCTOBER, SECOND, cancelled, corrected, held

OCTOBER = "2026-10"


def registered(billing: Billing, name: str) -> UUID:
    mentor_id = new_id()
    billing.receive(
        MentorRegistered(
            mentor_id=mentor_id,
            email=f"{mentor_id}@example.org",
            name=name,
            capacity=3,
            paths=(),
            projects=(),
            timezone="Europe/Paris",
        )
    )
    return mentor_id


def of_month(billing: Billing, mark: str, **parameters: str) -> dict[str, tuple[str, int, int]]:
    """Name → status, lines, total, of the mentors with this mark in their name."""
    answer = billing.get("/statements", month=OCTOBER, search=mark, **parameters)
    assert answer.status_code == 200, answer.text
    return {row["name"]: (row["status"], row["lines"], row["total_cents"]) for row in answer.json()["items"]}


@pytest.mark.rule("S8")
def test_every_mentor_is_listed_open_closed_or_without_a_line(billing: Billing) -> None:
    mark = uuid4().hex[:8]
    some, closed, _ = (registered(billing, f"{name} {mark}") for name in ("Zoé", "Anaïs", "Éric"))
    for mentor_id in (some, closed):
        billing.receive(held(mentor_id))
        billing.receive(cancelled(mentor_id, "student_no_show"))
    assert billing.close(closed, OCTOBER).status_code == 200
    amount = billing.statement(some, OCTOBER)["total_cents"]
    assert of_month(billing, mark) == {
        f"Anaïs {mark}": ("closed", 2, amount),
        f"Zoé {mark}": ("open", 2, amount),
        f"Éric {mark}": ("empty", 0, 0),
    }
    assert list(of_month(billing, mark, status="empty")) == [f"Éric {mark}"]
    assert list(of_month(billing, f"ANAIS {mark}")) == [f"Anaïs {mark}"]
    page = billing.get("/statements", month=OCTOBER, search=mark, limit=2).json()
    rest = billing.get("/statements", month=OCTOBER, search=mark, limit=2, cursor=page["next_cursor"]).json()
    assert [row["name"] for part in (page, rest) for row in part["items"]] == list(of_month(billing, mark))
    totals = page["totals"]
    assert totals["lines"] == sum(one["lines"] for one in totals["by_outcome"])
    assert totals["total_cents"] == sum(one["amount_cents"] for one in totals["by_outcome"])


@pytest.mark.rule("S8")
def test_adjustments_are_counted_and_a_month_is_read_as_it_stood(billing: Billing) -> None:
    mark = uuid4().hex[:8]
    mentor_id, session_id = registered(billing, f"Maud {mark}"), new_id()
    billing.receive(cancelled(mentor_id, "student_no_show", session_id=session_id), at=IN_OCTOBER)
    billing.close(mentor_id, OCTOBER)
    billing.receive(corrected(mentor_id, session_id, "held"))
    [row] = billing.get("/statements", month="2026-11", search=mark).json()["items"]
    assert (row["lines"], row["adjustments"], row["adjustments_cents"]) == (1, 1, row["total_cents"])
    [before] = billing.get("/statements", month=OCTOBER, search=mark, as_of=(IN_OCTOBER - SECOND).isoformat()).json()[
        "items"
    ]
    assert (before["status"], before["lines"]) == ("empty", 0)


def test_ready_statements_are_closed_together_and_a_second_time_changes_nothing(billing: Billing) -> None:
    mentor_ids = [registered(billing, f"Mentor {number}") for number in range(3)]
    for mentor_id in mentor_ids:
        billing.receive(held(mentor_id))
    seen = [_seen(billing, mentor_id) for mentor_id in mentor_ids]
    billing.close(mentor_ids[0], OCTOBER)
    done = billing.post(f"/statements/{OCTOBER}/close", {"statements": seen})
    assert (done.status_code, done.json()["closed"], done.json()["already"]) == (200, 2, 1)
    assert {billing.statement(mentor_id, OCTOBER)["status"] for mentor_id in mentor_ids} == {"closed"}
    again = billing.post(f"/statements/{OCTOBER}/close", {"statements": seen})
    assert (again.status_code, again.json()["closed"], again.json()["already"]) == (200, 0, 3)
    late = billing.close(mentor_ids[1], OCTOBER)
    assert (late.status_code, late.json()["version"]) == (200, 1)


def test_none_is_closed_where_one_is_no_longer_as_it_was_seen(billing: Billing) -> None:
    mentor_ids = [registered(billing, f"Mentor {number}") for number in range(2)]
    for mentor_id in mentor_ids:
        billing.receive(held(mentor_id))
    seen = [_seen(billing, mentor_id) for mentor_id in mentor_ids]
    billing.receive(held(mentor_ids[1]))
    refused = billing.post(f"/statements/{OCTOBER}/close", {"statements": seen})
    assert (refused.status_code, refused.json()["code"]) == (409, "statement_changed")
    assert [error["mentor_id"] for error in refused.json()["errors"]] == [str(mentor_ids[1])]
    assert {billing.statement(mentor_id, OCTOBER)["status"] for mentor_id in mentor_ids} == {"open"}


def test_a_month_that_has_not_begun_is_not_closed_together(billing: Billing) -> None:
    seen = [{"mentor_id": str(new_id()), "lines": 0, "total_cents": 0}]
    refused = billing.post("/statements/2027-01/close", {"statements": seen})
    assert (refused.status_code, refused.json()["code"]) == (422, "month_not_begun")
    assert billing.post("/statements/2026-1/close", {"statements": seen}).json()["code"] == "invalid_month"


def test_the_documents_of_a_month_hold_every_line_with_its_names(billing: Billing) -> None:
    mark = uuid4().hex[:8]
    mentor_id = registered(billing, f"=cmd {mark}")
    billing.receive(
        StudentEnrolled(
            student_id=STUDENT,
            email="z@example.org",
            name="Zoé Lefort",
            path="Python",
            project="Projet 1",
            funding="third_party",
            language="fr",
            mentor_id=mentor_id,
            enrolled_at=paris(2026, 9, 1),
        )
    )
    billing.receive(held(mentor_id))
    text = billing.get(f"/statements/{OCTOBER}.csv").content
    assert text.startswith("\ufeffMentor;Nom du mentor;".encode())
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig")), delimiter=";"))
    [row] = [row for row in rows if row["Mentor"] == str(mentor_id)]
    assert (row["Nom du mentor"], row["Nom de l'étudiant"]) == (f"'=cmd {mark}", "Zoé Lefort")
    book = openpyxl.load_workbook(io.BytesIO(billing.get(f"/statements/{OCTOBER}.xlsx").content))
    sheet = list(book.active.iter_rows())
    assert len(sheet) == 1 + len(rows)
    [cells] = [cells for cells in sheet if cells[0].value == str(mentor_id)]
    assert (cells[1].value, cells[1].data_type) == (f"=cmd {mark}", "s")
    amount = cells[[cell.value for cell in sheet[0]].index("Montant")].value
    assert round(amount * 100) == billing.statement(mentor_id, OCTOBER)["total_cents"]
    assert billing.get(f"/statements/{OCTOBER}.pdf").content.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("role", "reads", "closes"), [("support", 200, 403), ("mentor", 403, 403), ("training", 403, 403)]
)
def test_a_month_is_for_billing_and_support_and_closed_by_billing(
    billing: Billing, role: str, reads: int, closes: int
) -> None:
    for path in ("", f"/{OCTOBER}.csv", f"/{OCTOBER}.xlsx", f"/{OCTOBER}.pdf"):
        assert billing.get(f"/statements{path}", role, month=OCTOBER).status_code == reads
    body = {"statements": [{"mentor_id": str(new_id()), "lines": 0, "total_cents": 0}]}
    assert billing.post(f"/statements/{OCTOBER}/close", body, role).status_code == closes


def _seen(billing: Billing, mentor_id: UUID) -> dict[str, object]:
    statement = billing.statement(mentor_id, OCTOBER)
    return {
        "mentor_id": str(mentor_id),
        "lines": len(statement["lines"]),
        "total_cents": statement["total_cents"],
    }
