"""The student's file as it is kept and read, on PostgreSQL and over HTTP."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from relais_contracts.sessions import (
    Cause,
    Reason,
    SessionCancelled,
    SessionCorrected,
    SessionHeld,
    SessionReassigned,
    SessionRescheduled,
    SessionScheduled,
)
from relais_contracts.transfers import StudentEnrolled, StudentUpdated
from services.chassis.ids import new_id
from tests.attendance.conftest import NOW, Attendance
from tests.attendance.school import MENTOR, REPLACEMENT, paris

SECOND = timedelta(seconds=1)
EMAIL = "ines@students.example"
IN_W46, IN_W47, IN_W48 = paris(2026, 11, 12), paris(2026, 11, 19), paris(2026, 11, 26)


def enrolled(student_id: UUID, *, at: datetime = paris(2026, 11, 9, 9), name: str = "Inès Morel") -> StudentEnrolled:
    return StudentEnrolled(
        student_id=student_id,
        email=EMAIL,
        name=name,
        path="web-developer",
        project="P5",
        funding="third_party",
        language="fr",
        mentor_id=MENTOR,
        enrolled_at=at,
    )


def updated(student_id: UUID) -> StudentUpdated:
    return StudentUpdated(
        student_id=student_id,
        email=EMAIL,
        name="Inès Morel",
        path="web-developer",
        project="P6",
        funding="apprenticeship",
        training_day="monday",
        language="fr",
    )


def scheduled(
    student_id: UUID, session_id: UUID, at: datetime = IN_W47, makes_up_for: UUID | None = None
) -> SessionScheduled:
    return SessionScheduled(
        session_id=session_id,
        student_id=student_id,
        mentor_id=MENTOR,
        starts_at=at,
        duration_minutes=45,
        timezone="Europe/Paris",
        makes_up_for=makes_up_for,
    )


def rescheduled(student_id: UUID, session_id: UUID, *, before: datetime, at: datetime) -> SessionRescheduled:
    return SessionRescheduled(
        session_id=session_id,
        student_id=student_id,
        mentor_id=MENTOR,
        previous_starts_at=before,
        starts_at=at,
        duration_minutes=45,
        requested_by="student",
        late=True,
    )


def cancelled(
    student_id: UUID, session_id: UUID, reason: Reason, *, cause: Cause | None = None, at: datetime = IN_W47
) -> SessionCancelled:
    """Recoverable as the service sessions has it."""
    by_reason = {"student_early": True, "student_late": False, "student_no_show": False}
    recoverable = by_reason.get(reason, True if cause in ("mentor", "platform") else None)
    return SessionCancelled(
        session_id=session_id,
        student_id=student_id,
        mentor_id=MENTOR,
        starts_at=at,
        duration_minutes=45,
        reason=reason,
        recoverable=recoverable,
        cause=cause,
        notice_at=at,
        cancelled_at=at,
    )


def held(student_id: UUID, session_id: UUID, at: datetime = IN_W47, makes_up_for: UUID | None = None) -> SessionHeld:
    return SessionHeld(
        session_id=session_id,
        student_id=student_id,
        mentor_id=MENTOR,
        starts_at=at,
        duration_minutes=45,
        held_at=at,
        makes_up_for=makes_up_for,
    )


def weeks(file: dict[str, Any]) -> dict[str, dict[str, int]]:
    """What each week counts, where it is not 0."""
    names = ("planned", "attended", "excused", "unexcused", "to_qualify", "missing", "caught_up")
    return {week["week"]: {name: int(week[name]) for name in names if week[name]} for week in file["weeks"]}


@pytest.mark.rule("S7")
def test_a_cancelled_session_is_in_the_file_with_its_event(attendance: Attendance, student_id: UUID) -> None:
    session_id = new_id()
    attendance.receive(enrolled(student_id))
    first = attendance.receive(scheduled(student_id, session_id))
    second = attendance.receive(cancelled(student_id, session_id, "student_late"))
    file = attendance.file(student_id)
    assert (file["student_id"], file["funding"], file["name"]) == (str(student_id), "third_party", "Inès Morel")
    assert weeks(file) == {"2026-W46": {"missing": 1}, "2026-W47": {"planned": 1, "unexcused": 1}}
    assert file["weeks"][1] == {
        "week": "2026-W47",
        "starts_on": "2026-11-16",
        "planned": 1,
        "attended": 0,
        "excused": 0,
        "unexcused": 1,
        "to_qualify": 0,
        "missing": False,
        "caught_up": 0,
        "late_requests": 0,
        "sessions": [
            {
                "session_id": str(session_id),
                "event_id": str(second),
                "outcome": "student_late",
                "cause": None,
                "counts_as": "unexcused",
                "starts_at": "2026-11-19T17:00:00Z",
                "duration_minutes": 45,
                "mentor_id": str(MENTOR),
                "recoverable": False,
                "makes_up_for": None,
                "caught_up_by": None,
                "moves": [],
                "event_ids": [str(first), str(second)],
            }
        ],
    }


def test_each_event_of_a_session_leaves_what_it_says(attendance: Attendance, student_id: UUID) -> None:
    session_id = new_id()
    attendance.receive(enrolled(student_id))
    attendance.receive(scheduled(student_id, session_id, IN_W46))
    move = attendance.receive(rescheduled(student_id, session_id, before=IN_W46, at=IN_W47))
    assert weeks(attendance.file(student_id)) == {"2026-W46": {"missing": 1}, "2026-W47": {"planned": 1}}

    attendance.receive(
        SessionReassigned(
            session_id=session_id,
            student_id=student_id,
            from_mentor_id=MENTOR,
            to_mentor_id=REPLACEMENT,
            starts_at=IN_W47,
            duration_minutes=45,
        )
    )
    assert attendance.file(student_id)["weeks"][1]["sessions"][0]["mentor_id"] == str(REPLACEMENT)

    attendance.receive(held(student_id, session_id))
    assert weeks(attendance.file(student_id))["2026-W47"] == {"planned": 1, "attended": 1}
    assert attendance.file(student_id)["weeks"][1]["sessions"][0]["moves"] == [
        {
            "event_id": str(move),
            "previous_starts_at": "2026-11-12T17:00:00Z",
            "requested_by": "student",
            "late": True,
        }
    ]


@pytest.mark.rule("S7")
@pytest.mark.parametrize(
    ("cause", "standing"),
    [
        ("mentor", "excused"),
        ("platform", "excused"),
        ("force_majeure", "excused"),
        ("student", "unexcused"),
        (None, "to_qualify"),
    ],
)
def test_another_reason_follows_its_cause(
    attendance: Attendance, student_id: UUID, cause: Cause | None, standing: str
) -> None:
    attendance.receive(enrolled(student_id))
    attendance.receive(cancelled(student_id, new_id(), "other", cause=cause))
    assert weeks(attendance.file(student_id))["2026-W47"] == {"planned": 1, standing: 1}


def test_a_correction_holds_from_then_on_and_the_file_before_it_can_be_read(
    attendance: Attendance, student_id: UUID
) -> None:
    session_id = new_id()
    attendance.receive(enrolled(student_id), at=NOW - 2 * SECOND)
    attendance.receive(cancelled(student_id, session_id, "student_no_show"), at=NOW - SECOND)
    correction = SessionCorrected(
        session_id=session_id,
        student_id=student_id,
        mentor_id=MENTOR,
        starts_at=IN_W47,
        duration_minutes=45,
        previous_status="cancelled",
        previous_reason="student_no_show",
        status="held",
        recoverable=None,
        why="Le mentor s’est trompé.",
        corrected_at=NOW,
    )
    attendance.receive(correction, at=NOW)
    now = attendance.file(student_id)
    before = attendance.file(student_id, as_of=(NOW - SECOND).isoformat())
    assert weeks(now)["2026-W47"] == {"planned": 1, "attended": 1}
    assert weeks(before)["2026-W47"] == {"planned": 1, "unexcused": 1}


def test_sessions_may_arrive_before_their_student(attendance: Attendance, student_id: UUID) -> None:
    attendance.receive(held(student_id, new_id()))
    early = attendance.file(student_id)
    assert (early["funding"], weeks(early)) == (None, {"2026-W47": {"planned": 1, "attended": 1}})
    attendance.receive(enrolled(student_id))
    file = attendance.file(student_id)
    assert file["funding"] == "third_party"
    assert weeks(file) == {"2026-W46": {"missing": 1}, "2026-W47": {"planned": 1, "attended": 1}}


def test_a_changed_account_changes_the_funding_and_not_the_enrolment(attendance: Attendance, student_id: UUID) -> None:
    attendance.receive(enrolled(student_id))
    attendance.receive(updated(student_id))
    file = attendance.file(student_id)
    assert (file["funding"], file["enrolled_at"]) == ("apprenticeship", "2026-11-09T08:00:00Z")


def test_the_current_week_is_that_of_the_clock(attendance: Attendance, student_id: UUID) -> None:
    attendance.receive(enrolled(student_id, at=paris(2026, 11, 16)))
    attendance.clock.instant = paris(2026, 11, 22, 23, 59)
    assert list(weeks(attendance.file(student_id))) == ["2026-W47"]
    attendance.clock.instant = paris(2026, 11, 23, 0, 1)
    assert list(weeks(attendance.file(student_id))) == ["2026-W47", "2026-W48"]


def test_a_student_nobody_knows_has_no_file(attendance: Attendance, student_id: UUID) -> None:
    answer = attendance.get(f"/students/{student_id}/attendance")
    assert (answer.status_code, answer.json()["code"]) == (404, "student_unknown")


def test_a_student_reads_only_the_own_file(attendance: Attendance, student_id: UUID) -> None:
    attendance.receive(enrolled(student_id))
    path = f"/students/{student_id}/attendance"
    assert attendance.get(path, "student", EMAIL).status_code == 200
    assert attendance.get(path, "student", "other@students.example").status_code == 403
    assert attendance.get(f"/students/{new_id()}/attendance", "student", EMAIL).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"), [("mentor", 403), ("support", 200), ("training", 200), ("billing", 403), ("directory", 403)]
)
def test_files_are_not_for_everybody(attendance: Attendance, student_id: UUID, role: str, status: int) -> None:
    attendance.receive(enrolled(student_id))
    assert attendance.get(f"/students/{student_id}/attendance", role).status_code == status


def test_support_finds_what_an_event_says_in_the_file(attendance: Attendance, student_id: UUID) -> None:
    session_id = new_id()
    event_id = attendance.receive(cancelled(student_id, session_id, "student_early", at=IN_W48))
    items = attendance.get("/attendance-entries", "support", event_id=[str(event_id), str(new_id())]).json()["items"]
    assert items == [
        {
            "student_id": str(student_id),
            "week": "2026-W48",
            "session_id": str(session_id),
            "event_id": str(event_id),
            "outcome": "student_early",
            "cause": None,
            "counts_as": "excused",
            "starts_at": "2026-11-26T17:00:00Z",
        }
    ]
    before = (attendance.clock.now() - SECOND).isoformat()
    asked = {"event_id": str(event_id), "as_of": before}
    assert attendance.get("/attendance-entries", "support", **asked).json()["items"] == []


def test_the_csv_file_has_a_row_a_week_and_runs_no_formula(attendance: Attendance, student_id: UUID) -> None:
    attendance.receive(enrolled(student_id, name="=cmd|' /C calc'!A0"))
    attendance.receive(cancelled(student_id, new_id(), "student_early"))
    answer = attendance.get(f"/students/{student_id}/attendance.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert [(row["Semaine"], row["Du"], row["Au"], row["Manquante"], row["Excusées"]) for row in rows] == [
        ("2026-W46", "09/11/2026", "15/11/2026", "oui", "0"),
        ("2026-W47", "16/11/2026", "22/11/2026", "non", "1"),
    ]
    assert rows[0]["Nom"] == "'=cmd|' /C calc'!A0"
    assert rows[0]["Financement"] == "Financé par un organisme tiers"
    assert rows[1]["Sessions"] == "19/11/2026 18:00 absence excusée"


def test_the_pdf_file_is_for_those_who_read_the_file(attendance: Attendance, student_id: UUID) -> None:
    attendance.receive(enrolled(student_id))
    path = f"/students/{student_id}/attendance.pdf"
    answer = attendance.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == f'attachment; filename="assiduite-{student_id}.pdf"'
    assert answer.content.startswith(b"%PDF-")
    assert attendance.get(path, "billing").status_code == 403
    assert attendance.get(f"/students/{new_id()}/attendance.pdf").status_code == 404


@pytest.mark.rule("T6", "T8")
def test_a_caught_up_session_and_the_one_in_its_place_name_each_other(attendance: Attendance, student_id: UUID) -> None:
    missed, make_up = new_id(), new_id()
    attendance.receive(enrolled(student_id))
    attendance.receive(cancelled(student_id, missed, "other", cause="mentor"))
    attendance.receive(scheduled(student_id, make_up, IN_W46, makes_up_for=missed))
    assert weeks(attendance.file(student_id))["2026-W47"] == {"planned": 1, "excused": 1}
    attendance.receive(held(student_id, make_up, IN_W46, makes_up_for=missed))
    file = attendance.file(student_id)
    assert weeks(file) == {
        "2026-W46": {"planned": 1, "attended": 1},
        "2026-W47": {"planned": 1, "excused": 1, "caught_up": 1},
    }
    (before,), (after,) = (week["sessions"] for week in file["weeks"])
    assert (before["makes_up_for"], before["caught_up_by"]) == (str(missed), None)
    assert (after["makes_up_for"], after["caught_up_by"]) == (None, str(make_up))
    answer = attendance.get(f"/students/{student_id}/attendance.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert [(row["Rattrapées"], row["Sessions"]) for row in rows] == [
        ("0", "12/11/2026 18:00 réalisée (rattrapage du 19/11/2026)"),
        ("1", "19/11/2026 18:00 absence excusée (rattrapée le 12/11/2026)"),
    ]
