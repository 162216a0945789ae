"""What the rules say, in dicts and ifs: written from the rules alone, and importing nothing of the services.

What becomes of sessions on paper (statements, files, weeks) stands in ``plain_papers``.

Each method is a command. Its answer is ``("done",)``, ``("quiet",)`` where it is so already, or ``("refused", code,
*details)``. ``view`` is all that can be seen of the school.
"""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.model.plain_papers import PARIS, PlainStatements, continuity_of, file_of, month_of, outcome_of, standing

REASONS = ("student_early", "student_late", "student_no_show", "other")
DAY_S = 86_400
DONE = ("done",)
QUIET = ("quiet",)

Answer = tuple[Any, ...]


def refused(code: str, *details: Any) -> Answer:
    return ("refused", code, *details)


class PlainSchool:
    """All that is known; every time is in UTC."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.mentors: dict[UUID, dict[str, Any]] = {}
        self.students: dict[UUID, dict[str, Any]] = {}
        self.sessions: dict[UUID, dict[str, Any]] = {}
        self.absences: dict[UUID, dict[str, Any]] = {}
        self.statements = PlainStatements()

    # --- Accounts, as the directory sends them

    def put_mentor(self, mentor_id: UUID, capacity: int, paths: tuple[str, ...], projects: tuple[str, ...]) -> Answer:
        account = {"capacity": capacity, "paths": paths, "projects": projects}
        before = self.mentors.get(mentor_id)
        self.mentors[mentor_id] = account
        if before is None:
            return DONE
        return QUIET if before == account else DONE

    def change_capacity(self, mentor_id: UUID, capacity: int) -> Answer:
        if mentor_id not in self.mentors:
            return refused("mentor_unknown")
        if capacity < 0 or capacity > 10_000:
            return refused("capacity_out_of_bounds")
        if self.mentors[mentor_id]["capacity"] == capacity:
            return QUIET
        self.mentors[mentor_id]["capacity"] = capacity
        return DONE

    def put_student(self, student_id: UUID, path: str, project: str, funding: str, mentor_id: UUID) -> Answer:
        account = {"path": path, "project": project, "funding": funding}
        student = self.students.get(student_id)
        if student is not None:
            # Who accompanies a student is left to transfers.
            same = all(student[key] == value for key, value in account.items())
            student.update(account)
            return QUIET if same else DONE
        if mentor_id not in self.mentors:
            return refused("mentor_unknown")
        if self.free_places(mentor_id) == 0:
            return refused("capacity_full")
        self.students[student_id] = account | {
            "mentor": mentor_id,
            "lent_by": [],
            "lent_for": {},
            "comments": [],
            "announced_return": None,
            "last_transfer": None,
            "enrolled_at": self.now,
        }
        return DONE

    def students_of(self, mentor_id: UUID) -> list[UUID]:
        return [who for who, student in self.students.items() if student["mentor"] == mentor_id]

    def free_places(self, mentor_id: UUID) -> int:
        free: int = self.mentors[mentor_id]["capacity"] - len(self.students_of(mentor_id))
        return free if free > 0 else 0

    # --- Transfers: T3, T4, T11, T16, T18

    def check(self, student_id: UUID, mentor_id: UUID) -> Answer:
        """T18: each diagnosis with whether it passed; None where there is no account to ask."""
        student = self.students[student_id]
        if mentor_id not in self.mentors:
            return (False, None, None, None)
        mentor = self.mentors[mentor_id]
        return (
            True,
            student["path"] in mentor["paths"],
            student["project"] in mentor["projects"],
            self.free_places(mentor_id) > 0,
        )

    def transfer(
        self, student_id: UUID, to: UUID, kind: str | None, by_support: bool, absence_id: UUID | None
    ) -> Answer:
        student = self.students[student_id]
        return_on = None
        if absence_id is not None:
            if absence_id not in self.absences:
                return refused("absence_unknown")
            absence = self.absences[absence_id]
            gives = absence["mentor"] == student["mentor"] and not absence["ended"]
            if not gives and absence["mentor"] != to:
                return refused("absence_of_another")
            return_on = local_day(absence["to"])
        if to == student["mentor"]:
            return refused("same_mentor")
        if kind == "permanent" and not by_support:
            return refused("permanent_through_support")
        comes_back = to in student["lent_by"]
        if kind == "return" and not comes_back:
            return refused("not_a_return")
        if kind != "permanent":
            kind = "return" if comes_back else "one_off"
        if kind != "return" and self.is_away(to):
            return refused("replacement_away")
        failed = self.failed_diagnoses(student_id, to)
        if failed:
            return refused("transfer_refused", *failed)
        self.hand_over(student_id, to, kind, absence_id, return_on)
        return DONE

    def failed_diagnoses(self, student_id: UUID, to: UUID) -> list[str]:
        codes = ("not_a_mentor_account", "not_on_path", "project_not_on_profile", "capacity_full")
        return [code for code, passed in zip(codes, self.check(student_id, to), strict=True) if passed is False]

    def hand_over(self, student_id: UUID, to: UUID, kind: str, absence_id: UUID | None, return_on: date | None) -> None:
        student = self.students[student_id]
        giver = student["mentor"]
        if kind == "one_off":
            expected = return_on or student["announced_return"]
            student["lent_by"] = [*student["lent_by"], giver]
            student["lent_for"][giver] = (absence_id, self.now)
        elif kind == "return":
            expected = None
            student["lent_by"] = student["lent_by"][: student["lent_by"].index(to)]
        else:
            expected = None
            student["lent_by"] = []
        student["mentor"] = to
        student["last_transfer"] = (kind, giver, to, absence_id, expected, self.now)
        for session in self.sessions.values():
            # T3: at once; what has started stays where it was.
            upcoming = session["status"] == "scheduled" and session["starts_at"] > self.now
            if session["student"] == student_id and upcoming:
                session["mentor"] = to
        # A date that was announced before this transfer was that of another absence.
        announced = [said["return_on"] for said in student["comments"] if said["return_on"] and said["at"] >= self.now]
        student["announced_return"] = announced[-1] if announced else None

    def is_away(self, mentor_id: UUID) -> bool:
        return any(
            absence["mentor"] == mentor_id and not absence["ended"] and absence["from"] <= self.now < absence["to"]
            for absence in self.absences.values()
        )

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
        """T14: who, from when, until when, what to know; all four or none."""
        student = self.students[student_id]
        if comment_id in [said["id"] for said in student["comments"]]:
            return QUIET
        parts = {
            "mentor_name": mentor_name,
            "leave_from": leave_from,
            "return_on": return_on,
            "about_the_student": about,
        }
        missing = [part for part, value in parts.items() if value is None]
        if len(missing) == 4:
            if text is None:
                return refused("comment_empty")
        elif missing:
            return refused("handover_incomplete", *missing)
        elif return_on is not None and leave_from is not None and not return_on > leave_from:
            return refused("return_before_leave")
        student["comments"].append({"id": comment_id, "return_on": return_on, "at": self.now})
        if return_on is not None:
            student["announced_return"] = return_on
        return DONE

    # --- Sessions

    def schedule(
        self, session_id: UUID, student_id: UUID, starts_at: datetime, minutes: int, makes_up_for: UUID | None
    ) -> Answer:
        if student_id not in self.students:
            return refused("student_unknown")
        if makes_up_for is not None:
            why_not = self.why_not_made_up(makes_up_for, student_id)
            if why_not:
                return refused(why_not)
        self.sessions[session_id] = {
            "student": student_id,
            "mentor": self.students[student_id]["mentor"],
            "starts_at": starts_at,
            "minutes": minutes,
            "status": "scheduled",
            "moved_late": None,
            "moves": [],
            "late_requests": 0,
            "path": self.students[student_id]["path"],
            "makes_up_for": makes_up_for,
            **UNDOCUMENTED,
        }
        return DONE

    def made_up_by(self, session_id: UUID) -> UUID | None:
        """The session that makes up for this one; one that was cancelled does not."""
        for which, session in self.sessions.items():
            if session["makes_up_for"] == session_id and session["status"] != "cancelled":
                return which
        return None

    def why_not_made_up(self, session_id: UUID, student_id: UUID) -> str | None:
        """Only what is « rattrapable », and once."""
        missed = self.sessions.get(session_id)
        if missed is None:
            return "session_unknown"
        if missed["student"] != student_id:
            return "not_the_same_student"
        if missed["status"] != "cancelled":
            return "session_not_missed"
        if missed["recoverable"] is None:
            return "recoverable_to_qualify"
        if not missed["recoverable"]:
            return "not_recoverable"
        if missed["makes_up_for"] is not None:
            return "makes_up_itself"
        return "already_made_up" if self.made_up_by(session_id) else None

    def move(self, session_id: UUID, starts_at: datetime, requested_by: str) -> Answer:
        """S9; inside the 24 h it is late, and says who asked for it."""
        session = self.sessions.get(session_id)
        if session is None:
            return refused("session_unknown")
        if session["status"] == "cancelled":
            return refused("session_already_cancelled")
        if session["status"] == "held":
            return refused("session_already_held")
        if starts_at == session["starts_at"]:
            return QUIET
        if self.now >= session["starts_at"]:
            return refused("session_already_started")
        if starts_at <= self.now:
            return refused("new_date_in_the_past")
        late = (session["starts_at"] - self.now).total_seconds() < DAY_S
        session["moved_late"] = (requested_by, late)
        session["moves"].append((session["starts_at"], requested_by, self.now))
        session["late_requests"] += late and requested_by == "student"
        session["starts_at"] = starts_at
        return DONE

    def cancel(
        self, session_id: UUID, reason: str, notice_at: datetime | None, cause: str | None, note: str | None
    ) -> Answer:
        session = self.sessions.get(session_id)
        if session is None:
            return refused("session_unknown")
        note = note.strip() if note else None
        note = note or None
        if session["status"] == "held":
            return refused("session_already_held")
        if session["status"] == "cancelled":
            same = session["reason"] == reason and session["cause"] == cause and session["note"] == note
            if same and (notice_at is None or notice_at == session["notice_at"]):
                return QUIET
            return refused("session_already_cancelled")
        notice_at = notice_at or self.now
        if notice_at > self.now:
            return refused("notice_in_the_future")
        if cause is not None and reason != "other":
            return refused("cause_not_for_this_reason")
        if reason == "other" and note is None:
            return refused("note_required")
        if not self.is_offered(session, reason, notice_at):
            return refused("reason_not_offered")
        session.update(
            status="cancelled",
            reason=reason,
            recoverable=recoverable(reason, cause),
            cause=cause,
            note=note,
            notice_at=notice_at,
        )
        return DONE

    def is_offered(self, session: dict[str, Any], reason: str, notice_at: datetime) -> bool:
        started: bool = self.now >= session["starts_at"]
        hours_of_notice: float = (session["starts_at"] - notice_at).total_seconds() / 3600
        if reason == "student_early":  # S3; exactly 24 h is not late
            return not started and hours_of_notice >= 24
        if reason == "student_late":  # S4
            return not started and hours_of_notice < 24
        if reason == "student_no_show":  # S5; a third of the minutes, in seconds, unrounded
            third_s: int = session["minutes"] * 20
            since_start_s: float = (self.now - session["starts_at"]).total_seconds()
            return since_start_s >= third_s
        return True  # S6

    def reasons(self, session_id: UUID, notice_at: datetime | None) -> Answer:
        """All four, each with whether it can be chosen now and what it does."""
        session = self.sessions[session_id]
        notice_at = notice_at or self.now
        return tuple(
            (
                reason,
                session["status"] == "scheduled"
                and notice_at <= self.now
                and self.is_offered(session, reason, notice_at),
                recoverable(reason, None),
                standing(reason, None),
            )
            for reason in REASONS
        )

    def complete(self, session_id: UUID) -> Answer:
        session = self.sessions.get(session_id)
        if session is None:
            return refused("session_unknown")
        if session["status"] == "cancelled":
            return refused("session_already_cancelled")
        if session["status"] == "held":
            return QUIET
        if self.now < session["starts_at"]:
            return refused("session_not_started")
        session["status"] = "held"
        return DONE

    def correct(
        self,
        session_id: UUID,
        status: str,
        reason: str | None,
        cause: str | None,
        can_be_made_up: bool | None,
        why: str,
    ) -> Answer:
        """By support. Not bound by the windows of S3 and S4; what can't be true yet is refused."""
        session = self.sessions.get(session_id)
        if session is None:
            return refused("session_unknown")
        why = why.strip()
        if not why:
            return refused("why_required")
        if status == "cancelled" and reason is None:
            return refused("reason_required")
        if status != "cancelled" and reason is not None:
            return refused("reason_not_for_this_status")
        if cause is not None and reason != "other":
            return refused("cause_not_for_this_reason")
        support_decides = reason == "other" and cause not in ("mentor", "platform")
        if can_be_made_up is not None and not support_decides:
            return refused("recoverable_is_given")
        if status == "held" and self.now < session["starts_at"]:
            return refused("session_not_started")
        if reason == "student_no_show" and not self.is_offered(session, reason, self.now):
            return refused("reason_not_offered")
        if reason == "student_late" and (session["starts_at"] - self.now).total_seconds() >= DAY_S:
            return refused("reason_not_offered")  # Nobody can have cancelled late yet.
        after = dict(UNDOCUMENTED)
        if status == "cancelled":
            was_cancelled = session["status"] == "cancelled"
            note = None
            if reason == "other":
                note = session["note"] if was_cancelled and session["reason"] == "other" else None
                note = note or why
            after = {
                "reason": reason,
                "recoverable": can_be_made_up if support_decides else recoverable(str(reason), cause),
                "cause": cause,
                "note": note,
                "notice_at": session["notice_at"] if was_cancelled else self.now,
            }
        if session["status"] == status and all(session[key] == value for key, value in after.items()):
            return QUIET
        stands_again = session["status"] == "cancelled" and status != "cancelled"
        made_up_for = session["makes_up_for"] if stands_again else None
        if made_up_for is not None and self.why_not_made_up(made_up_for, session["student"]):
            # Its place was taken since, or what it made up for was not missed after all.
            session["makes_up_for"] = None
        session.update(after, status=status)
        if status == "scheduled" and session["starts_at"] > self.now:
            # A session that is planned again is with whoever is the student's mentor by now.
            session["mentor"] = self.students[session["student"]]["mentor"]
        return DONE

    # --- Statements: S8

    def close(self, mentor_id: UUID, month: str) -> Answer:
        """For good. What is documented later is owed on the next one."""
        if (mentor_id, month) in self.statements.closed:
            return QUIET
        if month > month_of(self.now):
            return refused("month_not_begun")
        self.statements.close(mentor_id, month, self.sessions)
        return DONE

    # --- Absences: T1, T5–T9, T12–T17

    def declare(self, absence_id: UUID, mentor_id: UUID, from_at: datetime, to_at: datetime) -> Answer:
        if mentor_id not in self.mentors:
            return refused("mentor_unknown")
        wrong = self.wrong_dates(absence_id, mentor_id, from_at, to_at)
        if wrong:
            return refused(wrong)
        self.absences[absence_id] = {
            "id": absence_id,
            "mentor": mentor_id,
            "from": from_at,
            "to": to_at,
            "declared": self.now,
            "ended": False,
            "ended_at": None,
            "students": self.students_of(mentor_id),
            "consents": {},
            "ticked": set(),
            "help": [],
            "reminded": set(),
        }
        return DONE

    def wrong_dates(self, absence_id: UUID, mentor_id: UUID, from_at: datetime, to_at: datetime) -> str | None:
        if to_at <= from_at:
            return "absence_ends_before_it_begins"
        if to_at <= self.now:
            return "absence_over"
        if (to_at - from_at).days > 366 or to_at - from_at > timedelta(days=366):
            return "long_pause_through_support"
        for other_id, other in self.absences.items():
            mine = other["mentor"] == mentor_id and not other["ended"] and other_id != absence_id
            if mine and from_at < other["to"] and other["from"] < to_at:
                return "absence_overlaps"
        return None

    def change(self, absence_id: UUID, from_at: datetime, to_at: datetime) -> Answer:
        absence = self.absences.get(absence_id)
        if absence is None:
            return refused("absence_unknown")
        if absence["ended"]:
            return refused("absence_ended")
        if (from_at, to_at) == (absence["from"], absence["to"]):
            return QUIET
        wrong = self.wrong_dates(absence_id, absence["mentor"], from_at, to_at)
        if wrong:
            return refused(wrong)
        absence.update({"from": from_at, "to": to_at, "reminded": set()})
        return DONE

    def end(self, absence_id: UUID) -> Answer:
        absence = self.absences.get(absence_id)
        if absence is None:
            return refused("absence_unknown")
        if absence["ended"]:
            return QUIET
        self.is_over(absence)
        return DONE

    def is_over(self, absence: dict[str, Any]) -> None:
        """Who joined since the declaration and is still there stays in it."""
        absence.update(ended=True, ended_at=self.now)
        absence["students"] = sorted({*absence["students"], *self.students_of(absence["mentor"])})

    def concerned(self, absence: dict[str, Any]) -> list[UUID]:
        """Whom the mentor accompanied when it was declared; who came since; and who is lent because of it."""
        since = [] if absence["ended"] else self.students_of(absence["mentor"])
        return sorted({*absence["students"], *since, *self.lent(absence)})

    def plan_of(self, absence: dict[str, Any], student_id: UUID) -> dict[str, Any]:
        """Missed sessions, advice by funding (T5–T9), and whether something is settled for the student."""
        student = self.students[student_id]
        own = {which: session for which, session in self.sessions.items() if session["student"] == student_id}
        hit = [which for which, session in own.items() if self.is_hit(absence, session)]
        missed = [which for which in hit if own[which]["makes_up_for"] not in hit]
        unsolved = [which for which in missed if not self.is_solved(absence, which)]
        consent = absence["consents"].get(student_id, "not_asked")
        advice, rule = advised(student["funding"], len(missed), consent)
        stays = student["mentor"] == absence["mentor"]
        left = sum(
            session["status"] == "scheduled" and is_within(absence, session["starts_at"], session["minutes"])
            for session in own.values()
        )
        kept = advice == "keep" and not left and (not missed or (consent == "given" and not unsolved))
        return {
            "missed": len(missed),
            "left": left if stays else 0,
            "advice": advice,
            "rule": rule,
            "consent": consent,
            "done": not stays or kept,
            "to_return": student_id in self.lent(absence),
        }

    def is_hit(self, absence: dict[str, Any], session: dict[str, Any]) -> bool:
        """Within the absence, if only because the mentor cancelled it; or moved out of it by the mentor since."""
        if is_within(absence, session["starts_at"], session["minutes"]):
            return session["status"] != "cancelled" or mentor_cancelled(session)
        return any(
            by == "mentor" and at >= absence["declared"] and is_within(absence, stood_at, session["minutes"])
            for stood_at, by, at in session["moves"]
        )

    def is_solved(self, absence: dict[str, Any], which: UUID) -> bool:
        session = self.sessions[which]
        if mentor_cancelled(session):
            made_up_by = self.made_up_by(which)
            return made_up_by is not None and self.takes_place(absence, self.sessions[made_up_by])
        return session["status"] == "cancelled" or self.takes_place(absence, session)

    def takes_place(self, absence: dict[str, Any], session: dict[str, Any]) -> bool:
        return session["status"] == "held" or not is_within(absence, session["starts_at"], session["minutes"])

    def lent(self, absence: dict[str, Any]) -> list[UUID]:
        """Who was handed over for a while because of it and is to come back."""
        home = absence["mentor"]
        return [
            who
            for who, student in self.students.items()
            if home in student["lent_by"] and is_meant(absence, *student["lent_for"][home])
        ]

    def consent(self, absence_id: UUID, student_id: UUID, consent: str) -> Answer:
        absence = self.absences.get(absence_id)
        if absence is None:
            return refused("absence_unknown")
        if absence["ended"]:
            return refused("absence_ended")
        if student_id not in self.concerned(absence):
            return refused("student_not_concerned")
        student = self.students[student_id]
        if student["mentor"] != absence["mentor"]:
            return refused("student_not_concerned")
        plan = self.plan_of(absence, student_id)
        if plan["consent"] == consent:
            return QUIET
        if plan["missed"] > 1 or student["funding"] == "apprenticeship":
            return refused("keep_not_possible")
        absence["consents"][student_id] = consent
        return DONE

    def tick(self, absence_id: UUID, item: str, done: bool) -> Answer:
        absence = self.absences.get(absence_id)
        if absence is None:
            return refused("absence_unknown")
        if absence["ended"]:
            return refused("absence_ended")
        if item not in ("peers_asked", "students_warned"):
            return refused("preparation_is_observed")
        if done == (item in absence["ticked"]):
            return QUIET
        absence["ticked"] = absence["ticked"] | {item} if done else absence["ticked"] - {item}
        return DONE

    def waiting(self, absence: dict[str, Any]) -> list[UUID]:
        return [who for who in self.concerned(absence) if not self.plan_of(absence, who)["done"]]

    def ask_for_help(self, absence_id: UUID) -> Answer:
        """T17; late from 72 h before departure."""
        absence = self.absences.get(absence_id)
        if absence is None:
            return refused("absence_unknown")
        if absence["ended"]:
            return refused("absence_ended")
        waiting = self.waiting(absence)
        if not waiting:
            return refused("nobody_waiting")
        late = (absence["from"] - self.now).total_seconds() <= 72 * 3600
        absence["help"].append((late, tuple(waiting)))
        return DONE

    def give_back(self, absence_id: UUID, only: UUID | None) -> Answer:
        """T16: all who are with a replacement, or one of them; with the last, an absence that has begun is over."""
        absence = self.absences.get(absence_id)
        if absence is None:
            return refused("absence_unknown")
        lent = self.lent(absence)
        if only is not None and only not in lent:
            return refused("student_not_concerned")
        going = lent if only is None else [only]
        home = absence["mentor"]
        if len(going) > self.free_places(home):
            return refused("capacity_full", len(self.students_of(home)) + len(going))
        failed = [code for who in going for code in self.failed_diagnoses(who, home)]
        if failed:
            return refused("transfer_refused", *failed)
        for who in going:
            self.hand_over(who, home, "return", absence_id, None)
        over = set(going) == set(lent) and self.now >= absence["from"] and not absence["ended"]
        if over:
            self.is_over(absence)
        return DONE if going or over else QUIET

    def remind(self, absence_id: UUID) -> Answer:
        """T17 once from 72 h before departure while students wait; T16 once from the return while some are away."""
        absence = self.absences.get(absence_id)
        if absence is None:
            return refused("absence_unknown")
        if absence["ended"] or self.now >= absence["to"]:
            kind, about = "return", self.lent(absence)
        elif (absence["from"] - self.now).total_seconds() <= 72 * 3600:
            kind, about = "help_deadline", self.waiting(absence)
        else:
            return QUIET
        due = bool(about) and kind not in absence["reminded"]
        if due:
            absence["reminded"] = absence["reminded"] | {kind}
        # An absence whose date has come is over by itself once nobody is away any more.
        over = kind == "return" and not about and not absence["ended"]
        if over:
            self.is_over(absence)
        return DONE if due or over else QUIET

    def stage(self, absence: dict[str, Any]) -> str:
        if absence["ended"] or self.now >= absence["to"]:
            return "returning" if self.lent(absence) else "ended"
        return "planned" if self.now < absence["from"] else "ongoing"

    def checklist(self, absence: dict[str, Any]) -> dict[str, bool]:
        """T12–T15."""
        plans = {who: self.plan_of(absence, who) for who in self.concerned(absence)}
        handed_over = [who for who, plan in plans.items() if plan["advice"] == "transfer"]
        leaves_on = local_day(absence["from"])
        noted = [
            any(said["return_on"] and said["return_on"] > leaves_on for said in self.students[who]["comments"])
            for who in handed_over
        ]
        return {
            "capacity_zero": self.mentors[absence["mentor"]]["capacity"] == 0,
            "peers_asked": "peers_asked" in absence["ticked"],
            "students_warned": "students_warned" in absence["ticked"],
            "handover_comments": all(noted),
            "transfers": all(plans[who]["done"] for who in handed_over),
        }

    # --- What can be seen

    def view(self) -> dict[str, Any]:
        return {
            "mentors": {
                who: {**mentor, "students": set(self.students_of(who)), "free": self.free_places(who)}
                for who, mentor in self.mentors.items()
            },
            "students": {
                who: {
                    **{key: student[key] for key in ("path", "project", "funding", "mentor", "announced_return")},
                    "lent_by": tuple(student["lent_by"]),
                    "comments": len(student["comments"]),
                    "last_transfer": student["last_transfer"],
                }
                for who, student in self.students.items()
            },
            "sessions": {
                which: {
                    **{key: value for key, value in session.items() if key != "moves"},
                    "made_up_by": self.made_up_by(which),
                    "week": session["starts_at"].astimezone(PARIS).strftime("%G-W%V"),
                    "month": session["starts_at"].astimezone(PARIS).strftime("%Y-%m"),
                    "file": standing(outcome_of(session), session["cause"]),
                    "statement": outcome_of(session),
                }
                for which, session in self.sessions.items()
            },
            "statements": self.statements.view(self.sessions),
            "files": {
                who: file_of(who, student["enrolled_at"], self.sessions, self.now)
                for who, student in self.students.items()
            },
            "continuity": {who: continuity_of(who, self.sessions, self.now) for who in self.students},
            "absences": {
                which: {
                    "from": absence["from"],
                    "to": absence["to"],
                    "ended": absence["ended"],
                    "stage": self.stage(absence),
                    "students": {who: self.plan_of(absence, who) for who in self.concerned(absence)},
                    "checklist": self.checklist(absence),
                    "help": tuple(absence["help"]),
                    "reminded": set(absence["reminded"]),
                }
                for which, absence in self.absences.items()
            },
        }


UNDOCUMENTED: dict[str, Any] = {"reason": None, "recoverable": None, "cause": None, "note": None, "notice_at": None}


def recoverable(reason: str, cause: str | None) -> bool | None:
    """« Rattrapable »; None is « à qualifier »."""
    if reason == "student_early":
        return True
    if reason == "other":
        return True if cause in ("mentor", "platform") else None
    return False


def is_meant(absence: dict[str, Any], absence_id: UUID | None, at: datetime) -> bool:
    """Where a transfer names no absence, it is for one that is declared and not over."""
    if absence_id is not None:
        named: bool = absence_id == absence["id"]
        return named
    return absence["declared"] <= at and not (absence["ended"] and at > absence["ended_at"])


def is_within(absence: dict[str, Any], starts_at: datetime, minutes: int) -> bool:
    within: bool = starts_at < absence["to"] and starts_at + timedelta(minutes=minutes) > absence["from"]
    return within


def mentor_cancelled(session: dict[str, Any]) -> bool:
    """« Autre », of the mentor's doing, or of nobody's yet."""
    other: bool = session["status"] == "cancelled" and session["reason"] == "other"
    return other and session["cause"] in ("mentor", None)


def advised(funding: str, missed: int, consent: str) -> tuple[str, str]:
    """T5–T9, and T2 where no session is missed."""
    if funding == "apprenticeship":
        return "transfer", "T7"
    if missed == 0:
        return "keep", "T2"
    if funding == "third_party":
        return ("keep", "T6") if missed == 1 and consent == "given" else ("transfer", "T5")
    if missed >= 2:
        return "transfer", "T9"
    return ("transfer", "T1") if consent == "refused" else ("keep", "T8")


def local_day(instant: datetime) -> date:
    return instant.astimezone(PARIS).date()
