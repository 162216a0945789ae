"""What the rules say of the papers that a school's sessions end in: statements (S8), files (S7) and weeks (T2).

Nothing here follows events: each paper is computed anew from how the school stands, and from what was closed.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")

# From which day on a session is worth how many cents, by level.
RATES = [
    (date(2000, 1, 1), {1: 1000, 2: 2001}),
    (date(2026, 3, 29), {1: 1100, 2: 2103}),
    (date(2026, 11, 19), {1: 1200, 2: 2205}),
    (date(2027, 1, 1), {1: 1300, 2: 2307}),
]
SHARES = {"held": 100, "student_early": 10, "student_late": 50, "student_no_show": 50, "other": 25}
LEVELS = {"data": 2, "web": 1}

Group = tuple[UUID, UUID, str]
"""Mentor, session, and the month in which the session is."""


class PlainStatements:
    """A mentor is owed what each session is worth now; what a closed statement holds of that is not owed again."""

    def __init__(self) -> None:
        self.closed: dict[tuple[UUID, str], dict[Group, int]] = {}

    def close(self, mentor_id: UUID, month: str, sessions: Mapping[UUID, dict[str, Any]]) -> None:
        self.closed[mentor_id, month] = self.open_lines(sessions).get((mentor_id, month), {})

    def open_lines(self, sessions: Mapping[UUID, dict[str, Any]]) -> dict[tuple[UUID, str], dict[Group, int]]:
        """What is still owed, on the first open statement from the session's own month on."""
        owed: dict[Group, int] = defaultdict(int)
        for session_id, session in sessions.items():
            outcome = outcome_of(session)
            if outcome is not None:
                day = session["starts_at"].astimezone(PARIS).date()
                owed[session["mentor"], session_id, month_of(session["starts_at"])] = worth(
                    outcome, session["path"], day
                )
        for lines in self.closed.values():
            for group, cents in lines.items():
                owed[group] -= cents
        placed: dict[tuple[UUID, str], dict[Group, int]] = defaultdict(dict)
        for group, cents in owed.items():
            mentor_id, _, month = group
            while (mentor_id, month) in self.closed:
                month = month_after(month)
            placed[mentor_id, month][group] = cents
        return placed

    def view(self, sessions: Mapping[UUID, dict[str, Any]]) -> dict[tuple[UUID, str], dict[UUID, int]]:
        """By statement, closed or open, the cents of each session where they are not 0."""
        seen: dict[tuple[UUID, str], dict[UUID, int]] = {}
        for statement, lines in {**self.open_lines(sessions), **self.closed}.items():
            by_session: dict[UUID, int] = defaultdict(int)
            for (_, session_id, _), cents in lines.items():
                by_session[session_id] += cents
            seen[statement] = {session_id: cents for session_id, cents in by_session.items() if cents}
        return {statement: lines for statement, lines in seen.items() if lines}


def worth(outcome: str, path: str, day: date) -> int:
    """The share of the rate that holds on the session's own day; half a cent is rounded up."""
    rates = [rates for since, rates in RATES if since <= day][-1]
    cents = Decimal(rates[LEVELS[path]]) * SHARES[outcome] / 100
    return int(cents.quantize(Decimal(1), ROUND_HALF_UP))


def month_of(instant: datetime) -> str:
    return instant.astimezone(PARIS).strftime("%Y-%m")


def month_after(month: str) -> str:
    return (date.fromisoformat(f"{month}-28") + timedelta(days=4)).strftime("%Y-%m")


def file_of(
    student_id: UUID, enrolled_at: datetime, sessions: Mapping[UUID, dict[str, Any]], now: datetime
) -> dict[str, tuple[int | bool, ...]]:
    """By week: planned, attended, excused, unexcused, to qualify, missing, caught up, asked late to be moved."""
    own = {which: session for which, session in sessions.items() if session["student"] == student_id}
    shown = {week_of(session["starts_at"]) for session in own.values()}
    first = min([monday_of(enrolled_at), *(monday_of(session["starts_at"]) for session in own.values())])
    shown |= {f"{monday:%G-W%V}" for monday in mondays(first, monday_of(now))}
    made_up = {session["makes_up_for"] for session in own.values() if session["status"] == "held"}
    weeks = {}
    for week in shown:
        there = {which: session for which, session in own.items() if week_of(session["starts_at"]) == week}
        counted = [standing(outcome_of(session), session["cause"]) for session in there.values()]
        weeks[week] = (
            len(there),
            *(counted.count(state) for state in ("attended", "excused", "unexcused", "to_qualify")),
            not there and week >= week_of(enrolled_at),
            sum(which in made_up and bool(session["recoverable"]) for which, session in there.items()),
            sum(session["late_requests"] for session in there.values()),
        )
    return weeks


def continuity_of(student_id: UUID, sessions: Mapping[UUID, dict[str, Any]], now: datetime) -> dict[str, str]:
    """How the last, the present and the next week stand."""
    weeks = {}
    for monday in (monday_of(now) + timedelta(weeks=offset) for offset in (-1, 0, 1)):
        ends_at = datetime.combine(monday + timedelta(weeks=1), time(), PARIS).astimezone(UTC)
        there = [
            session["status"]
            for session in sessions.values()
            if session["student"] == student_id and monday_of(session["starts_at"]) == monday
        ]
        left_s = (ends_at - now).total_seconds()
        if "held" in there or ("scheduled" in there and left_s > 0):
            state = "green"
        elif left_s <= 0:
            state = "missed"
        else:
            state = "at_risk" if left_s < 72 * 3600 else "to_plan"
        weeks[f"{monday:%G-W%V}"] = state
    return weeks


def week_of(instant: datetime) -> str:
    return instant.astimezone(PARIS).strftime("%G-W%V")


def monday_of(instant: datetime) -> date:
    day = instant.astimezone(PARIS).date()
    return day - timedelta(days=day.weekday())


def mondays(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(weeks=1)


def outcome_of(session: dict[str, Any]) -> str | None:
    """What the mentor's statement lists; None while nothing is documented."""
    if session["status"] == "held":
        return "held"
    reason: str | None = session["reason"] if session["status"] == "cancelled" else None
    return reason


def standing(of: str | None, cause: str | None) -> str:
    """What the student's file counts it as."""
    if of is None:
        return "planned"
    if of == "other":
        by_cause = {None: "to_qualify", "student": "unexcused"}
        return by_cause.get(cause, "excused")
    counts = {"held": "attended", "student_early": "excused", "student_late": "unexcused"}
    return counts.get(of, "unexcused")
