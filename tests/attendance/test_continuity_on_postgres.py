"""The board of weekly continuity as it is kept and read, on PostgreSQL and over HTTP."""

import csv
import io
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from relais_contracts.sessions import SessionCorrected, SessionScheduled
from relais_contracts.transfers import MentorRegistered, StudentTransferred
from services.chassis.ids import new_id
from tests.attendance.conftest import NOW, Attendance
from tests.attendance.school import paris
from tests.attendance.test_attendance_on_postgres import cancelled, enrolled, held, rescheduled, scheduled

pytestmark = pytest.mark.rule("T2")

SECOND = timedelta(seconds=1)
WEEK = "2026-W47"
ENDS = paris(2026, 11, 23, 0)
IN_W46, IN_W47, IN_W48 = paris(2026, 11, 12), paris(2026, 11, 19), paris(2026, 11, 26)
STUDENTS = 5_000
ROUNDS = 5


@pytest.fixture
def mentor_id(attendance: Attendance) -> UUID:
    """A mentor whom no other test knows, so that a board of this mentor's students is this test's own."""
    mentor_id = new_id()
    attendance.receive(registered(mentor_id))
    return mentor_id


@pytest.fixture
def student_id(attendance: Attendance, mentor_id: UUID) -> UUID:
    student_id = new_id()
    attendance.receive(
        enrolled(student_id).model_copy(update={"mentor_id": mentor_id}), at=NOW - 11 * 24 * 3600 * SECOND
    )
    return student_id


def registered(mentor_id: UUID) -> MentorRegistered:
    return MentorRegistered(
        mentor_id=mentor_id,
        email=f"{mentor_id}@mentors.example",
        name="Camille Roche",
        capacity=5,
        paths=("web-developer",),
        projects=("P5",),
        timezone="Europe/Paris",
    )


def board(attendance: Attendance, mentor_id: UUID, **parameters: Any) -> dict[str, Any]:
    answer = attendance.get("/continuity", mentor_id=str(mentor_id), **({"week": WEEK} | parameters))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def state(attendance: Attendance, mentor_id: UUID, **parameters: Any) -> str:
    (row,) = board(attendance, mentor_id, **parameters)["items"]
    found: str = row["state"]
    return found


def test_a_row_says_all_that_a_call_needs(attendance: Attendance, mentor_id: UUID, student_id: UUID) -> None:
    missed, make_up = new_id(), new_id()
    event_id = attendance.receive(cancelled(student_id, missed, "other", cause="mentor"))
    attendance.receive(scheduled(student_id, make_up, IN_W48, makes_up_for=missed))
    assert board(attendance, mentor_id) == {
        "items": [
            {
                "student_id": str(student_id),
                "name": "Inès Morel",
                "mentor_id": str(mentor_id),
                "mentor_name": "Camille Roche",
                "funding": "third_party",
                "week": WEEK,
                "state": "at_risk",
                "hours_left": 60,
                "sessions": [
                    {
                        "session_id": str(missed),
                        "event_id": str(event_id),
                        "outcome": "other",
                        "cause": "mentor",
                        "recoverable": True,
                        "starts_at": "2026-11-19T17:00:00Z",
                        "duration_minutes": 45,
                        "mentor_id": "00000000-0000-7000-8000-0000000000a1",
                        "makes_up_for": None,
                        "made_up_by": {
                            "session_id": str(make_up),
                            "starts_at": "2026-11-26T17:00:00Z",
                            "outcome": "planned",
                        },
                    }
                ],
            }
        ],
        "next_cursor": None,
        "week": WEEK,
        "ends_at": "2026-11-22T23:00:00Z",
        "hours_left": 60,
        "counts": {"green": 0, "to_plan": 0, "at_risk": 1, "missed": 0},
    }
    (in_w48,) = board(attendance, mentor_id, week="2026-W48")["items"]
    assert (in_w48["state"], in_w48["sessions"][0]["makes_up_for"]) == ("green", str(missed))


@pytest.mark.parametrize(
    ("left", "expected"),
    [(72 * 3600 + 1, "to_plan"), (72 * 3600, "to_plan"), (72 * 3600 - 1, "at_risk"), (1, "at_risk"), (0, "missed")],
)
def test_the_board_follows_the_clock_and_its_filter_says_the_same(
    attendance: Attendance, mentor_id: UUID, student_id: UUID, left: int, expected: str
) -> None:
    attendance.clock.instant = ENDS - left * SECOND
    assert state(attendance, mentor_id) == expected
    for asked in ("green", "to_plan", "at_risk", "missed"):
        page = board(attendance, mentor_id, state=asked)
        assert [row["student_id"] for row in page["items"]] == ([str(student_id)] if asked == expected else [])
        assert page["counts"][expected] == 1


def test_a_week_turns_green_with_a_session_and_back_when_it_is_cancelled_or_moved(
    attendance: Attendance, mentor_id: UUID, student_id: UUID
) -> None:
    first, second = new_id(), new_id()
    attendance.receive(scheduled(student_id, first))
    assert state(attendance, mentor_id) == "green"
    attendance.receive(cancelled(student_id, first, "student_early"))
    assert state(attendance, mentor_id) == "at_risk"
    attendance.receive(scheduled(student_id, second))
    assert state(attendance, mentor_id) == "green"
    attendance.receive(rescheduled(student_id, second, before=IN_W47, at=IN_W48))
    assert state(attendance, mentor_id) == "at_risk"
    assert state(attendance, mentor_id, week="2026-W48") == "green"


def test_what_held_at_an_instant_is_what_was_known_then_also_where_a_clock_had_gone_back(
    attendance: Attendance, mentor_id: UUID, student_id: UUID
) -> None:
    session_id, hour = new_id(), timedelta(hours=1)
    attendance.receive(scheduled(student_id, session_id), at=NOW)
    attendance.receive(rescheduled(student_id, session_id, before=IN_W47, at=IN_W47 + hour), at=NOW + 2 * hour)
    attendance.receive(cancelled(student_id, session_id, "student_early"), at=NOW + hour)

    def known_at(instant: datetime) -> str:
        return state(attendance, mentor_id, as_of=instant.isoformat())

    assert [known_at(NOW), known_at(NOW + hour - SECOND)] == ["green", "green"]
    assert [known_at(NOW + hour), known_at(NOW + 2 * hour)] == ["at_risk", "at_risk"]


def test_a_correction_by_support_is_followed(attendance: Attendance, mentor_id: UUID, student_id: UUID) -> None:
    session_id = new_id()
    attendance.clock.instant = ENDS + SECOND
    attendance.receive(scheduled(student_id, session_id), at=NOW)
    attendance.receive(cancelled(student_id, session_id, "student_no_show"), at=NOW)
    assert state(attendance, mentor_id) == "missed"
    correction = SessionCorrected(
        session_id=session_id,
        student_id=student_id,
        mentor_id=mentor_id,
        starts_at=IN_W47,
        duration_minutes=45,
        previous_status="cancelled",
        previous_reason="student_no_show",
        status="held",
        recoverable=None,
        why="Elle était là.",
        corrected_at=ENDS,
    )
    attendance.receive(correction, at=ENDS)
    assert state(attendance, mentor_id) == "green"
    assert state(attendance, mentor_id, as_of=(ENDS - SECOND).isoformat()) == "at_risk"


def test_a_week_over_with_a_session_that_nobody_documented_is_missed(
    attendance: Attendance, mentor_id: UUID, student_id: UUID
) -> None:
    session_id = new_id()
    attendance.receive(scheduled(student_id, session_id))
    attendance.clock.instant = ENDS
    assert state(attendance, mentor_id) == "missed"
    attendance.receive(held(student_id, session_id))
    assert state(attendance, mentor_id) == "green"


def test_students_are_there_from_the_week_of_their_enrolment_on(
    attendance: Attendance, mentor_id: UUID, student_id: UUID
) -> None:
    assert board(attendance, mentor_id, week="2026-W45")["items"] == []
    assert state(attendance, mentor_id, week="2026-W46") == "missed"
    assert state(attendance, mentor_id, week="2026-W49") == "to_plan"


def test_without_a_week_the_current_one_is_asked_for(attendance: Attendance, mentor_id: UUID, student_id: UUID) -> None:
    attendance.clock.instant = paris(2027, 1, 3, 23, 59)
    page = attendance.get("/continuity", mentor_id=str(mentor_id)).json()
    assert (page["week"], page["items"][0]["week"]) == ("2026-W53", "2026-W53")


@pytest.mark.rule("T3")
def test_a_student_who_was_transferred_is_on_the_new_mentors_board(
    attendance: Attendance, mentor_id: UUID, student_id: UUID
) -> None:
    replacement = new_id()
    attendance.receive(registered(replacement))
    transferred = StudentTransferred(
        student_id=student_id,
        from_mentor_id=mentor_id,
        to_mentor_id=replacement,
        path="web-developer",
        project="P5",
        funding="third_party",
        kind="one_off",
    )
    attendance.receive(transferred)
    assert board(attendance, mentor_id)["items"] == []
    assert [row["student_id"] for row in board(attendance, replacement)["items"]] == [str(student_id)]


def test_a_mentor_sees_the_own_students_and_nobody_elses(
    attendance: Attendance, mentor_id: UUID, student_id: UUID
) -> None:
    def seen(email: str, **parameters: Any) -> Any:
        return attendance.get("/continuity", "mentor", email, week=WEEK, **parameters)

    own = f"{mentor_id}@MENTORS.example"
    assert [row["student_id"] for row in seen(own).json()["items"]] == [str(student_id)]
    assert len(seen(own, mentor_id=str(mentor_id)).json()["items"]) == 1
    assert seen(own, mentor_id=str(new_id())).status_code == 403
    nobody = seen("unknown@mentors.example")
    assert (nobody.status_code, nobody.json()["items"]) == (200, [])
    assert seen("unknown@mentors.example", mentor_id=str(mentor_id)).status_code == 403


@pytest.mark.parametrize(
    ("role", "status"), [("support", 200), ("training", 200), ("student", 403), ("billing", 403), ("directory", 403)]
)
def test_the_board_is_not_for_everybody(attendance: Attendance, role: str, status: int) -> None:
    assert attendance.get("/continuity", role).status_code == status
    assert attendance.get("/continuity.csv", role).status_code == status


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"week": "2026-W54"}, 422, "invalid_week"),
        ({"week": "2025-W53"}, 422, "invalid_week"),
        ({"week": "W47"}, 422, "invalid_week"),
        ({"week": "2026-W47-1"}, 422, "invalid_parameter"),
        ({"state": "blue"}, 422, "invalid_parameter"),
        ({"cursor": "nonsense"}, 400, "invalid_cursor"),
        ({"cursor": "eyJuYW1lIjoxfQ"}, 400, "invalid_cursor"),
    ],
)
def test_what_cannot_be_read_is_refused(
    attendance: Attendance, parameters: dict[str, str], status: int, code: str
) -> None:
    answer = attendance.get("/continuity", **parameters)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_csv_file_has_a_row_a_student(attendance: Attendance, mentor_id: UUID, student_id: UUID) -> None:
    missed = new_id()
    attendance.receive(cancelled(student_id, missed, "student_early"))
    attendance.receive(held(student_id, new_id(), IN_W46, makes_up_for=missed))
    answer = attendance.get("/continuity.csv", week=WEEK, mentor_id=str(mentor_id), state="at_risk")
    assert answer.headers["content-disposition"] == 'attachment; filename="continuite-2026-W47.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))
    assert rows == [
        {
            "Étudiant": str(student_id),
            "Nom": "Inès Morel",
            "Financement": "Financé par un organisme tiers",
            "Mentor": "Camille Roche",
            "Semaine": WEEK,
            "Du": "16/11/2026",
            "Au": "22/11/2026",
            "État": "à risque",
            "Heures restantes": "60",
            "Sessions": "19/11/2026 18:00 absence excusée",
            "Rattrapages": "12/11/2026 18:00 réalisée",
        }
    ]


@pytest.fixture
def school_of_5000(database_url: str) -> UUID:
    """One mentor's 5,000 students, with ten weeks of sessions behind them; every tenth has nothing in this one."""
    mentor_id = new_id()
    with psycopg.connect(database_url) as connection:  # As the administrator: filling it may take long.
        connection.execute("SET search_path = attendance")
        connection.execute(
            """
            INSERT INTO student_states
            SELECT md5(%(m)s || n)::uuid, 1, gen_random_uuid(), n || '@students.example', 'Étudiante ' || n,
                (ARRAY['third_party', 'apprenticeship', 'self_funded'])[1 + n %% 3], %(at)s - interval '1 year', %(at)s
            FROM generate_series(1, %(students)s) AS n
            """,
            {"m": str(mentor_id), "at": NOW, "students": STUDENTS},
        )
        connection.execute(
            """
            INSERT INTO pairing_states
            SELECT md5(%(m)s || n)::uuid, 1, %(m)s::uuid, %(at)s FROM generate_series(1, %(students)s) AS n
            """,
            {"m": str(mentor_id), "at": NOW, "students": STUDENTS},
        )
        connection.execute(
            """
            INSERT INTO session_states (student_id, session_id, sequence, event_id, mentor_id, starts_at,
                duration_minutes, outcome, recorded_at)
            SELECT md5(%(m)s || n)::uuid, md5(%(m)s || n || '-' || week)::uuid, sequence, gen_random_uuid(),
                %(m)s::uuid, %(at)s - week * interval '7 days', 45,
                CASE sequence WHEN 1 THEN 'planned' ELSE 'held' END, %(at)s
            FROM generate_series(1, %(students)s) AS n, generate_series(0, 9) AS week,
                generate_series(1, 2) AS sequence
            WHERE n %% 10 > 0 OR week > 0
            """,
            {"m": str(mentor_id), "at": NOW, "students": STUDENTS},
        )
        connection.execute("ANALYZE session_states, student_states, pairing_states")
    return mentor_id


def test_5000_students_are_read_page_by_page_and_fast(attendance: Attendance, school_of_5000: UUID) -> None:
    seen: list[str] = []
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = board(attendance, school_of_5000, state="at_risk", limit=200, **more)
        seen += [row["student_id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert page["counts"] == {"green": STUDENTS * 9 // 10, "to_plan": 0, "at_risk": STUDENTS // 10, "missed": 0}
    assert len(seen) == len(set(seen)) == STUDENTS // 10

    def took_ms(path: str, **parameters: Any) -> float:
        rounds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            assert attendance.get(path, week=WEEK, mentor_id=str(school_of_5000), **parameters).status_code == 200
            rounds.append((time.perf_counter() - began) * 1_000)
        return sorted(rounds)[ROUNDS // 2]

    page_ms, risk_ms, csv_ms = (
        took_ms("/continuity", limit=200),
        took_ms("/continuity", limit=50, state="at_risk"),
        took_ms("/continuity.csv"),
    )
    print(f"\n{STUDENTS} students: a page of 200 in {page_ms:.0f} ms, at risk {risk_ms:.0f} ms, CSV {csv_ms:.0f} ms")
    assert page_ms < 2_000


def test_a_board_of_somebody_elses_week_is_empty(attendance: Attendance) -> None:
    answer = attendance.get("/continuity", week=WEEK, mentor_id=str(new_id()))
    assert (answer.json()["items"], sum(answer.json()["counts"].values())) == ([], 0)


def planned_at(student_id: UUID, at: datetime) -> SessionScheduled:
    return scheduled(student_id, new_id(), at)


def test_a_session_counts_in_its_week_by_the_clock_in_paris(
    attendance: Attendance, mentor_id: UUID, student_id: UUID
) -> None:
    attendance.receive(planned_at(student_id, ENDS))
    assert (state(attendance, mentor_id), state(attendance, mentor_id, week="2026-W48")) == ("at_risk", "green")
    attendance.receive(planned_at(student_id, ENDS - SECOND))
    assert state(attendance, mentor_id) == "green"
