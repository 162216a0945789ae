"""Who signed in, and who read private comments, stands in the audit log for support to find."""

from tests.conftest import RunningRelais
from tests.journeys.school import School, eventually
from tests.security.conftest import SLOW_S
from tests.signed_in import signed_in


def test_sign_ins_and_readings_of_private_comments_are_in_the_audit_log(relais: RunningRelais, school: School) -> None:
    mentor = school.mentor()
    student = school.student(mentor)
    signed_in(relais, f"mentor:{mentor['mentor_id']}")
    audit = f"/audit?actor={mentor['email']}"
    found = eventually(
        lambda: school.ok("GET", f"{audit}&type=relais.operations.SignedIn.v1")["items"], within_s=SLOW_S
    )
    assert [entry["actor"] for entry in found] == [f"mentor:{mentor['email']}"]
    school.ok("GET", f"/students/{student['student_id']}/comments", role="mentor", email=mentor["email"])
    read = eventually(
        lambda: school.ok("GET", f"{audit}&type=relais.transfers.PrivateCommentsRead.v1")["items"], within_s=SLOW_S
    )
    assert [entry["student_id"] for entry in read] == [student["student_id"]]
