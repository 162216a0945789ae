"""Statements as they are kept and read, on PostgreSQL and over HTTP."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from relais_contracts.sessions import Reason, SessionCancelled, SessionCorrected, SessionHeld, Status
from relais_contracts.transfers import MentorProfile, MentorRegistered, MentorUpdated
from services.billing.domain.tariff import NoTariff
from services.chassis.ids import new_id
from tests.billing.conftest import NOW, Billing
from tests.billing.figures import STUDENT, paris

IN_OCTOBER = paris(2026, 10, 20)
SECOND = timedelta(seconds=1)


def held(mentor_id: UUID, *, at: datetime = IN_OCTOBER, session_id: UUID | None = None) -> SessionHeld:
    return SessionHeld(
        session_id=session_id or new_id(),
        student_id=STUDENT,
        mentor_id=mentor_id,
        starts_at=at,
        duration_minutes=45,
        path="web-developer",
        held_at=at,
    )


def cancelled(
    mentor_id: UUID,
    reason: Reason,
    *,
    at: datetime = IN_OCTOBER,
    session_id: UUID | None = None,
    path: str = "web-developer",
) -> SessionCancelled:
    return SessionCancelled(
        session_id=session_id or new_id(),
        student_id=STUDENT,
        mentor_id=mentor_id,
        starts_at=at,
        duration_minutes=45,
        path=path,
        reason=reason,
        recoverable=None,
        notice_at=at,
        cancelled_at=at,
    )


def corrected(mentor_id: UUID, session_id: UUID, status: Status, reason: Reason | None = None) -> SessionCorrected:
    return SessionCorrected(
        session_id=session_id,
        student_id=STUDENT,
        mentor_id=mentor_id,
        starts_at=IN_OCTOBER,
        duration_minutes=45,
        path="web-developer",
        previous_status="cancelled",
        previous_reason="student_no_show",
        status=status,
        reason=reason,
        recoverable=None,
        why="Le mentor s’est trompé.",
        corrected_at=NOW,
    )


def amounts(statement: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(line["kind"], line["outcome"], line["amount_cents"]) for line in statement["lines"]]


@pytest.mark.rule("S8")
def test_a_line_says_event_reason_rate_and_rate_version(billing: Billing, mentor_id: UUID) -> None:
    event = cancelled(mentor_id, "student_no_show")
    event_id = billing.receive(event)
    statement = billing.statement(mentor_id, "2026-10")
    UUID(statement["lines"][0].pop("line_id"))
    assert statement == {
        "mentor_id": str(mentor_id),
        "month": "2026-10",
        "status": "open",
        "currency": "EUR",
        "total_cents": 500,
        "closed_at": None,
        "version": 0,
        "lines": [
            {
                "kind": "session",
                "session_id": str(event.session_id),
                "student_id": str(STUDENT),
                "event_id": str(event_id),
                "outcome": "student_no_show",
                "starts_at": "2026-10-20T16:00:00Z",
                "duration_minutes": 45,
                "path": "web-developer",
                "level": 1,
                "rate_cents": 1000,
                "share_percent": 50,
                "amount_cents": 500,
                "rate_version": "summer",
                "dispute": None,
            }
        ],
    }


def test_a_month_has_its_sessions_by_the_calendar_of_paris(billing: Billing, mentor_id: UUID) -> None:
    billing.receive(held(mentor_id, at=paris(2026, 10, 31, 23, 59)))
    billing.receive(held(mentor_id, at=paris(2026, 11, 1, 0, 1)))
    assert amounts(billing.statement(mentor_id, "2026-10")) == [("session", "held", 1000)]
    assert amounts(billing.statement(mentor_id, "2026-11")) == [("session", "held", 1000)]


def test_a_total_is_the_sum_of_its_lines_across_a_change_of_rate(billing: Billing, mentor_id: UUID) -> None:
    billing.receive(held(mentor_id, at=paris(2026, 11, 15, 23, 59)))
    billing.receive(held(mentor_id, at=paris(2026, 11, 16, 0, 0)))
    billing.receive(cancelled(mentor_id, "student_late", at=paris(2026, 11, 17), path="python-developer"))
    statement = billing.statement(mentor_id, "2026-11")
    assert [line["rate_version"] for line in statement["lines"]] == ["summer", "winter", "winter"]
    assert [line["amount_cents"] for line in statement["lines"]] == [1000, 2000, 1800]
    assert statement["total_cents"] == 4800


@pytest.mark.rule("S8")
def test_a_correction_replaces_the_line_of_an_open_statement(billing: Billing, mentor_id: UUID) -> None:
    event = cancelled(mentor_id, "student_no_show")
    billing.receive(event, at=NOW - SECOND)
    correction = billing.receive(corrected(mentor_id, event.session_id, "held"), at=NOW)
    statement = billing.statement(mentor_id, "2026-10")
    assert amounts(statement) == [("session", "held", 1000)]
    assert statement["lines"][0]["event_id"] == str(correction)


def test_a_statement_can_be_read_as_it_stood_before_a_correction(billing: Billing, mentor_id: UUID) -> None:
    event = cancelled(mentor_id, "student_no_show")
    billing.receive(event, at=NOW - SECOND)
    billing.receive(corrected(mentor_id, event.session_id, "held"), at=NOW)
    before = billing.statement(mentor_id, "2026-10", as_of=(NOW - SECOND).isoformat())
    at_once = billing.statement(mentor_id, "2026-10", as_of=NOW.isoformat())
    never = billing.statement(mentor_id, "2026-10", as_of=(NOW - 2 * SECOND).isoformat())
    assert amounts(before) == [("session", "student_no_show", 500)]
    assert amounts(at_once) == [("session", "held", 1000)]
    assert amounts(never) == []


@pytest.mark.rule("S8")
def test_a_closed_statement_never_changes_and_the_next_one_adjusts(billing: Billing, mentor_id: UUID) -> None:
    event = cancelled(mentor_id, "student_no_show")
    billing.receive(event)
    assert billing.close(mentor_id, "2026-10").status_code == 200
    frozen = billing.statement(mentor_id, "2026-10")
    assert (frozen["status"], frozen["total_cents"]) == ("closed", 500)

    billing.receive(corrected(mentor_id, event.session_id, "held"))
    assert billing.statement(mentor_id, "2026-10") == frozen
    assert amounts(billing.statement(mentor_id, "2026-11")) == [("adjustment", "held", 500)]

    billing.close(mentor_id, "2026-11")
    billing.receive(corrected(mentor_id, event.session_id, "cancelled", "student_early"))
    assert amounts(billing.statement(mentor_id, "2026-11")) == [("adjustment", "held", 500)]
    assert amounts(billing.statement(mentor_id, "2026-12")) == [("adjustment", "student_early", -1000)]


def test_a_session_that_arrives_after_its_month_was_closed_is_adjusted(billing: Billing, mentor_id: UUID) -> None:
    assert billing.close(mentor_id, "2026-10").json()["total_cents"] == 0
    billing.receive(held(mentor_id))
    assert amounts(billing.statement(mentor_id, "2026-10")) == []
    assert amounts(billing.statement(mentor_id, "2026-11")) == [("adjustment", "held", 1000)]


def test_another_mentors_closed_month_is_nothing_to_this_one(billing: Billing, mentor_id: UUID) -> None:
    other_id = new_id()
    billing.receive(held(other_id))
    assert billing.close(other_id, "2026-10").status_code == 200
    billing.receive(held(mentor_id))
    assert amounts(billing.statement(mentor_id, "2026-10")) == [("session", "held", 1000)]


def test_a_session_scheduled_again_leaves_the_open_statement(billing: Billing, mentor_id: UUID) -> None:
    event = cancelled(mentor_id, "student_no_show")
    billing.receive(event)
    billing.receive(corrected(mentor_id, event.session_id, "scheduled"))
    assert amounts(billing.statement(mentor_id, "2026-10")) == []


def test_a_correction_to_cancelled_without_a_reason_is_set_aside(billing: Billing, mentor_id: UUID) -> None:
    with pytest.raises(ValueError, match="no reason"):
        billing.receive(corrected(mentor_id, new_id(), "cancelled"))


def test_a_session_before_the_first_tariff_is_set_aside_and_leaves_nothing(billing: Billing, mentor_id: UUID) -> None:
    with pytest.raises(NoTariff):
        billing.receive(held(mentor_id, at=paris(2026, 3, 31)))
    assert amounts(billing.statement(mentor_id, "2026-03")) == []


def test_closing_answers_the_closed_statement_and_twice_changes_nothing(billing: Billing, mentor_id: UUID) -> None:
    billing.receive(held(mentor_id))
    first = billing.close(mentor_id, "2026-10")
    billing.clock.instant = NOW + SECOND
    second = billing.close(mentor_id, "2026-10")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json() == billing.statement(mentor_id, "2026-10")
    assert (first.json()["status"], first.json()["version"], first.json()["total_cents"]) == ("closed", 1, 1000)


def test_the_same_idempotency_key_gives_the_same_answer(billing: Billing, mentor_id: UUID) -> None:
    first = billing.close(mentor_id, "2026-10", **{"Idempotency-Key": "close"})
    second = billing.close(mentor_id, "2026-10", **{"Idempotency-Key": "close"})
    other = billing.close(mentor_id, "2026-11", **{"Idempotency-Key": "close"})
    assert first.json() == second.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_stale_version_is_not_closed(billing: Billing, mentor_id: UUID) -> None:
    assert billing.close(mentor_id, "2026-10", **{"If-Match": '"1"'}).status_code == 412
    assert billing.statement(mentor_id, "2026-10")["status"] == "open"


def test_a_month_to_come_is_not_closed_and_leaves_nothing(billing: Billing, mentor_id: UUID) -> None:
    refusal = billing.close(mentor_id, "2027-01")
    assert (refusal.status_code, refusal.json()["code"]) == (422, "month_not_begun")
    assert billing.get(f"/mentors/{mentor_id}/statements").json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("role", ["mentor", "student", "support", "training", "directory"])
def test_only_billing_closes(billing: Billing, mentor_id: UUID, role: str) -> None:
    assert billing.close(mentor_id, "2026-10", role).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"), [("mentor", 403), ("support", 200), ("billing", 200), ("student", 403), ("training", 403)]
)
def test_statements_are_not_for_everybody(billing: Billing, mentor_id: UUID, role: str, status: int) -> None:
    assert billing.get(f"/mentors/{mentor_id}/statements/2026-10", role).status_code == status


def test_a_mentor_reads_the_own_statements_also_under_a_new_address(billing: Billing, mentor_id: UUID) -> None:
    def registered(email: str, kind: type[MentorProfile] = MentorRegistered) -> MentorProfile:
        return kind(
            mentor_id=mentor_id, email=email, name="Ada", capacity=1, paths=(), projects=(), timezone="Europe/Paris"
        )

    def status(email: str, of: UUID = mentor_id) -> list[int]:
        paths = ("", "/2026-10", "/2026-10.csv")
        return [billing.get(f"/mentors/{of}/statements{path}", "mentor", email).status_code for path in paths]

    billing.receive(registered(f"{mentor_id}@Mentors.example"))
    assert status(f"{mentor_id}@mentors.EXAMPLE") == [200, 200, 200]
    assert status(f"{mentor_id}@mentors.example", of=new_id()) == [403, 403, 403]
    billing.receive(registered(f"new-{mentor_id}@mentors.example", MentorUpdated))
    assert status(f"{mentor_id}@mentors.example") == [403, 403, 403]
    assert status(f"new-{mentor_id}@mentors.example") == [200, 200, 200]


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "novembre"])
def test_what_is_not_a_month_is_refused(billing: Billing, mentor_id: UUID, month: str) -> None:
    assert billing.get(f"/mentors/{mentor_id}/statements/{month}").status_code == 422


def test_statements_are_listed_newest_first_and_page_by_page(billing: Billing, mentor_id: UUID) -> None:
    for month in (8, 9, 10):
        billing.receive(held(mentor_id, at=paris(2026, month, 20)))
    billing.close(mentor_id, "2026-07")
    path = f"/mentors/{mentor_id}/statements"
    first = billing.get(path, limit=3).json()
    second = billing.get(path, limit=3, cursor=first["next_cursor"]).json()
    assert [(item["month"], item["total_cents"]) for item in first["items"]] == [
        ("2026-10", 1000),
        ("2026-09", 1000),
        ("2026-08", 1000),
    ]
    assert [(item["month"], item["status"]) for item in second["items"]] == [("2026-07", "closed")]
    assert second["next_cursor"] is None


def test_support_finds_the_line_of_an_event_also_after_it_was_superseded(billing: Billing, mentor_id: UUID) -> None:
    event = cancelled(mentor_id, "student_no_show")
    first = billing.receive(event, at=NOW - SECOND)
    second = billing.receive(corrected(mentor_id, event.session_id, "held"), at=NOW)

    def lines(**more: Any) -> list[tuple[str, str, str | None]]:
        events = [str(first), str(second), str(new_id())]
        items = billing.get("/statement-lines", "support", event_id=events, **more).json()["items"]
        return [(item["event_id"], item["month"], item["superseded_by"]) for item in items]

    assert lines() == [(str(first), "2026-10", str(second)), (str(second), "2026-10", None)]
    assert lines(as_of=(NOW - SECOND).isoformat()) == [(str(first), "2026-10", None)]
    assert lines(as_of=(NOW - 2 * SECOND).isoformat()) == []


def test_a_line_is_found_by_its_id_also_after_it_was_superseded(billing: Billing, mentor_id: UUID) -> None:
    event = cancelled(mentor_id, "student_no_show")
    billing.receive(event, at=NOW - SECOND)
    [before] = billing.get(f"/mentors/{mentor_id}/statements/2026-10").json()["lines"]
    second = billing.receive(corrected(mentor_id, event.session_id, "held"), at=NOW)
    found = billing.get(f"/statement-lines/{before['line_id']}", "support").json()
    assert (found["mentor_id"], found["month"], found["superseded_by"]) == (str(mentor_id), "2026-10", str(second))
    nothing = billing.get(f"/statement-lines/{new_id()}", "support")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "line_unknown")


def test_the_csv_file_opens_in_a_french_spreadsheet_and_runs_no_formula(billing: Billing, mentor_id: UUID) -> None:
    billing.receive(cancelled(mentor_id, "student_no_show", path='=HYPERLINK("http://evil.example")'))
    answer = billing.get(f"/mentors/{mentor_id}/statements/2026-10.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbfMois;Nature;Date;Heure;")
    row = next(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert row["Parcours"] == '\'=HYPERLINK("http://evil.example")'
    assert (row["Date"], row["Heure"], row["Montant"], row["Tarif"]) == ("20/10/2026", "18:00", "5,00", "10,00")
    assert row["Motif"] == "L'étudiant ne s'est pas présenté à la session"


def test_an_amount_that_is_taken_back_is_a_number_in_the_csv_file(billing: Billing, mentor_id: UUID) -> None:
    event = held(mentor_id)
    billing.receive(event)
    billing.close(mentor_id, "2026-10")
    billing.receive(corrected(mentor_id, event.session_id, "cancelled", "student_no_show"))
    answer = billing.get(f"/mentors/{mentor_id}/statements/2026-11.csv")
    row = next(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert (row["Nature"], row["Montant"]) == ("Régularisation", "-5,00")


def test_nobodys_statement_is_not_closed(billing: Billing) -> None:
    refusal = billing.close(new_id(), "2026-10")
    assert (refusal.status_code, refusal.json()["code"]) == (404, "mentor_unknown")


@pytest.mark.mutation("closing waits for the lines that are being recorded")
def test_closing_waits_for_a_line_that_is_being_recorded_and_takes_it_along(billing: Billing, mentor_id: UUID) -> None:
    with ThreadPoolExecutor(max_workers=1) as threads:
        with billing.database.transaction() as connection:
            billing.take_effect(connection, held(mentor_id))
            closing = threads.submit(billing.close, mentor_id, "2026-10")
            with pytest.raises(TimeoutError):
                closing.result(timeout=0.5)
        closed = closing.result(timeout=30).json()
    assert amounts(closed) == [("session", "held", 1000)]
    assert billing.statement(mentor_id, "2026-10") == closed


def test_closing_while_sessions_arrive_loses_none_and_changes_nothing_afterwards(
    billing: Billing, mentor_id: UUID
) -> None:
    def record() -> None:
        for _ in range(40):
            billing.receive(held(mentor_id))

    with ThreadPoolExecutor(max_workers=2) as threads:
        recording = [threads.submit(record), threads.submit(record)]
        closed = billing.close(mentor_id, "2026-10")
        for done in recording:
            done.result(timeout=60)
    october, november = (billing.statement(mentor_id, month) for month in ("2026-10", "2026-11"))
    assert len(october["lines"]) + len(november["lines"]) == 80
    assert october["total_cents"] + november["total_cents"] == 80_000
    if closed.status_code == 200:  # Otherwise it was told to come again, since lines kept arriving.
        assert october == closed.json()
        assert {line["kind"] for line in november["lines"]} <= {"adjustment"}
    else:
        assert (closed.status_code, november["lines"]) == (503, [])
