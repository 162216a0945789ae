"""What a session counts as in the student's file (S7).

Cancelled early by the student: excused. Cancelled late, or the student did not come: unexcused. « Autre » follows whose
cause it was: the mentor's, the platform's or force majeure is excused and never counts against the student, the
student's own is unexcused, and as long as nobody has said, it is to be qualified.
"""

from enum import StrEnum
from typing import assert_never


class Outcome(StrEnum):
    """What became of a session; ``PLANNED`` until something has."""

    PLANNED = "planned"
    HELD = "held"
    STUDENT_EARLY = "student_early"
    STUDENT_LATE = "student_late"
    STUDENT_NO_SHOW = "student_no_show"
    OTHER = "other"


class Cause(StrEnum):
    """With ``OTHER``: on whose side the cause lies."""

    MENTOR = "mentor"
    PLATFORM = "platform"
    STUDENT = "student"
    FORCE_MAJEURE = "force_majeure"


class Standing(StrEnum):
    """What the session counts as."""

    PLANNED = "planned"
    ATTENDED = "attended"
    EXCUSED = "excused"
    UNEXCUSED = "unexcused"
    TO_QUALIFY = "to_qualify"


def standing_of(outcome: Outcome, cause: Cause | None) -> Standing:
    """``cause`` is looked at with ``Outcome.OTHER`` alone."""
    match outcome:
        case Outcome.PLANNED:
            return Standing.PLANNED
        case Outcome.HELD:
            return Standing.ATTENDED
        case Outcome.STUDENT_EARLY:
            return Standing.EXCUSED
        case Outcome.STUDENT_LATE | Outcome.STUDENT_NO_SHOW:
            return Standing.UNEXCUSED
        case Outcome.OTHER:
            return _by_cause(cause)
        case _:
            assert_never(outcome)


def _by_cause(cause: Cause | None) -> Standing:
    match cause:
        case None:
            return Standing.TO_QUALIFY
        case Cause.STUDENT:
            return Standing.UNEXCUSED
        case Cause.MENTOR | Cause.PLATFORM | Cause.FORCE_MAJEURE:
            return Standing.EXCUSED
        case _:
            assert_never(cause)
