"""HTTP: the board of weekly continuity, as JSON and CSV (T2)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.attendance.domain.continuity import Stands, State, hours_left, state_of
from services.attendance.domain.standing import Cause, Outcome
from services.attendance.domain.week import Week, from_to
from services.attendance.edges.access import READ_ALL_FILES, READ_BOARD
from services.attendance.edges.wording import FUNDINGS, STANDINGS
from services.attendance.views import continuity
from services.attendance.views.continuity import Question, StudentWeek
from services.chassis.access import Guard, patient
from services.chassis.auth import Principal
from services.chassis.by_name import name_after
from services.chassis.clock import Clock
from services.chassis.csv_file import Cell, csv_response
from services.chassis.database import Database
from services.chassis.http import DEFAULT_LIMIT, Instant, Limit, Page, encode_cursor
from services.chassis.refusal import Refused

MAX_WEEKS: Final = 53
MAX_CSV_ROWS: Final = 20_000

Funding = Literal["third_party", "apprenticeship", "self_funded"]
Reader = Annotated[Principal, READ_BOARD.person]
WeekAsked = Annotated[str | None, Query(description="As 2026-W47; by default the current week.", max_length=8)]
AsOf = Annotated[Instant | None, Query(description="As it was known, and counted, at this instant.")]

STATES: Final[Mapping[State, str]] = {
    State.GREEN: "assurée",
    State.TO_PLAN: "à planifier",
    State.AT_RISK: "à risque",
    State.MISSED: "manquée",
}
CSV_HEADER: Final = (
    "Étudiant",
    "Nom",
    "Financement",
    "Mentor",
    "Semaine",
    "Du",
    "Au",
    "État",
    "Heures restantes",
    "Sessions",
    "Rattrapages",
)


class MakeUpView(BaseModel):
    """The session in place of a missed one; ``outcome`` is planned or held."""

    session_id: UUID
    starts_at: Instant
    outcome: Outcome


class ContinuitySession(BaseModel):
    """A session of the week as its last event left it."""

    session_id: UUID
    event_id: UUID
    outcome: Outcome
    cause: Cause | None
    recoverable: bool | None
    starts_at: Instant
    duration_minutes: int
    mentor_id: UUID
    makes_up_for: UUID | None
    made_up_by: MakeUpView | None


class ContinuityRow(BaseModel):
    """One student's week."""

    student_id: UUID
    name: str
    mentor_id: UUID | None = Field(description="Who accompanies the student.")
    mentor_name: str | None
    funding: Funding
    week: str
    state: State
    hours_left: int = Field(description="Whole hours that are left of the week, 0 once it is over.")
    sessions: list[ContinuitySession]


class WeekOfFunding(BaseModel):
    """How one funding's students stand in one week."""

    week: str
    funding: Funding
    counts: dict[State, int]


class ContinuityPage(Page[ContinuityRow]):
    """A page of the board. ``counts`` are of all students that the filters let pass, but for ``state`` and cursor."""

    week: str
    ends_at: Instant
    hours_left: int
    counts: dict[State, int]


def continuity_router(database: Database, guard: Guard, clock: Clock, zone: ZoneInfo) -> APIRouter:
    """Routes ``/continuity``."""
    router = APIRouter(tags=["continuity"])

    @router.get("/continuity")
    @patient
    def weekly_continuity(
        person: Reader,
        week: WeekAsked = None,
        state: State | None = None,
        funding: Funding | None = None,
        mentor_id: UUID | None = None,
        as_of: AsOf = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> ContinuityPage:
        """Each student's week: green, to plan, at risk or missed. A mentor sees whom they accompany and lent."""
        now = as_of or clock.now()
        asked = _week(week, now)
        question = replace(_question(person, asked, state, funding, mentor_id, now, as_of), after=name_after(cursor))
        with database.connection() as connection:
            board = continuity.board(connection, question, limit=limit + 1)
        found = board.weeks
        last = found[:limit][-1:] if len(found) > limit else []
        ends_at = asked.ends_at(zone)
        counted = dict.fromkeys(State, 0)
        for what, students in board.counts.items():
            counted[state_of(what, ends_at=ends_at, now=now)] += students
        return ContinuityPage(
            items=[_row(one, asked, ends_at, now) for one in found[:limit]],
            next_cursor=encode_cursor({"name": last[0].name, "id": last[0].student_id}) if last else None,
            week=str(asked),
            ends_at=ends_at,
            hours_left=hours_left(ends_at=ends_at, now=now),
            counts=counted,
        )

    @router.get("/continuity/weeks")
    def continuity_over_weeks(
        _: Annotated[Principal, READ_ALL_FILES.person],
        to: Annotated[str | None, Query(description="The last week, as 2026-W47; by default the current one.")] = None,
        weeks: Annotated[int, Query(ge=1, le=MAX_WEEKS)] = 13,
        as_of: AsOf = None,
    ) -> Page[WeekOfFunding]:
        """Week by week, the oldest first, how the students of each funding stood, stand, or are to stand."""
        now = as_of or clock.now()
        last = _week(to, now)
        first = Week.containing(last.monday() - timedelta(weeks=weeks - 1))
        asked = list(from_to(first, last))
        ends = [week.ends_at(zone) for week in asked]
        with database.connection() as connection:
            rows = continuity.weeks_by_funding(
                connection, [(week.starts_at(zone), end) for week, end in zip(asked, ends, strict=True)], as_of=as_of
            )
        counts: dict[tuple[int, str], dict[State, int]] = {}
        for row in rows:
            at = row["number"] - 1, row["funding"]
            state = state_of(Stands(row["stands"]), ends_at=ends[at[0]], now=now)
            counts.setdefault(at, dict.fromkeys(State, 0))[state] += row["students"]
        found = [
            WeekOfFunding(week=str(asked[number]), funding=funding, counts=one)
            for (number, funding), one in sorted(counts.items())
        ]
        return Page(items=found)

    @router.get("/continuity.csv", response_class=Response)
    @patient
    def weekly_continuity_as_csv(
        person: Reader,
        week: WeekAsked = None,
        state: State | None = None,
        funding: Funding | None = None,
        mentor_id: UUID | None = None,
        as_of: AsOf = None,
    ) -> Response:
        """The same as a CSV file with French headers, one row a student."""
        now = as_of or clock.now()
        asked = _week(week, now)
        question = _question(person, asked, state, funding, mentor_id, now, as_of)
        with database.connection() as connection:
            found = continuity.board(connection, question, limit=MAX_CSV_ROWS + 1).weeks
        if len(found) > MAX_CSV_ROWS:
            raise Refused(
                "too_many_rows",
                "Ce fichier aurait trop de lignes ; choisissez un état, un financement ou un mentor.",
                "This file would have too many rows; choose a state, a funding or a mentor.",
            )
        return csv_response(f"continuite-{asked}.csv", CSV_HEADER, [_csv_row(one, asked, now) for one in found])

    def _question(
        person: Principal,
        week: Week,
        state: State | None,
        funding: str | None,
        mentor_id: UUID | None,
        now: datetime,
        as_of: datetime | None,
    ) -> Question:
        ends_at = week.ends_at(zone)
        own = guard.own(READ_BOARD, person, mentor_id=mentor_id)
        return Question(
            starts_at=week.starts_at(zone),
            ends_at=ends_at,
            as_of=as_of,
            stands=_standing_for(state, ends_at, now),
            funding=funding,
            mentor_id=mentor_id,
            student_ids=own.student_ids if own is not None and mentor_id is None else None,
        )

    def _week(written: str | None, now: datetime) -> Week:
        if written is None:
            return Week.of(now, zone)
        try:
            return Week.parse(written)
        except ValueError as error:
            raise Refused(
                "invalid_week", "La semaine s’écrit comme 2026-W47.", "A week is written like 2026-W47."
            ) from error

    def _csv_row(found: StudentWeek, week: Week, now: datetime) -> list[Cell]:
        ends_at = week.ends_at(zone)
        return [
            str(found.student_id),
            found.name,
            FUNDINGS[found.funding],
            found.mentor_name,
            str(week),
            f"{week.monday():%d/%m/%Y}",
            f"{week.sunday():%d/%m/%Y}",
            STATES[state_of(found.stands, ends_at=ends_at, now=now)],
            hours_left(ends_at=ends_at, now=now),
            " | ".join(f"{_local(one.starts_at)} {STANDINGS[one.standing]}" for one in found.entries),
            " | ".join(
                f"{_local(one.starts_at)} {'réalisée' if one.outcome == Outcome.HELD else 'prévue'}"
                for one in found.make_ups.values()
            ),
        ]

    def _local(instant: datetime) -> str:
        return f"{instant.astimezone(zone):%d/%m/%Y %H:%M}"

    return router


def _standing_for(state: State | None, ends_at: datetime, now: datetime) -> Sequence[Stands] | None:
    """All that comes to ``state`` at this instant: the rule is asked once a week, not once a student."""
    if state is None:
        return None
    return [stands for stands in Stands if state_of(stands, ends_at=ends_at, now=now) is state]


def _row(found: StudentWeek, week: Week, ends_at: datetime, now: datetime) -> ContinuityRow:
    return ContinuityRow(
        student_id=found.student_id,
        name=found.name,
        mentor_id=found.mentor_id,
        mentor_name=found.mentor_name,
        funding=found.funding,
        week=str(week),
        state=state_of(found.stands, ends_at=ends_at, now=now),
        hours_left=hours_left(ends_at=ends_at, now=now),
        sessions=[
            ContinuitySession(
                session_id=one.session_id,
                event_id=one.event_id,
                outcome=one.outcome,
                cause=one.cause,
                recoverable=one.recoverable,
                starts_at=one.starts_at,
                duration_minutes=one.duration_minutes,
                mentor_id=one.mentor_id,
                makes_up_for=one.makes_up_for,
                made_up_by=_make_up(found, one.session_id),
            )
            for one in found.entries
        ],
    )


def _make_up(found: StudentWeek, session_id: UUID) -> MakeUpView | None:
    make_up = found.make_ups.get(session_id)
    if make_up is None:
        return None
    return MakeUpView(session_id=make_up.session_id, starts_at=make_up.starts_at, outcome=Outcome(make_up.outcome))
