"""What a session counts as in the student's file (S7)."""

import pytest

from services.attendance.domain.standing import Cause, Outcome, Standing, standing_of

pytestmark = pytest.mark.rule("S7")


@pytest.mark.parametrize(
    ("outcome", "standing"),
    [
        (Outcome.PLANNED, Standing.PLANNED),
        (Outcome.HELD, Standing.ATTENDED),
        (Outcome.STUDENT_EARLY, Standing.EXCUSED),
        (Outcome.STUDENT_LATE, Standing.UNEXCUSED),
        (Outcome.STUDENT_NO_SHOW, Standing.UNEXCUSED),
    ],
)
def test_what_became_of_a_session_says_what_it_counts_as(outcome: Outcome, standing: Standing) -> None:
    assert standing_of(outcome, None) == standing


@pytest.mark.parametrize(
    ("cause", "standing"),
    [
        (Cause.MENTOR, Standing.EXCUSED),
        (Cause.PLATFORM, Standing.EXCUSED),
        (Cause.FORCE_MAJEURE, Standing.EXCUSED),
        (Cause.STUDENT, Standing.UNEXCUSED),
        (None, Standing.TO_QUALIFY),
    ],
)
def test_another_reason_follows_its_cause_and_without_one_is_to_be_qualified(
    cause: Cause | None, standing: Standing
) -> None:
    assert standing_of(Outcome.OTHER, cause) == standing
