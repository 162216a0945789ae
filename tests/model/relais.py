"""The rules as Relais holds them, on events in memory: the same commands and the same view as the plain model.

Streams of events with versions stand in for the event store, and what is decided over several of them is appended
whole or not at all; around the pure ``decide`` and ``evolve`` this does only what the edges do: load, append at the
version that was loaded, and let sessions follow a transfer.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from services.attendance.domain.attendance_file import Entry
from services.attendance.domain.standing import Cause as FileCause
from services.attendance.domain.standing import Outcome as FileOutcome
from services.attendance.domain.standing import standing_of
from services.attendance.domain.week import Week
from services.billing.domain.month import Month
from services.billing.domain.tariff import Outcome as StatementOutcome
from services.chassis.refusal import Refused
from services.sessions.domain import commands as sessions
from services.sessions.domain import session as a_session
from services.sessions.domain.cancel_session import CancelSession
from services.sessions.domain.cancellation_reasons import reasons_for
from services.sessions.domain.complete_session import CompleteSession
from services.sessions.domain.correct_session import CorrectSession
from services.sessions.domain.events import (
    Appointment,
    Cause,
    MakeUpPlanned,
    MakeUpReleased,
    Reason,
    RequestedBy,
    SessionEvent,
    SessionRescheduled,
    Status,
)
from services.sessions.domain.make_up_session import PlanMakeUp, tied
from services.sessions.domain.reassign_session import ReassignSession
from services.sessions.domain.reschedule_session import RescheduleSession
from services.sessions.domain.schedule_session import ScheduleSession
from services.sessions.domain.session import Cancelled, Scheduled
from services.transfers.domain import (
    absence,
    add_comment,
    change_absence,
    change_capacity,
    declare_absence,
    enrol_student,
    mentor,
    prepare_absence,
    register_mentor,
    remind,
    request_help,
    return_students,
    student,
    transfer_student,
    update_student,
)
from services.transfers.domain.absence import (
    Consent,
    Declared,
    Ended,
    NotDeclared,
    Period,
    Preparation,
    declaration,
)
from services.transfers.domain.absence_plan import Plan, accompanied, plan, status
from services.transfers.domain.check_transfer import Outcome, diagnose
from services.transfers.domain.mentor import NotRegistered, Registered
from services.transfers.domain.missed_sessions import PlannedSession, Standing, count_missed
from services.transfers.domain.student import Enrolled, Funding, NotEnrolled, StudentTransferred, TransferKind
from tests.model import papers
from tests.model.papers import Statements

PARIS = ZoneInfo("Europe/Paris")

Answer = tuple[Any, ...]
State = TypeVar("State")
Decided = list[tuple[UUID, Any]]


class VersionConflict(Exception):
    """Somebody appended to a stream since it was loaded."""


class Streams:
    """Events by aggregate; an append is whole, and at the versions that were loaded."""

    def __init__(self) -> None:
        self._events: dict[UUID, list[Any]] = defaultdict(list)
        self._folded: dict[UUID, tuple[int, Any]] = {}

    def load(self, aggregate_id: UUID) -> list[Any]:
        return list(self._events[aggregate_id])

    def folded(self, aggregate_id: UUID, fold: Callable[[Iterable[Any]], State]) -> State:
        """What the events made, computed once a version."""
        events = self._events[aggregate_id]
        known = self._folded.get(aggregate_id)
        if not events:
            return fold(events)
        if known is None or known[0] != len(events):
            known = self._folded[aggregate_id] = (len(events), fold(events))
        state: State = known[1]
        return state

    def versions(self, aggregate_ids: Iterable[UUID]) -> dict[UUID, int]:
        return {aggregate_id: len(self._events[aggregate_id]) for aggregate_id in aggregate_ids}

    def append(self, decided: Decided, expected: Mapping[UUID, int]) -> None:
        if any(len(self._events[aggregate_id]) != expected[aggregate_id] for aggregate_id, _ in decided):
            raise VersionConflict
        for aggregate_id, event in decided:
            self._events[aggregate_id].append(event)


class Relais:
    """Both services around their domains."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.streams = Streams()
        self.mentor_ids: list[UUID] = []
        self.student_ids: list[UUID] = []
        self.session_ids: list[UUID] = []
        self.absence_ids: list[UUID] = []
        self.enrolled_at: dict[UUID, datetime] = {}
        self.statements = Statements()

    # --- Accounts

    def put_mentor(self, mentor_id: UUID, capacity: int, paths: tuple[str, ...], projects: tuple[str, ...]) -> Answer:
        profile = mentor.MentorProfile(f"{mentor_id}@example.org", "Ada", paths, projects, "Europe/Paris")
        command = register_mentor.RegisterMentor(profile, capacity)
        _known(self.mentor_ids, mentor_id)
        return self._one(mentor_id, lambda: register_mentor.decide(command, self._mentor(mentor_id)))

    def change_capacity(self, mentor_id: UUID, capacity: int) -> Answer:
        command = change_capacity.ChangeCapacity(capacity)
        return self._one(mentor_id, lambda: change_capacity.decide(command, self._registered(mentor_id)))

    def put_student(self, student_id: UUID, path: str, project: str, funding: str, mentor_id: UUID) -> Answer:
        profile = student.StudentProfile("leo@example.org", "Léo", path, project, Funding(funding), None, "fr")

        def decide() -> Decided:
            before = self._student(student_id)
            if isinstance(before, NotEnrolled):
                command = enrol_student.EnrolStudent(student_id, profile, mentor_id, self.now)
                return list(enrol_student.decide(command, self._mentor(mentor_id)))
            again = update_student.decide(update_student.UpdateStudent(profile), before)
            return [(student_id, event) for event in again]

        answer = self._together(decide)
        if answer[0] == "done":
            _known(self.student_ids, student_id)
            self.enrolled_at.setdefault(student_id, self.now)
        return answer

    # --- Transfers

    def check(self, student_id: UUID, mentor_id: UUID) -> Answer:
        found = diagnose(self._enrolled(student_id), self._mentor(mentor_id))
        passed = {Outcome.PASSED: True, Outcome.FAILED: False, Outcome.NOT_CHECKED: None}
        return tuple(passed[diagnosis.outcome] for diagnosis in found)

    def transfer(
        self, student_id: UUID, to: UUID, kind: str | None, by_support: bool, absence_id: UUID | None
    ) -> Answer:
        answer = self._together(lambda: self._decide_transfer(student_id, to, kind, by_support, absence_id))
        if answer == ("done",):
            self._sessions_follow(student_id, to)
        return answer

    def transfers_at_once(self, first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[bool, list[Answer]]:
        """Both are decided on what was there before either; the later one to append is decided again.

        Gives whether the first one took effect first, and both answers: a refusal stands as of when it was decided.
        """
        decided: list[Decided | Refused] = []
        versions = self.streams.versions(self._everybody())
        for arguments in (first, second):
            try:
                decided.append(self._decide_transfer(*arguments))
            except Refused as refusal:
                decided.append(refusal)
        if isinstance(decided[1], Refused):
            return False, [self.transfer(*first), _answer(decided[1])]
        answers = []
        for arguments, outcome in zip((first, second), decided, strict=True):
            if isinstance(outcome, Refused):
                answers.append(_answer(outcome))
                continue
            try:
                self.streams.append(outcome, versions)
                self._sessions_follow(arguments[0], arguments[1])
                answers.append(("done",))
            except VersionConflict:
                answers.append(self.transfer(*arguments))
        return True, answers

    def _decide_transfer(
        self, student_id: UUID, to: UUID, kind: str | None, by_support: bool, absence_id: UUID | None
    ) -> Decided:
        enrolled, replacement = self._enrolled(student_id), self._mentor(to)
        to_mentor_id = None if isinstance(replacement, NotRegistered) else to
        return_on = None
        if absence_id is not None:
            found = transfer_student.refuse_other_absence(self._absence(absence_id), enrolled, to_mentor_id)
            return_on = found.period.return_on
        command = transfer_student.TransferStudent(
            student_id=student_id,
            to_mentor_id=to_mentor_id,
            now=self.now,
            by_support=by_support,
            kind=TransferKind(kind) if kind else None,
            absence_id=absence_id,
            return_on=return_on,
        )
        return list(transfer_student.decide(command, enrolled, replacement))

    def _sessions_follow(self, student_id: UUID, to: UUID) -> None:
        """The reaction of sessions to StudentTransferred."""
        command = ReassignSession(to, transferred_at=self.now)
        for session_id in self.session_ids:
            found = self._session(session_id)
            if found is not None and found.appointment.student_id == student_id:
                events = sessions.decide(command, found)
                self.streams.append([(session_id, event) for event in events], self.streams.versions([session_id]))

    def comment(
        self,
        student_id: UUID,
        comment_id: UUID,
        text: str | None,
        mentor_name: str | None,
        leave_from: date | None,
        return_on: date | None,
        about: str | None,
    ) -> Answer:
        command = add_comment.AddComment(
            comment_id, "mentor:ada@example.org", "Ada", self.now, text, mentor_name, leave_from, return_on, about
        )
        return self._one(student_id, lambda: add_comment.decide(command, self._enrolled(student_id)))

    # --- Sessions

    def schedule(
        self, session_id: UUID, student_id: UUID, starts_at: datetime, minutes: int, makes_up_for: UUID | None
    ) -> Answer:
        found = self._student(student_id)
        if isinstance(found, NotEnrolled):
            return ("refused", "student_unknown")
        in_paris = starts_at.astimezone(PARIS)
        appointment = Appointment(
            student_id, found.mentor_id, in_paris, minutes, "Europe/Paris", found.profile.path, makes_up_for
        )

        def decide() -> Decided:
            decided: Decided = [
                (session_id, event) for event in sessions.decide(ScheduleSession(appointment, self.now), None)
            ]
            if makes_up_for is not None:
                claim = PlanMakeUp(session_id, student_id, self.now)
                decided += [(makes_up_for, event) for event in sessions.decide(claim, self._session(makes_up_for))]
            return decided

        answer = self._together(decide)
        if answer[0] == "done":
            _known(self.session_ids, session_id)
        return answer

    def move(self, session_id: UUID, starts_at: datetime, requested_by: str) -> Answer:
        return self._of_session(
            session_id, partial(sessions.decide, RescheduleSession(starts_at, RequestedBy(requested_by), self.now))
        )

    def cancel(
        self, session_id: UUID, reason: str, notice_at: datetime | None, cause: str | None, note: str | None
    ) -> Answer:
        command = CancelSession(Reason(reason), self.now, notice_at, Cause(cause) if cause else None, note)
        return self._of_session(session_id, partial(sessions.decide, command))

    def reasons(self, session_id: UUID, notice_at: datetime | None) -> Answer:
        found = self._session(session_id)
        assert found is not None
        return tuple(
            (
                offered.reason.value,
                offered.unavailable is None,
                offered.effects.recoverable,
                offered.effects.attendance.value,
            )
            for offered in reasons_for(found, notice_at=notice_at, now=self.now)
        )

    def complete(self, session_id: UUID) -> Answer:
        return self._of_session(session_id, partial(sessions.decide, CompleteSession(self.now)))

    def correct(
        self,
        session_id: UUID,
        status: str,
        reason: str | None,
        cause: str | None,
        can_be_made_up: bool | None,
        why: str,
    ) -> Answer:
        command = CorrectSession(
            Status(status),
            why,
            self.now,
            Reason(reason) if reason else None,
            Cause(cause) if cause else None,
            can_be_made_up,
        )

        def decide(found: a_session.Session | None) -> list[SessionEvent]:
            events = sessions.decide(command, found)
            if events and found is not None and status == "scheduled":
                again = a_session.evolve(found, events[0])
                with_mentor = self._enrolled(found.appointment.student_id).mentor_id
                events += sessions.decide(ReassignSession(with_mentor, transferred_at=self.now), again)
            return events

        return self._of_session(session_id, decide)

    # --- Statements

    def close(self, mentor_id: UUID, month: str) -> Answer:
        try:
            return ("done",) if self.statements.close(mentor_id, Month.parse(month), self.now) else ("quiet",)
        except Refused as refusal:
            return _answer(refusal)

    # --- Absences

    def declare(self, absence_id: UUID, mentor_id: UUID, from_at: datetime, to_at: datetime) -> Answer:
        command = declare_absence.DeclareAbsence(absence_id, mentor_id, _period(from_at, to_at), self.now)
        answer = self._together(lambda: list(declare_absence.decide(command, self._registered(mentor_id))))
        if answer[0] == "done":
            _known(self.absence_ids, absence_id)
        return answer

    def change(self, absence_id: UUID, from_at: datetime, to_at: datetime) -> Answer:
        def decide() -> Decided:
            found = change_absence.open_absence(self._some_absence(absence_id))
            command = change_absence.ChangeAbsence(absence_id, _period(from_at, to_at), self.now)
            return list(change_absence.decide(command, found, self._registered(found.mentor_id)))

        return self._together(decide)

    def end(self, absence_id: UUID) -> Answer:
        command = change_absence.EndAbsence(absence_id, self.now)

        def decide() -> Decided:
            found = self._some_absence(absence_id)
            return list(change_absence.decide_end(command, found, self._registered(declaration(found).mentor_id)))

        return self._together(decide)

    def consent(self, absence_id: UUID, student_id: UUID, consent: str) -> Answer:
        def decide() -> list[Any]:
            found = change_absence.open_absence(self._some_absence(absence_id))
            of_student = {each.student_id: each for each in self._plan(absence_id).students}.get(student_id)
            if of_student is None:
                raise Refused("student_not_concerned", "Cet étudiant n’est pas concerné.", "Not concerned.")
            command = prepare_absence.RecordConsent(student_id, Consent(consent), of_student.sessions_missed, self.now)
            return list(prepare_absence.decide_consent(command, found, self._enrolled(student_id)))

        return self._one(absence_id, decide)

    def tick(self, absence_id: UUID, item: str, done: bool) -> Answer:
        command = prepare_absence.TickPreparation(Preparation(item), done, self.now)
        return self._one(
            absence_id,
            lambda: prepare_absence.decide_tick(command, change_absence.open_absence(self._some_absence(absence_id))),
        )

    def ask_for_help(self, absence_id: UUID) -> Answer:
        command = request_help.RequestHelp(None, self.now)

        def decide() -> list[Any]:
            found = change_absence.open_absence(self._some_absence(absence_id))
            return list(request_help.decide(command, found, self._plan(absence_id)))

        return self._one(absence_id, decide)

    def give_back(self, absence_id: UUID, only: UUID | None) -> Answer:
        def decide() -> Decided:
            found = self._some_absence(absence_id)
            away = self._plan(absence_id).away
            if only is not None and only not in away:
                raise Refused("student_not_concerned", "Cet étudiant n’est pas concerné.", "Not concerned.")
            going = away if only is None else (only,)
            home = self._registered(declaration(found).mentor_id)
            command = return_students.ReturnStudents(absence_id, self.now, True, set(away) <= set(going))
            return list(return_students.decide(command, found, home, {who: self._enrolled(who) for who in going}))

        answer, decided = self._decided(decide)
        for who, event in decided:
            if isinstance(event, StudentTransferred):
                self._sessions_follow(who, event.to_mentor_id)
        return answer

    def remind(self, absence_id: UUID) -> Answer:
        def decide() -> Decided:
            found = self._some_absence(absence_id)
            planned = self._plan(absence_id)
            due = remind.decide(remind.Remind(self.now), found, planned)
            end = change_absence.EndAbsence(absence_id, self.now)
            over = change_absence.decide_end_on_its_date(
                end, found, self._registered(declaration(found).mentor_id), planned
            )
            return [*((absence_id, event) for event in due), *over]

        return self._together(decide)

    # --- What can be seen

    def view(self) -> dict[str, Any]:
        return {
            "mentors": {who: _seen_mentor(self._registered(who)) for who in self.mentor_ids},
            "students": {who: _seen_student(self._enrolled(who)) for who in self.student_ids},
            "sessions": {which: self._seen_session(which) for which in self.session_ids},
            "absences": {which: self._seen_absence(which) for which in self.absence_ids},
            "statements": self.statements.view(),
            "files": {
                who: papers.file_of(self._entries(who), self.enrolled_at[who], self.now) for who in self.student_ids
            },
            "continuity": {who: papers.continuity_of(self._entries(who), self.now) for who in self.student_ids},
        }

    def _entries(self, student_id: UUID) -> list[Entry]:
        return [
            papers.entry_from(which, self.streams.load(which))
            for which in self.session_ids
            if (found := self._session(which)) is not None and found.appointment.student_id == student_id
        ]

    def _seen_session(self, session_id: UUID) -> dict[str, Any]:
        found = self._session(session_id)
        assert found is not None
        appointment = found.appointment
        documented = found if isinstance(found, Cancelled) else None
        outcome = None if isinstance(found, Scheduled) else documented.reason.value if documented else "held"
        cause = documented.cause.value if documented and documented.cause else None
        moves = [event for event in self.streams.load(session_id) if isinstance(event, SessionRescheduled)]
        return {
            "student": appointment.student_id,
            "mentor": appointment.mentor_id,
            "starts_at": appointment.starts_at,
            "minutes": appointment.duration_minutes,
            "status": a_session.status_of(found).value,
            "moved_late": (moves[-1].requested_by.value, moves[-1].late) if moves else None,
            "late_requests": sum(move.late and move.requested_by is RequestedBy.STUDENT for move in moves),
            "path": appointment.path,
            "reason": documented.reason.value if documented else None,
            "recoverable": documented.recoverable if documented else None,
            "cause": cause,
            "note": documented.note if documented else None,
            "notice_at": documented.notice_at if documented else None,
            "week": str(Week.of(appointment.starts_at, PARIS)),
            "month": str(Month.of(appointment.starts_at, PARIS)),
            "file": standing_of(FileOutcome(outcome or "planned"), FileCause(cause) if cause else None).value,
            "makes_up_for": appointment.makes_up_for,
            "made_up_by": found.made_up_by,
            "statement": StatementOutcome(outcome).value if outcome else None,
        }

    def _seen_absence(self, absence_id: UUID) -> dict[str, Any]:
        found = self._some_absence(absence_id)
        declared, planned = declaration(found), self._plan(absence_id)
        return {
            "from": declared.period.from_at,
            "to": declared.period.to_at,
            "ended": isinstance(found, Ended),
            "stage": status(found, planned, self.now).value,
            "students": {
                each.student_id: {
                    "missed": each.sessions_missed,
                    "left": each.sessions_left,
                    "advice": each.advice.action.value,
                    "rule": each.advice.rule,
                    "consent": each.consent.value,
                    "done": each.done,
                    "to_return": each.to_return,
                }
                for each in planned.students
            },
            "checklist": {item.value: done for item, done in planned.checklist.items()},
            "help": tuple((asked.late, tuple(sorted(asked.students))) for asked in declared.help_requests),
            "reminded": {kind.value for kind in declared.reminded},
        }

    # --- Load, decide, append

    def _mentor(self, mentor_id: UUID) -> mentor.Mentor:
        return self.streams.folded(mentor_id, mentor.fold)

    def _registered(self, mentor_id: UUID) -> Registered:
        found = self._mentor(mentor_id)
        if isinstance(found, NotRegistered):
            raise Refused("mentor_unknown", "Ce mentor n’a pas de compte.", "This mentor has no account.")
        return found

    def _student(self, student_id: UUID) -> student.Student:
        return self.streams.folded(student_id, student.fold)

    def _enrolled(self, student_id: UUID) -> Enrolled:
        found = self._student(student_id)
        assert isinstance(found, Enrolled)
        return found

    def _session(self, session_id: UUID) -> a_session.Session | None:
        return self.streams.folded(session_id, a_session.fold)

    def _absence(self, absence_id: UUID) -> absence.Absence:
        return self.streams.folded(absence_id, absence.fold)

    def _some_absence(self, absence_id: UUID) -> Declared | Ended:
        found = self._absence(absence_id)
        if isinstance(found, NotDeclared):
            raise Refused("absence_unknown", "Cette absence n’existe pas.", "There is no such absence.")
        return found

    def _plan(self, absence_id: UUID) -> Plan:
        found = self._some_absence(absence_id)
        declared = declaration(found)
        home = self._registered(declared.mentor_id)
        students = {who: self._enrolled(who) for who in accompanied(found, home) | home.lent}
        missed = {
            who: count_missed(self._planned(who), declared.period, declared_at=declared.declared_at) for who in students
        }
        return plan(absence_id, found, home, students, missed)

    def _planned(self, student_id: UUID) -> list[PlannedSession]:
        """What the view of planned sessions holds."""
        planned = []
        for session_id in self.session_ids:
            events = self.streams.load(session_id)
            published = [event for event in events if not isinstance(event, MakeUpPlanned | MakeUpReleased)]
            if published and published[0].appointment.student_id == student_id:
                planned.append(PlannedSession(session_id, tuple(map(_standing, published))))
        return planned

    def _everybody(self) -> list[UUID]:
        return [*self.mentor_ids, *self.student_ids]

    def _of_session(
        self, session_id: UUID, decide_one: Callable[[a_session.Session | None], list[SessionEvent]]
    ) -> Answer:
        """The session's own events; where it makes up for another, that one's with them."""

        def decide() -> Decided:
            found = self._session(session_id)
            events = decide_one(found)
            missed_id = found.appointment.makes_up_for if found else None
            if found is None or missed_id is None:
                return [(session_id, event) for event in events]
            both = tied(session_id, found, events, self._session(missed_id), self.now)
            return [(session_id, event) for event in both.events] + [(missed_id, event) for event in both.of_missed]

        return self._together(decide)

    def _one(self, aggregate_id: UUID, decide: Callable[[], Iterable[Any]]) -> Answer:
        return self._together(lambda: [(aggregate_id, event) for event in decide()])

    def _together(self, decide: Callable[[], Decided]) -> Answer:
        return self._decided(decide)[0]

    def _decided(self, decide: Callable[[], Decided]) -> tuple[Answer, Decided]:
        try:
            decided = decide()
        except Refused as refusal:
            return _answer(refusal), []
        self.streams.append(decided, self.streams.versions(who for who, _ in decided))
        for which, event in decided:
            self.statements.record(which, event)
        return ("done",) if decided else ("quiet",), decided


def _answer(refusal: Refused) -> Answer:
    named = {"transfer_refused": "code", "capacity_full": "capacity_needed", "handover_incomplete": "field"}.get(
        refusal.code
    )
    return ("refused", refusal.code, *(error[named] for error in refusal.errors if named))


def _known(ids: list[UUID], aggregate_id: UUID) -> None:
    if aggregate_id not in ids:
        ids.append(aggregate_id)


def _standing(event: Any) -> Standing:
    """As the view keeps what the event publishes."""
    after = a_session.evolve(None, event)
    cancelled = after if isinstance(after, Cancelled) else None
    moved = event if isinstance(event, SessionRescheduled) else None
    instants = ("scheduled_at", "rescheduled_at", "cancelled_at", "held_at", "reassigned_at", "corrected_at")
    return Standing(
        starts_at=event.appointment.starts_at,
        duration=event.appointment.duration,
        status=a_session.status_of(after).value,
        since=next(getattr(event, name) for name in instants if hasattr(event, name)),
        reason=cancelled.reason.value if cancelled else None,
        cause=cancelled.cause.value if cancelled and cancelled.cause else None,
        makes_up_for=event.appointment.makes_up_for,
        moved_by=moved.requested_by.value if moved else None,
    )


def _period(from_at: datetime, to_at: datetime) -> Period:
    return Period(from_at.astimezone(UTC), to_at.astimezone(UTC), False, "Europe/Paris")


def _seen_mentor(found: Registered) -> dict[str, Any]:
    return {
        "capacity": found.capacity,
        "paths": found.profile.paths,
        "projects": found.profile.projects,
        "students": set(found.students),
        "free": found.free_places,
    }


def _seen_student(found: Enrolled) -> dict[str, Any]:
    last = found.transfers[-1] if found.transfers else None
    return {
        "path": found.profile.path,
        "project": found.profile.project,
        "funding": found.profile.funding.value,
        "mentor": found.mentor_id,
        "announced_return": found.announced_return_on,
        "lent_by": found.lenders,
        "comments": len(found.comments),
        "last_transfer": last
        and (
            last.kind.value,
            last.from_mentor_id,
            last.to_mentor_id,
            last.absence_id,
            last.expected_return_on,
            last.transferred_at,
        ),
    }
