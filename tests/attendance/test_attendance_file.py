"""The student's file, week by week."""

import pytest

from services.attendance.domain.attendance_file import Move, entry_of
from services.attendance.domain.standing import Cause, Outcome, Standing
from tests.attendance.school import counts, entry, event_id, file_of, paris, session_id, state

pytestmark = pytest.mark.rule("S7", "T2")

ENROLLED = paris(2026, 11, 4, 9)  # 2026-W45
NOW = paris(2026, 11, 20, 12)  # 2026-W47

IN_W45, IN_W46, IN_W47 = paris(2026, 11, 5), paris(2026, 11, 12), paris(2026, 11, 19)


def test_every_week_from_enrolment_to_the_current_one_is_there() -> None:
    file = file_of(enrolled_at=ENROLLED, now=NOW)
    assert {week: counts(of) for week, of in file.items()} == {
        "2026-W45": {"missing": 1},
        "2026-W46": {"missing": 1},
        "2026-W47": {"missing": 1},
    }


def test_a_later_week_is_there_only_with_a_session() -> None:
    file = file_of(entry(1, Outcome.PLANNED, paris(2026, 12, 3)), enrolled_at=ENROLLED, now=NOW)
    assert list(file) == ["2026-W45", "2026-W46", "2026-W47", "2026-W49"]
    assert counts(file["2026-W49"]) == {"planned": 1}


def test_weeks_before_enrolment_are_shown_from_the_first_session_on_but_never_missing() -> None:
    file = file_of(entry(1, Outcome.HELD, paris(2026, 10, 22)), enrolled_at=ENROLLED, now=NOW)
    assert {week: counts(of) for week, of in file.items()} == {
        "2026-W43": {"planned": 1, "attended": 1},
        "2026-W44": {},
        "2026-W45": {"missing": 1},
        "2026-W46": {"missing": 1},
        "2026-W47": {"missing": 1},
    }


def test_the_week_of_enrolment_begins_on_monday_at_midnight_in_paris() -> None:
    sunday = file_of(enrolled_at=paris(2026, 11, 15, 23, 59), now=NOW)
    monday = file_of(enrolled_at=paris(2026, 11, 16, 0, 1), now=NOW)
    assert (list(sunday), list(monday)) == (["2026-W46", "2026-W47"], ["2026-W47"])


def test_a_session_late_on_sunday_belongs_to_the_week_that_ends() -> None:
    late, early = paris(2026, 11, 15, 23, 59), paris(2026, 11, 16, 0, 1)
    file = file_of(entry(1, Outcome.HELD, late), entry(2, Outcome.HELD, early), enrolled_at=ENROLLED, now=NOW)
    assert [entry.session_id for entry in file["2026-W46"].entries] == [session_id(1)]
    assert [entry.session_id for entry in file["2026-W47"].entries] == [session_id(2)]


def test_each_week_counts_what_became_of_its_sessions() -> None:
    file = file_of(
        entry(1, Outcome.HELD, IN_W45),
        entry(2, Outcome.STUDENT_EARLY, IN_W45),
        entry(3, Outcome.STUDENT_LATE, IN_W46),
        entry(4, Outcome.STUDENT_NO_SHOW, IN_W46),
        entry(5, Outcome.OTHER, IN_W46, cause=Cause.MENTOR),
        entry(6, Outcome.OTHER, IN_W46),
        entry(7, Outcome.PLANNED, IN_W47),
        enrolled_at=ENROLLED,
        now=NOW,
    )
    assert {week: counts(of) for week, of in file.items()} == {
        "2026-W45": {"planned": 2, "attended": 1, "excused": 1},
        "2026-W46": {"planned": 4, "excused": 1, "unexcused": 2, "to_qualify": 1},
        "2026-W47": {"planned": 1},
    }


def test_a_week_whose_only_session_was_cancelled_is_not_missing() -> None:
    cancelled = entry(1, Outcome.STUDENT_EARLY, IN_W47)
    file = file_of(cancelled, enrolled_at=paris(2026, 11, 16), now=NOW)
    assert counts(file["2026-W47"]) == {"planned": 1, "excused": 1}


def test_a_session_moved_to_another_week_counts_there_and_leaves_its_own_missing() -> None:
    move = Move(event_id(2), previous_starts_at=IN_W46, requested_by="student", late=True)
    moved = entry_of([state(1, Outcome.PLANNED, IN_W46), state(1, Outcome.PLANNED, IN_W47, event=2, move=move)])
    file = file_of(moved, enrolled_at=paris(2026, 11, 9), now=NOW)
    assert {week: counts(of) for week, of in file.items()} == {"2026-W46": {"missing": 1}, "2026-W47": {"planned": 1}}
    assert file["2026-W47"].entries[0].moves == [move]


def test_a_late_move_stays_visible_after_the_session_was_held() -> None:
    move = Move(event_id(2), previous_starts_at=IN_W46, requested_by="student", late=True)
    held = entry_of(
        [
            state(1, Outcome.PLANNED, IN_W46, event=1),
            state(1, Outcome.PLANNED, IN_W47, event=2, move=move),
            state(1, Outcome.HELD, IN_W47, event=3),
        ]
    )
    assert (held.standing, held.event_id, held.moves) == (Standing.ATTENDED, event_id(3), [move])
    assert held.event_ids == [event_id(1), event_id(2), event_id(3)]


def test_a_correction_stands_in_the_place_of_what_was_documented() -> None:
    corrected = entry_of([state(1, Outcome.STUDENT_NO_SHOW, IN_W47, event=1), state(1, Outcome.HELD, IN_W47, event=2)])
    assert (corrected.outcome, corrected.event_id) == (Outcome.HELD, event_id(2))


def test_a_missed_session_is_caught_up_once_the_one_that_makes_up_for_it_was_held() -> None:
    missed = entry(1, Outcome.STUDENT_EARLY, IN_W46, recoverable=True)
    planned = entry(2, Outcome.PLANNED, IN_W47, makes_up_for=session_id(1))
    held = entry(2, Outcome.HELD, IN_W47, makes_up_for=session_id(1))
    before = file_of(missed, planned, enrolled_at=paris(2026, 11, 9), now=NOW)
    after = file_of(missed, held, enrolled_at=paris(2026, 11, 9), now=NOW)
    assert counts(before["2026-W46"]) == {"planned": 1, "excused": 1}
    assert counts(after["2026-W46"]) == {"planned": 1, "excused": 1, "caught_up": 1}
    assert counts(after["2026-W47"]) == {"planned": 1, "attended": 1}
    assert after["2026-W46"].caught_up_by == {session_id(1): session_id(2)}


@pytest.mark.rule("T6", "T8")
def test_a_session_that_the_mentor_cannot_hold_is_caught_up_the_week_before() -> None:
    held = entry(1, Outcome.HELD, IN_W46, makes_up_for=session_id(2))
    away = entry(2, Outcome.OTHER, IN_W47, cause=Cause.MENTOR, recoverable=True)
    file = file_of(held, away, enrolled_at=paris(2026, 11, 9), now=NOW)
    assert {week: counts(of) for week, of in file.items()} == {
        "2026-W46": {"planned": 1, "attended": 1},
        "2026-W47": {"planned": 1, "excused": 1, "caught_up": 1},
    }


@pytest.mark.parametrize(
    ("outcome", "recoverable"),
    [(Outcome.HELD, None), (Outcome.STUDENT_NO_SHOW, False), (Outcome.OTHER, None), (Outcome.PLANNED, None)],
)
def test_what_turns_out_not_to_be_recoverable_is_not_caught_up(outcome: Outcome, recoverable: bool | None) -> None:
    """Support corrected it after the other session was planned."""
    corrected = entry(1, outcome, IN_W46, recoverable=recoverable)
    held = entry(2, Outcome.HELD, IN_W47, makes_up_for=session_id(1))
    file = file_of(corrected, held, enrolled_at=paris(2026, 11, 9), now=NOW)
    assert file["2026-W46"].caught_up == 0


def test_a_correction_that_unties_a_make_up_holds() -> None:
    untied = entry_of(
        [state(2, Outcome.STUDENT_EARLY, IN_W47, makes_up_for=session_id(1)), state(2, Outcome.HELD, IN_W47, event=2)]
    )
    file = file_of(entry(1, Outcome.STUDENT_EARLY, IN_W46, recoverable=True), untied, enrolled_at=None, now=NOW)
    assert file["2026-W46"].caught_up == 0


def test_sessions_that_arrive_before_their_student_have_a_file_without_missing_weeks() -> None:
    file = file_of(entry(1, Outcome.HELD, IN_W45), enrolled_at=None, now=NOW)
    assert {week: counts(of) for week, of in file.items()} == {
        "2026-W45": {"planned": 1, "attended": 1},
        "2026-W46": {},
        "2026-W47": {},
    }


def test_the_file_runs_over_new_year() -> None:
    file = file_of(enrolled_at=paris(2026, 12, 29), now=paris(2027, 1, 5))
    assert list(file) == ["2026-W53", "2027-W01"]


def test_nothing_known_is_an_empty_file() -> None:
    assert file_of(enrolled_at=None, now=NOW) == {}
