"""Random sequences of all commands and of the clock; after each step Relais and the plain model must agree."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.model.plain import PlainSchool
from tests.model.plain_papers import PARIS, monday_of, month_of
from tests.model.relais import Relais

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

MENTORS = [UUID(int=number) for number in range(1, 5)]
STUDENTS = [UUID(int=number) for number in range(11, 15)]
SESSIONS = [UUID(int=number) for number in range(21, 31)]
ABSENCES = [UUID(int=number) for number in range(41, 45)]
COMMENTS = [UUID(int=number) for number in range(61, 64)]
NOBODY = UUID(int=99)

# A plain week; the nights on which summer time ends and begins; a year of 53 weeks, and one that begins in week 52.
BEGINNINGS = {
    datetime(2026, 11, 16, 9, 0, tzinfo=UTC): [datetime(2026, 11, 22, 23, 0, tzinfo=UTC)],
    datetime(2026, 10, 23, 12, 0, tzinfo=UTC): [
        datetime(2026, 10, 25, 2, 30, fold=0, tzinfo=PARIS),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=PARIS),
        datetime(2026, 10, 26, 2, 30, tzinfo=PARIS),
    ],
    datetime(2026, 3, 27, 12, 0, tzinfo=UTC): [
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
        datetime(2026, 3, 30, 2, 30, tzinfo=PARIS),
    ],
    datetime(2026, 12, 30, 9, 0, tzinfo=UTC): [
        datetime(2027, 1, 1, 0, 0, tzinfo=PARIS),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=PARIS),
        datetime(2027, 1, 4, 0, 0, tzinfo=PARIS),
        datetime(2027, 1, 3, 23, 59, 59, tzinfo=PARIS),
    ],
    datetime(2022, 12, 30, 9, 0, tzinfo=UTC): [datetime(2023, 1, 1, 23, 30, tzinfo=UTC)],
}

BOUNDS = [
    ("third", "student_no_show"),
    ("24 h before", "student_late"),
    ("24 h before", "student_early"),
    ("24 h before", "move"),
    ("start", "transfer"),
    ("start", "student_late"),
    ("start", "move"),
    ("start", "complete"),
]

mentors = st.sampled_from(MENTORS)
students = st.sampled_from(STUDENTS)
anyone = st.integers(0, 7)
notices = st.sampled_from([None, "24 h before", "now"])
session_edges = st.sampled_from(["24 h before", "start", "third", "end"])
or_now = st.sampled_from(["24 h before", "start", "third", None, None])
seconds = st.sampled_from([timedelta(0), SECOND, -SECOND, timedelta(0)])
capacities = st.sampled_from([2, 3, 1, 0])
paths = st.sampled_from([("data", "web"), ("data",), ("web",)])
projects = st.sampled_from([("p1", "p2"), ("p1",)])
fundings = st.sampled_from(["third_party", "apprenticeship", "self_funded"])
reasons = st.sampled_from(["student_early", "student_late", "student_no_show", "other"])
causes = st.sampled_from([None, None, "mentor", "platform", "student", "force_majeure"])
kinds = st.sampled_from([None, "permanent", "one_off", "return", None, "permanent"])
steps = st.sampled_from([MINUTE, HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY])
from_now = st.sampled_from(
    [MINUTE, HOUR, -HOUR, DAY - SECOND, DAY, DAY + SECOND, 2 * DAY, 3 * DAY, 7 * DAY, 9 * DAY, 14 * DAY]
)


class RulesHold(RuleBasedStateMachine):
    """One sequence. ``sequences``, ``compared`` (steps) and ``reached`` (answers) count what has been run."""

    sequences: ClassVar[int] = 0
    compared: ClassVar[int] = 0
    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        RulesHold.sequences += 1
        self.plain = PlainSchool(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))
        self.relais = Relais(self.plain.now)
        self.special: list[datetime] = []

    def both(self, command: str, *arguments: Any) -> None:
        """The same command to both: the same answer, and the same school afterwards."""
        expected = getattr(self.plain, command)(*arguments)
        answer = getattr(self.relais, command)(*arguments)
        assert answer == expected, f"{command}{arguments} at {self.plain.now}: {answer}, where the rules say {expected}"
        RulesHold.reached[" ".join((command, *map(str, answer[:2])))] += 1
        self.agree()

    def agree(self) -> None:
        RulesHold.compared += 1
        seen, expected = self.relais.view(), self.plain.view()
        assert seen == expected, f"at {self.plain.now}: {_difference(seen, expected)}"

    def clock_to(self, now: datetime) -> None:
        if now > self.plain.now:
            self.plain.now = self.relais.now = now.astimezone(UTC)
            self.agree()

    @initialize(beginning=st.sampled_from(list(BEGINNINGS)), funding=fundings, other_funding=fundings)
    def a_school(self, beginning: datetime, funding: str, other_funding: str) -> None:
        self.plain.now = self.relais.now = beginning
        self.special = [instant.astimezone(UTC) for instant in BEGINNINGS[beginning]]
        self.both("put_mentor", MENTORS[0], 2, ("data", "web"), ("p1", "p2"))
        self.both("put_mentor", MENTORS[1], 2, ("data",), ("p1",))
        self.both("put_mentor", MENTORS[2], 1, ("web",), ("p1",))
        self.both("put_mentor", MENTORS[3], 1, ("data", "web"), ("p2",))
        self.both("put_student", STUDENTS[0], "data", "p1", funding, MENTORS[0])
        self.both("put_student", STUDENTS[1], "data", "p1", other_funding, MENTORS[0])
        self.both("schedule", SESSIONS[0], STUDENTS[0], self.special[0], 50, None)
        self.both("schedule", SESSIONS[1], STUDENTS[1], beginning + 2 * DAY, 50, None)
        self.both("schedule", SESSIONS[2], STUDENTS[1], beginning + 5 * DAY, 60, None)
        self.both("schedule", SESSIONS[3], STUDENTS[1], beginning + 8 * DAY, 50, None)
        self.both("declare", ABSENCES[0], MENTORS[0], beginning + 4 * DAY, beginning + 11 * DAY)

    # --- The clock

    @rule(step=steps)
    def time_passes(self, step: timedelta) -> None:
        self.clock_to(self.plain.now + step)

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, edge=session_edges, by=seconds)
    def time_passes_to_an_edge_of_a_session(self, which: int, edge: str, by: timedelta) -> None:
        self.clock_to_edge(self.session(which), edge, by)

    @rule(before=st.sampled_from([3 * DAY, timedelta(0)]), by=seconds)
    def time_passes_to_an_edge_of_the_week(self, before: timedelta, by: timedelta) -> None:
        """Its end, and 72 h before it."""
        monday = monday_of(self.plain.now) + timedelta(weeks=1)
        ends_at = datetime.combine(monday, datetime.min.time(), PARIS).astimezone(UTC)
        self.clock_to(ends_at - before + by)

    def clock_to_edge(self, session_id: UUID, edge: str | None, by: timedelta) -> None:
        if edge is not None and session_id in self.plain.sessions:
            self.clock_to(self.edge_of(session_id, edge) + by)

    def edge_of(self, session_id: UUID, edge: str) -> datetime:
        session = self.plain.sessions[session_id]
        after = {
            "24 h before": -DAY,
            "start": timedelta(0),
            "third": timedelta(seconds=session["minutes"] * 20),
            "end": timedelta(minutes=session["minutes"]),
        }
        starts_at: datetime = session["starts_at"]
        return starts_at + after[edge]

    # --- Accounts and transfers

    @rule(who=mentors, capacity=capacities, on=paths, of=projects)
    def put_mentor(self, who: UUID, capacity: int, on: tuple[str, ...], of: tuple[str, ...]) -> None:
        self.both("put_mentor", who, capacity, on, of)

    @rule(who=mentors, capacity=st.sampled_from([0, 1, 2, 3, 10_001, -1]))
    def change_capacity(self, who: UUID, capacity: int) -> None:
        self.both("change_capacity", who, capacity)

    @rule(
        who=students,
        path=st.sampled_from(["data", "data", "web"]),
        project=st.sampled_from(["p1", "p1", "p2"]),
        funding=fundings,
        mentor=mentors,
    )
    def put_student(self, who: UUID, path: str, project: str, funding: str, mentor: UUID) -> None:
        self.both("put_student", who, path, project, funding, mentor)

    @rule(which=anyone, to=st.sampled_from([*MENTORS, NOBODY]))
    def check_a_transfer(self, which: int, to: UUID) -> None:
        self.both("check", self.student(which), to)

    @rule(
        which=anyone,
        to=st.sampled_from([*MENTORS, *MENTORS[:2], NOBODY]),
        kind=kinds,
        by_support=st.booleans(),
        absence=anyone,
    )
    def transfer(self, which: int, to: UUID, kind: str | None, by_support: bool, absence: int) -> None:
        self.both("transfer", self.student(which), to, kind, by_support, self.some_absence(absence))

    @precondition(lambda self: self.plain.absences)
    @rule(which=anyone, who=anyone, to=mentors)
    def transfer_for_an_absence(self, which: int, who: int, to: UUID) -> None:
        absence_id, absence = self.absence(which)
        concerned = self.plain.concerned(absence)
        if concerned:
            self.both("transfer", concerned[who % len(concerned)], to, None, False, absence_id)

    @rule(which=anyone, other=anyone, to=mentors, elsewhere=mentors, same=st.booleans())
    def two_transfers_at_once(self, which: int, other: int, to: UUID, elsewhere: UUID, same: bool) -> None:
        first = (self.student(which), to, None, False, None)
        second = (self.student(other), to if same else elsewhere, None, False, None)
        in_order, answers = self.relais.transfers_at_once(first, second)
        told: list[Any] = [None, None]
        for place in (0, 1) if in_order else (1, 0):
            told[place] = self.plain.transfer(*(first, second)[place])
        assert answers == told, f"{first} and {second} at {self.plain.now}: {answers}, where the rules say {told}"
        self.agree()
        for who, mentor in self.relais.view()["mentors"].items():
            assert mentor["free"] >= 0, who

    @rule(
        which=anyone,
        comment=st.sampled_from(COMMENTS),
        parts=st.sampled_from([15, 15, 15, 0, 7, 11, 13, 14]),
        text=st.sampled_from([None, "Léo avance bien."]),
        leave=st.sampled_from([0, 1, 7]),
        days=st.sampled_from([7, 14, 1, 0, -1]),
    )
    def comment(self, which: int, comment: UUID, parts: int, text: str | None, leave: int, days: int) -> None:
        """A hand-over comment, complete or without one of its four parts; or a plain one."""
        leave_from: date = (self.plain.now + leave * DAY).astimezone(PARIS).date()
        said = ("Ada", leave_from, leave_from + days * DAY, "Préfère le mardi.")
        given = [part if parts & 1 << place else None for place, part in enumerate(said)]
        self.both("comment", self.student(which), comment, text, *given)

    # --- Sessions

    @precondition(lambda self: len(self.plain.sessions) < len(SESSIONS))
    @rule(
        which=students,
        after=from_now,
        minutes=st.sampled_from([45, 50, 60]),
        special=st.sampled_from([-1, -1, 0, 1, 2]),
    )
    def schedule(self, which: UUID, after: timedelta, minutes: int, special: int) -> None:
        starts_at = self.plain.now + after
        if special >= 0:
            starts_at = self.special[special % len(self.special)]
        self.both("schedule", SESSIONS[len(self.plain.sessions)], which, starts_at, minutes, None)

    @precondition(lambda self: self.plain.sessions and len(self.plain.sessions) < len(SESSIONS))
    @rule(which=anyone, after=from_now, whose=students, again=st.booleans())
    def make_up(self, which: int, after: timedelta, whose: UUID, again: bool) -> None:
        """Mostly for one that can be, or that was made up for already."""
        recoverable = [key for key, session in self.plain.sessions.items() if session["recoverable"]]
        missed = recoverable[which % len(recoverable)] if recoverable and which < 5 else self.session(which)
        if which != 6 and missed in self.plain.sessions:
            whose = self.plain.sessions[missed]["student"]
        for _ in range(1 + again):
            if len(self.plain.sessions) < len(SESSIONS):
                self.both("schedule", SESSIONS[len(self.plain.sessions)], whose, self.plain.now + after, 45, missed)

    @rule(
        which=anyone, after=from_now, by=st.sampled_from(["student", "mentor"]), special=st.sampled_from([-1, -1, 0, 1])
    )
    def move(self, which: int, after: timedelta, by: str, special: int) -> None:
        starts_at = self.plain.now + after
        if special >= 0:
            starts_at = self.special[special % len(self.special)]
        self.both("move", self.session(which), starts_at, by)

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, bound=st.sampled_from(BOUNDS), off=seconds, to=mentors)
    def meet_a_bound(self, which: int, bound: tuple[str, str], off: timedelta, to: UUID) -> None:
        """A session with a bound ahead: a second before it, at it, or a second after it, what the bound is of."""
        edge, then = bound
        scheduled = [key for key, session in self.plain.sessions.items() if session["status"] == "scheduled"]
        ahead = [key for key in scheduled if self.edge_of(key, edge) - SECOND > self.plain.now]
        if not ahead:
            return
        session_id = ahead[which % len(ahead)]
        self.clock_to_edge(session_id, edge, off)
        if then == "move":
            self.both("move", session_id, self.plain.now + 2 * DAY, "student")
        elif then == "complete":
            self.both("complete", session_id)
        elif then == "transfer":
            self.both("transfer", self.plain.sessions[session_id]["student"], to, None, False, None)
        else:
            self.both("cancel", session_id, then, None, None, None)

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, at=or_now, off=seconds, notice=notices, by=seconds)
    def cancel_early(self, which: int, at: str | None, off: timedelta, notice: str | None, by: timedelta) -> None:
        self.cancel(which, "student_early", at, off, notice, by)

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, at=or_now, off=seconds, notice=notices, by=seconds)
    def cancel_late(self, which: int, at: str | None, off: timedelta, notice: str | None, by: timedelta) -> None:
        self.cancel(which, "student_late", at, off, notice, by)

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, at=st.sampled_from(["third", "start", "end"]), off=seconds)
    def cancel_for_a_no_show(self, which: int, at: str, off: timedelta) -> None:
        self.cancel(which, "student_no_show", at, off, None, off)

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, at=or_now, off=seconds, cause=causes, note=st.sampled_from(["Panne.", " Panne. ", "", " "]))
    def cancel_otherwise(self, which: int, at: str | None, off: timedelta, cause: str | None, note: str) -> None:
        self.cancel(which, "other", at, off, None, off, cause, note)

    @precondition(lambda self: self.plain.sessions)
    @rule(
        which=anyone, reason=reasons, cause=causes, note=st.sampled_from([None, "Panne."]), notice=notices, by=seconds
    )
    def cancel_somehow(
        self, which: int, reason: str, cause: str | None, note: str | None, notice: str | None, by: timedelta
    ) -> None:
        self.cancel(which, reason, None, by, notice, by, cause, note)

    def cancel(
        self,
        which: int,
        reason: str,
        at: str | None,
        off: timedelta,
        notice: str | None,
        by: timedelta,
        cause: str | None = None,
        note: str | None = None,
    ) -> None:
        session_id = self.session(which)
        self.clock_to_edge(session_id, at, off)
        self.both("cancel", session_id, reason, self.notice(session_id, notice, by), cause, note)

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, notice=st.sampled_from([None, "now", "24 h before"]), by=seconds)
    def look_at_the_reasons(self, which: int, notice: str | None, by: timedelta) -> None:
        session_id = self.session(which)
        if session_id in self.plain.sessions:
            self.both("reasons", session_id, self.notice(session_id, notice, by))

    @rule(which=anyone, at=or_now, off=seconds)
    def complete(self, which: int, at: str | None, off: timedelta) -> None:
        self.clock_to_edge(self.session(which), at, off)
        self.both("complete", self.session(which))

    @rule(
        which=anyone,
        status=st.sampled_from(["scheduled", "held", "cancelled", "cancelled"]),
        reason=reasons,
        cause=causes,
        can_be_made_up=st.sampled_from([None, None, True, False]),
        why=st.sampled_from(["Vu avec l’étudiant.", "Vu avec l’étudiant.", "Erreur de saisie.", " "]),
        sensibly=st.sampled_from([True, True, True, False]),
    )
    def correct(
        self,
        which: int,
        status: str,
        reason: str | None,
        cause: str | None,
        can_be_made_up: bool | None,
        why: str,
        sensibly: bool,
    ) -> None:
        """``sensibly``: a reason with a cancelled session alone, causes and making up with « Autre »."""
        if sensibly:
            reason = reason if status == "cancelled" else None
            cause = cause if reason == "other" else None
            can_be_made_up = can_be_made_up if reason == "other" and cause not in ("mentor", "platform") else None
        elif status == "cancelled" and cause is None:
            reason = None
        self.both("correct", self.session(which), status, reason, cause, can_be_made_up, why)

    # --- Statements

    @rule(who=st.sampled_from([*MENTORS[:2], *MENTORS]), months=st.sampled_from([0, 0, -1, 1]))
    def close_a_statement(self, who: UUID, months: int) -> None:
        this = self.plain.now.astimezone(PARIS).date().replace(day=15)
        self.both("close", who, f"{this + months * timedelta(days=31):%Y-%m}")

    @precondition(lambda self: self.plain.sessions)
    @rule(which=anyone, days=st.sampled_from([7, 31, 62, 62]), cause=causes, reason=reasons, held=st.booleans())
    def take_back_what_was_closed_and_document_it_elsewhere(
        self, which: int, days: int, cause: str | None, reason: str, held: bool
    ) -> None:
        """Close the month of a cancelled session to come, plan it again, move it, and document it where it is now."""
        to_come = [key for key, session in self.plain.sessions.items() if session["starts_at"] > self.plain.now]
        if not to_come:
            return
        session_id = to_come[which % len(to_come)]
        session = self.plain.sessions[session_id]
        self.both("cancel", session_id, "other", None, cause, "Panne.")
        self.both("close", session["mentor"], month_of(session["starts_at"]))
        self.both("correct", session_id, "scheduled", None, None, None, "Planifiée à nouveau.")
        self.both("move", session_id, session["starts_at"] + days * DAY, "student")
        if held:
            self.clock_to_edge(session_id, "start", timedelta(0))
            self.both("complete", session_id)
        else:
            self.both("cancel", session_id, reason, None, None, "Panne.")

    # --- Absences

    @precondition(lambda self: len(self.plain.absences) < len(ABSENCES))
    @rule(who=mentors, after=from_now, lasts=st.sampled_from([-HOUR, HOUR, DAY, 7 * DAY, 14 * DAY, 366 * DAY + SECOND]))
    def declare(self, who: UUID, after: timedelta, lasts: timedelta) -> None:
        from_at = self.plain.now + after
        self.both("declare", ABSENCES[len(self.plain.absences)], who, from_at, from_at + lasts)

    @precondition(lambda self: self.plain.absences)
    @rule(
        which=anyone,
        earlier=st.sampled_from([timedelta(0), DAY, 3 * DAY, -DAY]),
        longer=st.sampled_from([-DAY, timedelta(0), 7 * DAY]),
    )
    def change(self, which: int, earlier: timedelta, longer: timedelta) -> None:
        absence_id, absence = self.absence(which)
        self.both("change", absence_id, absence["from"] - earlier, absence["to"] + longer)

    @precondition(lambda self: self.plain.absences)
    @rule(which=anyone, who=anyone, consent=st.sampled_from(["asked", "given", "given", "refused"]))
    def consent(self, which: int, who: int, consent: str) -> None:
        absence_id, absence = self.absence(which)
        concerned = self.plain.concerned(absence)
        student_id = concerned[who % len(concerned)] if concerned and who < 6 else self.student(who)
        self.both("consent", absence_id, student_id, consent)

    @precondition(lambda self: self.plain.absences)
    @rule(
        which=anyone,
        item=st.sampled_from(["peers_asked", "students_warned", "capacity_zero", "transfers"]),
        done=st.booleans(),
    )
    def tick(self, which: int, item: str, done: bool) -> None:
        self.both("tick", self.absence(which)[0], item, done)

    @precondition(lambda self: self.plain.absences)
    @rule(which=anyone, off=seconds)
    def ask_for_help_around_the_deadline(self, which: int, off: timedelta) -> None:
        ahead = [
            key
            for key, absence in self.plain.absences.items()
            if absence["from"] - 72 * HOUR - SECOND > self.plain.now and self.plain.waiting(absence)
        ]
        if ahead:
            absence_id = ahead[which % len(ahead)]
            self.clock_to(_edge_of(self.plain.absences[absence_id], "72 h before") + off)
            self.both("ask_for_help", absence_id)

    @precondition(lambda self: self.plain.absences)
    @rule(
        which=anyone,
        what=st.sampled_from(["ask_for_help", "remind", "end"]),
        edge=st.sampled_from(["72 h before", "to", "from", None]),
        off=seconds,
    )
    def see_to_an_absence(self, which: int, what: str, edge: str | None, off: timedelta) -> None:
        absence_id, absence = self.absence(which)
        if edge is not None:
            self.clock_to(_edge_of(absence, edge) + off)
        self.both(what, absence_id)

    @precondition(lambda self: self.plain.absences)
    @rule(which=anyone, only=st.sampled_from([None, None, 0, 1, 2]))
    def give_back(self, which: int, only: int | None) -> None:
        absence_id, absence = self.absence(which)
        lent = self.plain.lent(absence)
        back = None if only is None else lent[only % len(lent)] if lent and only < 2 else self.student(only)
        self.both("give_back", absence_id, back)

    # --- Who and which

    def student(self, which: int) -> UUID:
        return list(self.plain.students)[which % len(self.plain.students)]

    def session(self, which: int) -> UUID:
        """Mostly one that is still to be documented; the last number is one that is not there."""
        if which == 7 or not self.plain.sessions:
            return NOBODY
        open_ones = [key for key, session in self.plain.sessions.items() if session["status"] == "scheduled"]
        chosen = open_ones if open_ones and which < 4 else list(self.plain.sessions)
        return chosen[which % len(chosen)]

    def absence(self, which: int) -> tuple[UUID, dict[str, Any]]:
        """Mostly one that is not over."""
        open_ones = [key for key, absence in self.plain.absences.items() if not absence["ended"]]
        chosen = open_ones if open_ones and which < 6 else list(self.plain.absences)
        absence_id = chosen[which % len(chosen)]
        return absence_id, self.plain.absences[absence_id]

    def some_absence(self, which: int) -> UUID | None:
        """Mostly none."""
        if which < 4 or not self.plain.absences:
            return None
        return NOBODY if which == 7 else self.absence(which)[0]

    def notice(self, session_id: UUID, notice: str | None, by: timedelta) -> datetime | None:
        if notice is None or session_id not in self.plain.sessions:
            return None
        if notice == "now":
            return self.plain.now + by
        told: datetime = self.plain.sessions[session_id]["starts_at"] - DAY + by
        return told


def _edge_of(absence: dict[str, Any], edge: str) -> datetime:
    edges: dict[str, datetime] = {
        "72 h before": absence["from"] - 72 * HOUR,
        "from": absence["from"],
        "to": absence["to"],
    }
    return edges[edge]


def _named(which: UUID | tuple[UUID, str]) -> str:
    """A person, session or absence by its number; a statement by its mentor's and its month."""
    return str(which.int) if isinstance(which, UUID) else f"{which[0].int} of {which[1]}"


def _difference(seen: dict[str, Any], expected: dict[str, Any]) -> str:
    told = []
    for kind, things in expected.items():
        for which in {*things, *seen[kind]}:
            one, other = seen[kind].get(which), things.get(which)
            if one != other and one is not None and other is not None:
                fields = [key for key in {**one, **other} if one.get(key) != other.get(key)]
                told += [
                    f"{kind} {_named(which)} {key}: {one.get(key)}, where the rules say {other.get(key)}"
                    for key in fields
                ]
            elif one != other:
                told.append(f"{kind} {_named(which)}: {one}, where the rules say {other}")
    return "; ".join(told)
