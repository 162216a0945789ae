"""Weeks and months as the school counts them: ISO weeks in the school's zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from services.portal.edges.language import monday_of, week_of, zone_of
from services.portal.edges.shapes import Session


@dataclass(frozen=True, slots=True)
class Span:
    """From the first instant to the last, excluded."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class SessionWeek:
    week: str
    sessions: Sequence[Session]


def today(now: datetime, zone: str) -> date:
    return now.astimezone(zone_of(zone)).date()


def this_week(now: datetime, zone: str) -> str:
    return week_of(today(now, zone))


def this_month(now: datetime, zone: str) -> str:
    return today(now, zone).strftime("%Y-%m")


def week_span(week: str, zone: str, weeks: int = 1) -> Span:
    monday = monday_of(week)
    return Span(_midnight(monday, zone), _midnight(monday + timedelta(weeks=weeks), zone))


def days_span(day: date, zone: str, days: int) -> Span:
    """So many whole days from ``day`` on, as the zone counts them."""
    return Span(_midnight(day, zone), _midnight(day + timedelta(days=days), zone))


def neighbour(week: str, weeks: int) -> str:
    return week_of(monday_of(week) + timedelta(weeks=weeks))


def month_before(month: str) -> str:
    return (date.fromisoformat(f"{month}-01") - timedelta(days=1)).strftime("%Y-%m")


def month_after(month: str) -> str:
    return (date.fromisoformat(f"{month}-01") + timedelta(days=32)).strftime("%Y-%m")


def month_span(month: str, zone: str) -> Span:
    return Span(
        _midnight(date.fromisoformat(f"{month}-01"), zone),
        _midnight(date.fromisoformat(f"{month_after(month)}-01"), zone),
    )


def start_of(day: str, zone: str) -> str | None:
    """The first instant of a day as a date field sends it (2026-11-24), as the APIs read it; None where it is none."""
    try:
        return _midnight(date.fromisoformat(day), zone).isoformat() if day else None
    except ValueError:
        return None


def end_of(day: str, zone: str) -> str | None:
    """The first instant after such a day: the day itself is within."""
    try:
        return _midnight(date.fromisoformat(day) + timedelta(days=1), zone).isoformat() if day else None
    except (ValueError, OverflowError):
        return None


def by_week(sessions: Sequence[Session], zone: str, *, latest_first: bool = False) -> list[SessionWeek]:
    """Sessions in their weeks, both in order."""
    weeks: dict[str, list[Session]] = {}
    for session in sorted(sessions, key=lambda session: session.starts_at, reverse=latest_first):
        weeks.setdefault(this_week(session.starts_at, zone), []).append(session)
    return [SessionWeek(week, found) for week, found in weeks.items()]


def is_week(text: str) -> bool:
    try:
        monday_of(text)
    except ValueError:
        return False
    return True


def is_month(text: str) -> bool:
    try:
        date.fromisoformat(f"{text}-01")
    except ValueError:
        return False
    return len(text) == len("2026-11")


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time.min, zone_of(zone)).astimezone(UTC)
