"""What support may correct a session to: shown exactly as it would be accepted, with its effects."""

from datetime import datetime

import pytest

from services.sessions.domain.correction_choices import CorrectionChoice, choices_for
from services.sessions.domain.events import Cause, SessionEvent, Status
from services.sessions.domain.session import fold
from tests.sessions.vocabulary import HOUR, MINUTE, OTHER, SECOND, START, STUDENT_LATE, STUDENT_NO_SHOW, held, scheduled
from tests.sessions.vocabulary import cancelled as cancelled_for

THIRD = START + 15 * MINUTE


def choices(*events: SessionEvent, at: datetime = START + HOUR) -> dict[str, CorrectionChoice]:
    session = fold(events)
    assert session is not None
    return {
        ":".join(part.value for part in (one.status, one.reason, one.cause) if part is not None): one
        for one in choices_for(session, now=at)
    }


def closed(found: dict[str, CorrectionChoice]) -> set[str]:
    return {name for name, one in found.items() if one.unavailable is not None}


@pytest.mark.rule("S1")
def test_every_direction_is_offered_once_the_session_is_over_also_the_one_that_stands() -> None:
    found = choices(scheduled(), held())
    assert list(found) == [
        "held",
        "scheduled",
        "cancelled:student_early",
        "cancelled:student_late",
        "cancelled:student_no_show",
        "cancelled:other:mentor",
        "cancelled:other:platform",
        "cancelled:other:student",
        "cancelled:other:force_majeure",
        "cancelled:other",
    ]
    assert closed(found) == set()
    assert [name for name, one in found.items() if one.stands] == ["held"]


@pytest.mark.rule("S1", "S5")
def test_what_cannot_be_true_yet_is_closed_and_opens_with_its_instant() -> None:
    assert closed(choices(scheduled(), at=START - SECOND)) == {"held", "cancelled:student_no_show"}
    assert closed(choices(scheduled(), at=START)) == {"cancelled:student_no_show"}
    assert closed(choices(scheduled(), at=THIRD)) == set()


@pytest.mark.rule("S6", "S7")
def test_support_is_asked_whether_a_session_can_be_made_up_for_where_neither_reason_nor_cause_says() -> None:
    found = choices(scheduled(), cancelled_for(OTHER, cause=Cause.STUDENT, recoverable=None))
    assert [name for name, one in found.items() if one.asks_recoverable] == [
        "cancelled:other:student",
        "cancelled:other:force_majeure",
        "cancelled:other",
    ]
    assert [name for name, one in found.items() if one.stands] == ["cancelled:other:student"]


@pytest.mark.rule("S4", "S7", "S8")
def test_each_choice_says_what_it_does() -> None:
    found = choices(scheduled(), cancelled_for(STUDENT_LATE, recoverable=False))
    late = found["cancelled:student_no_show"]
    assert late.effects is not None
    assert (late.effects.recoverable, late.effects.attendance.value) == (False, "unexcused")
    assert late.effects.statement is STUDENT_NO_SHOW
    assert (found["held"].status, found["held"].effects) == (Status.HELD, None)
