"""Bodies and answers of absences."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from services.transfers.domain.absence import Consent, Declared, Ended, HelpRequested, Period, Preparation, declaration
from services.transfers.domain.absence_plan import Plan, Status, StudentPlan
from services.transfers.domain.advice import Action
from services.transfers.domain.student import Funding, Weekday
from services.transfers.edges.shapes import Answer, Body, Text, WrittenDate, WrittenInstant

Language = Literal["fr", "en"]
STUDENTS_MAX: Final = 1_000

LABELS: Final[Mapping[Preparation, Mapping[Language, str]]] = {
    Preparation.CAPACITY_ZERO: {
        "fr": "Mettre votre capacité d'accueil d'étudiants à 0",
        "en": "Set your student capacity to 0",
    },
    Preparation.PEERS_ASKED: {
        "fr": "Sonder les mentors qui accompagnent sur votre parcours",
        "en": "Sound out the mentors of your path",
    },
    Preparation.STUDENTS_WARNED: {"fr": "Prévenir les étudiants concernés", "en": "Warn the students concerned"},
    Preparation.HANDOVER_COMMENTS: {
        "fr": "Laisser une note dans « commentaire privé » du tableau de bord de chaque étudiant",
        "en": "Leave a note in the private comments of each student's dashboard",
    },
    Preparation.TRANSFERS: {
        "fr": "Transférer les étudiants vers le mentor remplaçant",
        "en": "Transfer the students to the replacement mentor",
    },
}


def _day_or_instant(value: object) -> object:
    if isinstance(value, str) and len(value) == len("2026-11-03"):
        return {"day": value}
    return {"at": value}


class _Moment(Body):
    day: WrittenDate | None = None
    at: WrittenInstant | None = None


Moment = Annotated[_Moment, BeforeValidator(_day_or_instant, json_schema_input_type=date | datetime)]


class Dates(Body):
    """Two dates (of the mentor's time zone, the last one included) or two instants (until before `to`)."""

    from_: Moment = Field(alias="from")
    to: Moment

    @model_validator(mode="after")
    def _alike(self) -> Self:
        if (self.from_.day is None) != (self.to.day is None):
            raise ValueError("from and to are either two dates or two instants")
        return self

    def period(self, timezone: str) -> Period:
        if self.from_.day is not None and self.to.day is not None:
            zone = ZoneInfo(timezone)
            return Period(
                datetime.combine(self.from_.day, time(), zone).astimezone(UTC),
                datetime.combine(self.to.day + timedelta(days=1), time(), zone).astimezone(UTC),
                True,
                timezone,
            )
        assert self.from_.at is not None
        assert self.to.at is not None
        return Period(self.from_.at, self.to.at, False, timezone)


class NewConsent(Body):
    student_id: UUID
    consent: Literal[Consent.ASKED, Consent.GIVEN, Consent.REFUSED]


class Tick(Body):
    item: Preparation
    done: bool = Field(default=True, strict=True)


class NewHelpRequest(Body):
    message: Text | None = None


class Return(Body):
    """Without `student_ids`: all who are to come back and whom the person may give back."""

    student_ids: Annotated[list[UUID], Field(min_length=1, max_length=STUDENTS_MAX)] | None = None


class Step(Answer):
    item: Preparation
    label: str
    done: bool


class AbsentStudent(Answer):
    """`mentor_id` accompanies the student now; `sessions_left` are still with the absent mentor."""

    student_id: UUID
    name: str
    funding: Funding
    training_day: Weekday | None
    sessions_missed: int
    sessions_left: int
    advice: Action
    rule: str
    why: str
    may_keep: bool
    consent: Consent
    done: bool
    mentor_id: UUID
    to_return: bool

    @classmethod
    def of(cls, plan: StudentPlan, language: Language) -> Self:
        return cls(
            student_id=plan.student_id,
            name=plan.student.profile.name,
            funding=plan.student.profile.funding,
            training_day=plan.student.profile.training_day,
            sessions_missed=plan.sessions_missed,
            sessions_left=plan.sessions_left,
            advice=plan.advice.action,
            rule=plan.advice.rule,
            why=plan.advice.fr if language == "fr" else plan.advice.en,
            may_keep=plan.advice.may_keep,
            consent=plan.consent,
            done=plan.done,
            mentor_id=plan.student.mentor_id,
            to_return=plan.to_return,
        )


class HelpAnswer(Answer):
    student_ids: tuple[UUID, ...]
    message: str | None
    late: bool
    requested_at: datetime

    @classmethod
    def of(cls, request: HelpRequested) -> Self:
        return cls(
            student_ids=request.students,
            message=request.message,
            late=request.late,
            requested_at=request.requested_at,
        )


class AbsenceItem(Answer):
    """`from` and `to` as they were given: two dates, the last one included, or two instants."""

    absence_id: UUID
    mentor_id: UUID
    from_: date | datetime = Field(serialization_alias="from")
    to: date | datetime
    return_on: date
    ended_at: datetime | None
    version: int

    @classmethod
    def row(cls, row: Mapping[str, Any]) -> Self:
        period = Period(row["from_at"], row["to_at"], row["whole_days"], row["timezone"])
        return cls(
            absence_id=row["absence_id"],
            mentor_id=row["mentor_id"],
            **_dates(period),
            ended_at=row["ended_at"],
            version=row["version"],
        )


class AbsenceAnswer(AbsenceItem):
    """`help_due`: the 72 h deadline has come, and there are students without a solution (T17)."""

    status: Status
    help_deadline_at: datetime
    help_due: bool
    checklist: list[Step]
    students: list[AbsentStudent]
    help_requests: list[HelpAnswer]

    @classmethod
    def of(
        cls,
        absence_id: UUID,
        absence: Declared | Ended,
        plan: Plan,
        status: Status,
        *,
        version: int,
        now: datetime,
        language: Language,
    ) -> Self:
        declared = declaration(absence)
        return cls(
            absence_id=absence_id,
            mentor_id=declared.mentor_id,
            **_dates(declared.period),
            ended_at=absence.ended_at if isinstance(absence, Ended) else None,
            version=version,
            status=status,
            help_deadline_at=declared.help_deadline_at,
            help_due=isinstance(absence, Declared)
            and bool(plan.waiting)
            and declared.help_deadline_at <= now < declared.period.to_at,
            checklist=[
                Step(item=item, label=LABELS[item][language], done=done) for item, done in plan.checklist.items()
            ],
            students=[AbsentStudent.of(student, language) for student in plan.students],
            help_requests=[HelpAnswer.of(request) for request in declared.help_requests],
        )


def _dates(period: Period) -> dict[str, Any]:
    return {
        "from_": period.first_day if period.whole_days else period.from_at,
        "to": period.last_day if period.whole_days else period.to_at,
        "return_on": period.return_on,
    }
