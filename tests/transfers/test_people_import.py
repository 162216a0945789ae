"""People in bulk: all rows or none, twice changes nothing, capacity where the rows lead."""

from typing import Any
from uuid import UUID, uuid4

import psycopg

from services.chassis.ids import new_id
from tests.transfers.conftest import Api, mentor_account, soon, student_account

LONG_AGO, LATER, THEN = "2026-09-01T08:00:00Z", "2026-09-20T08:00:00Z", "2026-10-04T08:00:00Z"


def mentor_row(mentor_id: UUID, **given: Any) -> dict[str, Any]:
    return {
        "kind": "mentor",
        "mentor_id": str(mentor_id),
        **mentor_account(email=f"import-{mentor_id}@example.org", **given),
    }


def student_row(student_id: UUID, mentor_id: UUID, **given: Any) -> dict[str, Any]:
    account = student_account(mentor_id, email=f"import-{student_id}@example.org", training_day=None)
    return {"kind": "student", "student_id": str(student_id), **account, "enrolled_at": LONG_AGO, **given}


def transfer_row(student_id: UUID, to_mentor_id: UUID, at: str = LATER, **given: Any) -> dict[str, Any]:
    return {
        "kind": "transfer",
        "student_id": str(student_id),
        "to_mentor_id": str(to_mentor_id),
        "at": at,
        **given,
    }


def send(api: Api, rows: list[dict[str, Any]], *, dry_run: bool = False) -> Any:
    return api.as_("directory", "sync@example.org")("POST", "/students/import", {"dry_run": dry_run, "rows": rows})


def problems(answer: Any) -> list[tuple[int, str]]:
    assert (answer.status_code, answer.json()["code"]) == (422, "import_refused"), answer.text
    return [(error["row"], error["code"]) for error in answer.json()["errors"]]


def test_a_school_comes_in_and_twice_changes_nothing(api: Api) -> None:
    ada, ben, leo, mia = new_id(), new_id(), new_id(), new_id()
    rows = [
        mentor_row(ada),
        mentor_row(ben),
        student_row(leo, ada),
        student_row(mia, ada),
        transfer_row(leo, ben, LATER, transfer_kind="one_off", expected_return_on="2026-10-04"),
        transfer_row(leo, ada, THEN, transfer_kind="return", expected_return_on=None),
        transfer_row(mia, ben, THEN, transfer_kind="permanent"),
    ]
    before = api.rows()
    assert send(api, rows, dry_run=True).json() == {
        "dry_run": True,
        "rows": 7,
        "created": 4,
        "changed": 3,
        "unchanged": 0,
    }
    assert api.rows() == before
    assert send(api, rows).json() == {"dry_run": False, "rows": 7, "created": 4, "changed": 3, "unchanged": 0}
    written = api.rows()["stored_events"]
    assert send(api, rows).json() == {"dry_run": False, "rows": 7, "created": 0, "changed": 0, "unchanged": 7}
    assert api.rows()["stored_events"] == written
    support = api.as_("support")
    assert support("GET", f"/students/{leo}").json()["mentor_id"] == str(ada)
    assert support("GET", f"/students/{mia}").json()["mentor_id"] == str(ben)
    assert support("GET", f"/students/{mia}").json()["enrolled_at"] == LONG_AGO
    assert [support("GET", f"/mentors/{who}").json()["students"] for who in (ada, ben)] == [1, 1]
    with psycopg.connect(api.database_url) as connection:
        [[state]] = connection.execute(
            "SELECT convert_from(state, 'UTF8')::json ->> 'actor' FROM transfers.stored_events WHERE originator_id = %s"
            " ORDER BY originator_version LIMIT 1",
            (leo,),
        ).fetchall()
    assert state == "import:sync@example.org"


def test_one_bad_row_and_nothing_is_written(api: Api) -> None:
    ada, ben, leo, nobody = new_id(), new_id(), new_id(), new_id()
    _, taken = api.mentor()
    before = api.rows()
    rows = [
        mentor_row(ada),
        mentor_row(ben, paths=["web"]),
        student_row(leo, ada),
        {**mentor_row(new_id()), "email": taken},
        student_row(new_id(), nobody),
        transfer_row(leo, ben),
        transfer_row(nobody, ada),
        transfer_row(leo, ada, "2100-01-01T00:00:00Z"),
        student_row(new_id(), ada, enrolled_at="2100-01-01T00:00:00Z"),
        transfer_row(leo, ada),
    ]
    answer = send(api, rows)
    assert problems(answer) == [
        (3, "email_taken"),
        (4, "mentor_unknown"),
        (5, "transfer_refused"),
        (6, "student_unknown"),
        (7, "transfer_is_immediate"),
        (8, "transfer_is_immediate"),
        (9, "same_mentor"),
    ]
    assert answer.json()["errors"][2]["diagnoses"] == ["not_on_path"]
    assert all(error["detail"] and error["detail_en"] for error in answer.json()["errors"])
    assert api.rows() == before


def test_two_mentors_of_one_file_share_no_email(api: Api) -> None:
    rows = [mentor_row(new_id()), mentor_row(new_id())]
    rows[1]["email"] = rows[0]["email"].upper()
    assert problems(send(api, rows)) == [(1, "email_taken")]


def test_capacity_counts_where_the_rows_lead(api: Api) -> None:
    ada, ben, leo, mia = new_id(), new_id(), new_id(), new_id()
    away = [mentor_row(ada, capacity=0), mentor_row(ben, capacity=1), student_row(leo, ada), transfer_row(leo, ben)]
    assert send(api, away).status_code == 200  # Ada is away now; her student was with her before.
    assert problems(send(api, [student_row(mia, ben)])) == [(0, "capacity_full")]
    assert problems(send(api, [mentor_row(ada, capacity=1), student_row(mia, ada), student_row(new_id(), ada)])) == [
        (2, "capacity_full")
    ]


def test_a_transfer_earlier_than_the_last_one_is_refused(api: Api) -> None:
    ada, ben, leo = new_id(), new_id(), new_id()
    assert send(api, [mentor_row(ada), mentor_row(ben), student_row(leo, ada), transfer_row(leo, ben, THEN)]).is_success
    assert problems(send(api, [transfer_row(leo, ada, LATER)])) == [(0, "transfer_out_of_order")]


def test_a_dry_run_does_not_miss_what_another_call_brings(api: Api) -> None:
    rows = [student_row(new_id(), new_id()), transfer_row(new_id(), new_id())]
    assert send(api, rows, dry_run=True).json()["created"] == 1
    assert problems(send(api, rows)) == [(0, "mentor_unknown"), (1, "student_unknown")]


def test_a_call_has_at_most_a_thousand_rows(api: Api) -> None:
    ada = new_id()
    students = [student_row(new_id(), ada) for _ in range(999)]
    rows = [mentor_row(ada, capacity=999), *students]
    assert send(api, rows).json()["created"] == 1_000
    assert send(api, [*rows, mentor_row(new_id())]).json()["code"] == "invalid_body"


def test_only_the_directory_and_support_import(api: Api) -> None:
    for role in ("mentor", "student", "billing", "training"):
        assert api.as_(role)("POST", "/students/import", {"rows": []}).status_code == 403
        assert api.as_(role)("POST", "/students/lookup", {"emails": []}).status_code == 403


def test_an_import_finds_the_accounts_that_are_there(api: Api) -> None:
    mentor_id, email = api.mentor(timezone="America/Guadeloupe")
    student_id = api.student(mentor_id)
    student_email = f"Student-{student_id}@example.org"
    asked = {"emails": [email.upper(), student_email, f"{uuid4()}@example.org"]}
    directory = api.as_("directory")
    soon(lambda: bool(directory("POST", "/students/lookup", asked).json()["students"]))
    assert directory("POST", "/students/lookup", asked).json() == {
        "mentors": {email: {"mentor_id": str(mentor_id), "timezone": "America/Guadeloupe"}},
        "students": {student_email.lower(): {"student_id": str(student_id), "mentor_id": str(mentor_id)}},
    }
