"""T1, T5–T9, T12–T17: absences, by their rules alone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from services.chassis.refusal import Refused
from services.transfers.domain import (
    absence,
    change_absence,
    declare_absence,
    prepare_absence,
    remind,
    request_help,
    return_students,
)
from services.transfers.domain.absence import (
    AbsenceChanged,
    AbsenceDeclared,
    AbsenceEnded,
    AbsenceReminderDue,
    Consent,
    ConsentRecorded,
    Declared,
    Ended,
    HelpRequested,
    Period,
    Preparation,
    PreparationTicked,
    ReminderKind,
)
from services.transfers.domain.absence_plan import Plan, Status, lent_for, plan, status
from services.transfers.domain.advice import Action, advise
from services.transfers.domain.change_absence import ChangeAbsence, EndAbsence
from services.transfers.domain.declare_absence import DeclareAbsence
from services.transfers.domain.mentor import LeaveOver, LeavePlanned, Registered
from services.transfers.domain.missed_sessions import Missed
from services.transfers.domain.pairing import Decided
from services.transfers.domain.prepare_absence import RecordConsent, TickPreparation
from services.transfers.domain.refused_transfer import FailedDiagnoses
from services.transfers.domain.remind import Remind
from services.transfers.domain.request_help import RequestHelp
from services.transfers.domain.return_students import ReturnStudents
from services.transfers.domain.student import Enrolled, Funding, StudentTransferred, TransferKind
from tests.spec import Specification
from tests.transfers.school import (
    ADA,
    BEN,
    CLEO,
    DAY,
    LEO,
    MENTOR_PROFILE,
    MIA,
    NOW,
    STUDENT_PROFILE,
    ZOE,
    School,
    enrolled,
    evolve,
    given,
    handover,
    registered,
    transfer,
    transferred,
)

AWAY = UUID(int=70)
OTHER = UUID(int=71)
SECOND = timedelta(seconds=1)
LEAVE = NOW + 10 * DAY
BACK = LEAVE + 14 * DAY
PERIOD = Period(LEAVE, BACK, False, "Europe/Paris")
DEADLINE = LEAVE - timedelta(hours=72)
DECLARED = Declared(ADA, PERIOD, (LEO,), NOW)
MENTOR = Registered(MENTOR_PROFILE, 3, frozenset({LEO}))

THIRD_PARTY, APPRENTICESHIP, SELF_FUNDED = Funding


def student(funding: Funding = Funding.SELF_FUNDED, mentor_id: UUID = ADA) -> Enrolled:
    return Enrolled(replace(STUDENT_PROFILE, funding=funding), mentor_id, NOW - 30 * DAY)


def lent(*, absence_id: UUID | None = AWAY, at: datetime = NOW) -> Enrolled:
    """Ada's student, with Ben for a while."""
    [(_, event), *_] = transferred(LEO, ADA, BEN, absence_id=absence_id, at=at)
    assert isinstance(event, StudentTransferred)
    return replace(student(mentor_id=BEN), lenders=(ADA,), transfers=(event,))


# --- T5–T9: advice by funding and sessions missed


@pytest.mark.rule("T2", "T5", "T6", "T7", "T8", "T9")
@pytest.mark.parametrize(
    ("funding", "missed", "consent", "action", "rule"),
    [
        (THIRD_PARTY, 0, Consent.NOT_ASKED, Action.KEEP, "T2"),
        (THIRD_PARTY, 1, Consent.NOT_ASKED, Action.TRANSFER, "T5"),
        (THIRD_PARTY, 1, Consent.ASKED, Action.TRANSFER, "T5"),
        (THIRD_PARTY, 1, Consent.GIVEN, Action.KEEP, "T6"),
        (THIRD_PARTY, 1, Consent.REFUSED, Action.TRANSFER, "T5"),
        (THIRD_PARTY, 2, Consent.GIVEN, Action.TRANSFER, "T5"),
        (APPRENTICESHIP, 0, Consent.NOT_ASKED, Action.TRANSFER, "T7"),
        (APPRENTICESHIP, 1, Consent.GIVEN, Action.TRANSFER, "T7"),
        (APPRENTICESHIP, 2, Consent.NOT_ASKED, Action.TRANSFER, "T7"),
        (SELF_FUNDED, 0, Consent.NOT_ASKED, Action.KEEP, "T2"),
        (SELF_FUNDED, 1, Consent.NOT_ASKED, Action.KEEP, "T8"),
        (SELF_FUNDED, 1, Consent.GIVEN, Action.KEEP, "T8"),
        (SELF_FUNDED, 1, Consent.REFUSED, Action.TRANSFER, "T1"),
        (SELF_FUNDED, 2, Consent.GIVEN, Action.TRANSFER, "T9"),
    ],
)
def test_the_advice_follows_the_funding_and_the_sessions_missed(
    funding: Funding, missed: int, consent: Consent, action: Action, rule: str
) -> None:
    advice = advise(funding, sessions_missed=missed, consent=consent)
    assert (advice.action, advice.rule) == (action, rule)
    assert advice.fr.endswith(".")
    assert advice.en.endswith(".")


@pytest.mark.rule("T6", "T8")
@pytest.mark.parametrize("funding", [THIRD_PARTY, SELF_FUNDED])
@pytest.mark.parametrize(("missed", "may_keep"), [(1, True), (2, False)])
def test_one_missed_session_can_be_caught_up_two_can_not(funding: Funding, missed: int, may_keep: bool) -> None:
    assert advise(funding, sessions_missed=missed, consent=Consent.ASKED).may_keep is may_keep


# --- T1: declaring, changing, ending


def decide(command: DeclareAbsence | ChangeAbsence | EndAbsence, school: School) -> Decided:
    mentor = school.mentor(ADA)
    assert isinstance(mentor, Registered)
    match command:
        case DeclareAbsence():
            return declare_absence.decide(command, mentor)
        case ChangeAbsence():
            found = change_absence.open_absence(school.absences[command.absence_id])
            return change_absence.decide(command, found, mentor)
        case EndAbsence():
            return change_absence.decide_end(command, school.absences[command.absence_id], mentor)


given_absence = Specification(decide, evolve, initial=School()).given
SCHOOL = (registered(ADA), *enrolled(LEO, ADA))
DECLARE = DeclareAbsence(AWAY, ADA, PERIOD, NOW)
HAPPENED: Decided = [(AWAY, AbsenceDeclared(ADA, PERIOD, (LEO,), NOW)), (ADA, LeavePlanned(AWAY, LEAVE, BACK))]


@pytest.mark.rule("T1")
def test_an_absence_is_declared_with_the_students_whom_it_concerns() -> None:
    given_absence(*SCHOOL).when(DECLARE).then(*HAPPENED)


@pytest.mark.rule("T1")
def test_an_absence_that_has_begun_can_be_declared_one_that_is_over_can_not() -> None:
    begun = replace(PERIOD, from_at=NOW - DAY, to_at=NOW + SECOND)
    given_absence(*SCHOOL).when(replace(DECLARE, period=begun)).then(
        (AWAY, AbsenceDeclared(ADA, begun, (LEO,), NOW)), (ADA, LeavePlanned(AWAY, NOW - DAY, NOW + SECOND))
    )
    over = replace(begun, to_at=NOW)
    given_absence(*SCHOOL).when(replace(DECLARE, period=over)).then_refused("absence_over")


def test_an_absence_ends_after_it_begins_and_within_a_year() -> None:
    empty = replace(PERIOD, to_at=LEAVE)
    given_absence(*SCHOOL).when(replace(DECLARE, period=empty)).then_refused("absence_ends_before_it_begins")
    long = replace(PERIOD, to_at=LEAVE + 366 * DAY + SECOND)
    given_absence(*SCHOOL).when(replace(DECLARE, period=long)).then_refused("long_pause_through_support")


@pytest.mark.parametrize(
    ("from_at", "to_at", "overlaps"),
    [
        (BACK, BACK + DAY, False),
        (BACK - SECOND, BACK + DAY, True),
        (LEAVE - DAY, LEAVE, False),
        (LEAVE - DAY, LEAVE + SECOND, True),
        (LEAVE + DAY, BACK - DAY, True),
    ],
)
def test_two_absences_of_a_mentor_never_overlap(from_at: datetime, to_at: datetime, overlaps: bool) -> None:
    second = DeclareAbsence(OTHER, ADA, replace(PERIOD, from_at=from_at, to_at=to_at), NOW)
    when = given_absence(*SCHOOL, *HAPPENED).when(second)
    if overlaps:
        when.then_refused("absence_overlaps")
    else:
        assert when.refusal is None


def test_an_absence_changes_its_dates_also_to_overlapping_ones_of_its_own() -> None:
    longer = replace(PERIOD, to_at=BACK + DAY)
    changed: Decided = [
        (AWAY, AbsenceChanged(ADA, PERIOD, longer, NOW + DAY)),
        (ADA, LeavePlanned(AWAY, LEAVE, BACK + DAY)),
    ]
    story = given_absence(*SCHOOL, *HAPPENED).when(ChangeAbsence(AWAY, longer, NOW + DAY)).then(*changed)
    story.when(ChangeAbsence(AWAY, longer, NOW + DAY)).then_nothing()


def test_an_absence_ends_early_once() -> None:
    ended = given_absence(*SCHOOL, *HAPPENED).when(EndAbsence(AWAY, BACK - SECOND))
    story = ended.then((AWAY, AbsenceEnded(ADA, True, BACK - SECOND, (LEO,))), (ADA, LeaveOver(AWAY)))
    story.when(EndAbsence(AWAY, BACK)).then_nothing()
    story.when(ChangeAbsence(AWAY, PERIOD, BACK)).then_refused("absence_ended")
    story.when(replace(DECLARE, absence_id=OTHER)).then(
        (OTHER, AbsenceDeclared(ADA, PERIOD, (LEO,), NOW)), (ADA, LeavePlanned(OTHER, LEAVE, BACK))
    )


@pytest.mark.rule("T16")
def test_an_absence_is_over_on_its_date_once_nobody_is_with_a_replacement() -> None:
    home, away = plan_of(student()), plan_of(lent())
    over: Decided = [(AWAY, AbsenceEnded(ADA, False, BACK, (LEO,))), (ADA, LeaveOver(AWAY))]
    end = change_absence.decide_end_on_its_date
    assert end(EndAbsence(AWAY, BACK), DECLARED, MENTOR, home) == over
    assert end(EndAbsence(AWAY, BACK - SECOND), DECLARED, MENTOR, home) == []
    assert end(EndAbsence(AWAY, BACK), DECLARED, MENTOR, away) == []
    assert end(EndAbsence(AWAY, BACK), Ended(DECLARED, BACK), MENTOR, home) == []


# --- T6, T8: consent; T12–T15: preparation


def test_consent_is_asked_then_given_and_keeps_what_it_was_about() -> None:
    ask = RecordConsent(LEO, Consent.ASKED, 1, NOW)
    [asked] = prepare_absence.decide_consent(ask, DECLARED, student())
    assert asked == ConsentRecorded(LEO, Consent.ASKED, 1, NOW)
    after = absence.evolve(DECLARED, asked)
    assert isinstance(after, Declared)
    assert prepare_absence.decide_consent(ask, after, student()) == []
    agreed = RecordConsent(LEO, Consent.GIVEN, 1, NOW)
    assert prepare_absence.decide_consent(agreed, after, student()) == [ConsentRecorded(LEO, Consent.GIVEN, 1, NOW)]


@pytest.mark.rule("T6", "T7", "T8")
@pytest.mark.parametrize(
    ("funding", "missed", "rule"), [(APPRENTICESHIP, 1, "T7"), (THIRD_PARTY, 2, "T5"), (SELF_FUNDED, 2, "T9")]
)
def test_who_must_be_transferred_is_not_asked_to_be_kept(funding: Funding, missed: int, rule: str) -> None:
    command = RecordConsent(LEO, Consent.GIVEN, missed, NOW)
    with pytest.raises(Refused) as refused:
        prepare_absence.decide_consent(command, DECLARED, student(funding))
    assert (refused.value.code, refused.value.errors[0]["rule"]) == ("keep_not_possible", rule)


def test_who_has_gone_to_another_mentor_is_not_asked() -> None:
    with pytest.raises(Refused) as refused:
        prepare_absence.decide_consent(RecordConsent(LEO, Consent.GIVEN, 1, NOW), DECLARED, lent())
    assert refused.value.code == "student_not_concerned"


@pytest.mark.rule("T13")
def test_the_mentor_ticks_what_only_they_know() -> None:
    for item in (Preparation.PEERS_ASKED, Preparation.STUDENTS_WARNED):
        [ticked] = prepare_absence.decide_tick(TickPreparation(item, True, NOW), DECLARED)
        after = absence.evolve(DECLARED, ticked)
        assert isinstance(after, Declared)
        assert prepare_absence.decide_tick(TickPreparation(item, True, NOW), after) == []
        assert prepare_absence.decide_tick(TickPreparation(item, False, NOW), after) == [
            PreparationTicked(item, False, NOW)
        ]


@pytest.mark.rule("T12", "T14", "T15")
@pytest.mark.parametrize("item", [Preparation.CAPACITY_ZERO, Preparation.HANDOVER_COMMENTS, Preparation.TRANSFERS])
def test_what_can_be_seen_is_not_ticked_by_hand(item: Preparation) -> None:
    with pytest.raises(Refused) as refused:
        prepare_absence.decide_tick(TickPreparation(item, True, NOW), DECLARED)
    assert refused.value.code == "preparation_is_observed"


def plan_of(
    found: Enrolled, missed: Missed = Missed(2, 2, 2), *, away: Declared | Ended = DECLARED, mentor: Registered = MENTOR
) -> Plan:
    return plan(AWAY, away, mentor, {LEO: found}, {LEO: missed})


@pytest.mark.rule("T12", "T14", "T15")
def test_the_checklist_is_seen_from_what_was_done() -> None:
    before = plan_of(student())
    assert set(before.checklist.values()) == {False}
    commented = replace(student(), comments=(handover(PERIOD.return_on),))
    assert plan_of(commented).checklist[Preparation.HANDOVER_COMMENTS]
    handed_over = plan_of(lent())
    assert handed_over.checklist[Preparation.TRANSFERS]
    assert (handed_over.waiting, handed_over.away) == ((), (LEO,))
    paused = plan(AWAY, DECLARED, replace(MENTOR, capacity=0), {}, {})
    assert paused.checklist[Preparation.CAPACITY_ZERO]


@pytest.mark.rule("T6", "T8")
@pytest.mark.parametrize(
    ("consent", "missed", "done"),
    [
        (Consent.GIVEN, Missed(1, 0, 0), True),
        (Consent.GIVEN, Missed(1, 1, 0), False),  # Cancelled, and not made up for.
        (Consent.GIVEN, Missed(1, 1, 1), False),  # Still planned.
        (Consent.GIVEN, Missed(1, 0, 1), False),  # Another one is planned instead, within the absence too.
        (Consent.ASKED, Missed(1, 0, 0), False),
        (Consent.REFUSED, Missed(1, 0, 0), False),
        (Consent.GIVEN, Missed(2, 0, 0), False),
        (Consent.ASKED, Missed(0, 0, 0), True),
    ],
)
def test_a_student_is_kept_once_they_agreed_and_the_session_has_a_solution(
    consent: Consent, missed: Missed, done: bool
) -> None:
    recorded = replace(DECLARED, consents={LEO: ConsentRecorded(LEO, consent, 1, NOW)})
    assert plan_of(student(), missed, away=recorded).waiting == (() if done else (LEO,))


@pytest.mark.rule("T1", "T16")
def test_who_joined_after_the_declaration_is_in_the_absence_also_with_a_replacement_and_once_it_is_over() -> None:
    before = replace(DECLARED, students=())
    joined, home = student(), replace(MENTOR, students=frozenset())
    assert [each.student_id for each in plan_of(joined, away=before).students] == [LEO]
    [away] = plan_of(lent(), away=before, mentor=home).students
    assert (away.done, away.to_return) == (True, True)
    assert plan_of(joined, away=Ended(before, BACK, (LEO,)), mentor=home).students != ()
    assert plan_of(joined, away=Ended(before, BACK), mentor=MENTOR).students == ()


@pytest.mark.rule("T16")
@pytest.mark.parametrize(
    ("absence_id", "at", "for_this_one"),
    [
        (AWAY, BACK + DAY, True),
        (OTHER, NOW, False),
        (None, NOW, True),
        (None, NOW - SECOND, False),
        (None, BACK, True),
        (None, BACK + SECOND, False),
    ],
)
def test_a_student_comes_back_from_the_absence_for_which_they_were_handed_over(
    absence_id: UUID | None, at: datetime, for_this_one: bool
) -> None:
    assert lent_for(AWAY, Ended(DECLARED, BACK), lent(absence_id=absence_id, at=at)) is for_this_one


@pytest.mark.rule("T16")
def test_an_absence_that_is_over_is_not_reminded_of_when_its_student_is_lent_for_the_next_one() -> None:
    ended = Ended(DECLARED, BACK)
    assert remind.decide(Remind(BACK + DAY), ended, plan_of(lent(absence_id=OTHER), away=ended)) == []


def test_a_student_who_left_for_good_is_settled_and_does_not_come_back() -> None:
    [left] = plan_of(student(mentor_id=BEN)).students
    assert (left.done, left.to_return) == (True, False)


def test_the_status_follows_the_clock_and_the_way_back() -> None:
    home, away = plan_of(student()), plan_of(lent())
    assert [status(DECLARED, home, at) for at in (LEAVE - SECOND, LEAVE, BACK - SECOND, BACK)] == [
        Status.PLANNED,
        Status.ONGOING,
        Status.ONGOING,
        Status.ENDED,
    ]
    assert status(DECLARED, away, BACK) is Status.RETURNING
    assert status(Ended(DECLARED, NOW), away, NOW) is Status.RETURNING
    assert status(Ended(DECLARED, NOW), home, NOW) is Status.ENDED


# --- T17: 72 h


@pytest.mark.rule("T17")
@pytest.mark.parametrize(("now", "late"), [(DEADLINE - SECOND, False), (DEADLINE, True), (DEADLINE + SECOND, True)])
def test_help_is_late_from_72_hours_before_departure(now: datetime, late: bool) -> None:
    assert request_help.decide(RequestHelp("SOS", now), DECLARED, plan_of(student())) == [
        HelpRequested(ADA, PERIOD, (LEO,), "SOS", late, now)
    ]


@pytest.mark.rule("T17")
def test_there_is_no_help_to_ask_for_when_nobody_waits() -> None:
    with pytest.raises(Refused) as refused:
        request_help.decide(RequestHelp(None, NOW), DECLARED, plan_of(student(mentor_id=BEN)))
    assert refused.value.code == "nobody_waiting"


@pytest.mark.rule("T17")
@pytest.mark.parametrize(("now", "due"), [(DEADLINE - SECOND, False), (DEADLINE, True), (BACK - SECOND, True)])
def test_the_mentor_is_reminded_72_hours_before_departure_while_students_wait(now: datetime, due: bool) -> None:
    reminder = AbsenceReminderDue(ADA, ReminderKind.HELP_DEADLINE, PERIOD, (LEO,), (), now)
    assert remind.decide(Remind(now), DECLARED, plan_of(student())) == ([reminder] if due else [])
    assert remind.decide(Remind(now), DECLARED, plan_of(student(mentor_id=BEN))) == []


@pytest.mark.rule("T3", "T16")
def test_the_replacement_is_reminded_on_the_recorded_date_and_nobody_is_transferred() -> None:
    away = plan_of(lent())
    reminder = AbsenceReminderDue(ADA, ReminderKind.RETURN, PERIOD, (LEO,), (BEN,), BACK)
    assert remind.decide(Remind(BACK - SECOND), DECLARED, away) == []
    assert remind.decide(Remind(BACK), DECLARED, away) == [reminder]
    early = Ended(DECLARED, LEAVE)
    assert remind.decide(Remind(LEAVE), early, away) == [replace(reminder, due_at=LEAVE)]


@pytest.mark.rule("T16", "T17")
def test_each_reminder_is_given_once_and_anew_when_the_dates_change() -> None:
    waiting = plan_of(student())
    [reminder] = remind.decide(Remind(DEADLINE), DECLARED, waiting)
    reminded = absence.evolve(DECLARED, reminder)
    assert isinstance(reminded, Declared)
    assert remind.decide(Remind(DEADLINE + DAY), reminded, waiting) == []
    later = replace(PERIOD, from_at=LEAVE + DAY)
    changed = absence.evolve(reminded, AbsenceChanged(ADA, PERIOD, later, NOW))
    assert isinstance(changed, Declared)
    assert remind.decide(Remind(DEADLINE), changed, waiting) == []
    assert len(remind.decide(Remind(DEADLINE + DAY), changed, waiting)) == 1


# --- T16: the way back

RETURN = ReturnStudents(AWAY, BACK, by_support=False, all_back=True)
LENT = lent()


def given_back(student_id: UUID, at: datetime = BACK) -> Decided:
    return [
        (who, replace(event, funding=Funding.SELF_FUNDED) if isinstance(event, StudentTransferred) else event)
        for who, event in transferred(student_id, BEN, ADA, kind=TransferKind.RETURN, absence_id=AWAY, at=at)
    ]


@pytest.mark.rule("T16")
def test_with_the_last_student_who_is_back_the_absence_is_over() -> None:
    over: Decided = [(AWAY, AbsenceEnded(ADA, False, BACK, (LEO,))), (ADA, LeaveOver(AWAY))]
    mentor = replace(MENTOR, students=frozenset())
    assert return_students.decide(RETURN, DECLARED, mentor, {LEO: LENT}) == [*given_back(LEO), *over]
    some = replace(RETURN, all_back=False)
    assert return_students.decide(some, DECLARED, mentor, {LEO: LENT}) == given_back(LEO)
    before = replace(RETURN, now=LEAVE - SECOND)
    assert return_students.decide(before, DECLARED, mentor, {LEO: LENT}) == given_back(LEO, LEAVE - SECOND)


@pytest.mark.rule("T16", "T18")
def test_the_capacity_is_diagnosed_for_all_who_come_back_before_anybody_does() -> None:
    mentor = replace(MENTOR, students=frozenset(), capacity=1)
    with pytest.raises(Refused) as refused:
        return_students.decide(RETURN, DECLARED, mentor, {LEO: LENT, MIA: LENT})
    assert (refused.value.code, refused.value.errors[0]["capacity_needed"]) == ("capacity_full", 2)
    assert isinstance(refused.value, FailedDiagnoses)
    assert [(attempt.student_id, attempt.kind, attempt.diagnoses) for attempt in refused.value.attempts] == [
        (who, TransferKind.RETURN, ("capacity_full",)) for who in (LEO, MIA)
    ]
    assert len(return_students.decide(RETURN, DECLARED, replace(mentor, capacity=2), {LEO: LENT, MIA: LENT})) == 8


@pytest.mark.rule("T16", "T18")
def test_a_student_who_no_longer_fits_keeps_all_from_returning_and_is_named() -> None:
    other_path = replace(LENT, profile=replace(LENT.profile, path="design"))
    mentor = replace(MENTOR, students=frozenset())
    with pytest.raises(Refused) as refused:
        return_students.decide(RETURN, DECLARED, mentor, {LEO: LENT, ZOE: other_path})
    assert [(error["student_id"], error["code"]) for error in refused.value.errors] == [(str(ZOE), "not_on_path")]
    assert isinstance(refused.value, FailedDiagnoses)
    assert [(attempt.student_id, attempt.diagnoses) for attempt in refused.value.attempts] == [(ZOE, ("not_on_path",))]


# --- A replacement who is away too


@pytest.mark.parametrize(("begins", "refused"), [(NOW + SECOND, False), (NOW, True), (NOW - DAY, True)])
def test_nobody_takes_over_who_is_away_at_that_moment(begins: datetime, refused: bool) -> None:
    leave = (BEN, LeavePlanned(OTHER, begins, begins + 2 * DAY))
    when = given(registered(ADA), registered(BEN), leave, *enrolled(LEO, ADA)).when(transfer(BEN))
    if refused:
        when.then_refused("replacement_away")
    else:
        when.then(*transferred(LEO, ADA, BEN))


def test_a_mentor_who_comes_back_early_may_have_the_students_back() -> None:
    leave = (ADA, LeavePlanned(AWAY, NOW - DAY, NOW + DAY))
    given(registered(ADA), registered(BEN), leave, *enrolled(LEO, ADA), *transferred(LEO, ADA, BEN)).when(
        transfer(ADA)
    ).then(*transferred(LEO, BEN, ADA, kind=TransferKind.RETURN))


@pytest.mark.rule("T16")
def test_a_replacement_who_leaves_too_hands_over_and_the_first_mentor_still_gets_the_student_back() -> None:
    given(registered(ADA), registered(BEN), registered(CLEO), *enrolled(LEO, ADA), *transferred(LEO, ADA, BEN)).when(
        transfer(CLEO)
    ).then(*transferred(LEO, BEN, CLEO)).when(transfer(ADA)).then(
        *transferred(LEO, CLEO, ADA, kind=TransferKind.RETURN)
    )


# --- Days and instants


def test_the_days_of_an_absence_are_those_of_the_mentor_also_when_the_clock_changes() -> None:
    autumn = Period(
        datetime(2026, 10, 23, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC), True, "Europe/Paris"
    )
    assert (autumn.first_day, autumn.last_day, autumn.return_on) == (
        date(2026, 10, 24),
        date(2026, 10, 25),
        date(2026, 10, 26),
    )
