"""What a student's attendance comes to over some days: what a certificate says, and what the list of files sums (S7).

A session counts where it starts within the days, by the calendar of the school; a week without a session, where its
Sunday does. So the parts of a longer period add up to it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from services.attendance.domain.attendance_file import Entry, weeks_of
from services.attendance.domain.standing import Standing
from services.attendance.domain.week import Week


@dataclass(frozen=True, slots=True)
class Period:
    """Days, both included."""

    first: date
    last: date

    def starts_at(self, zone: tzinfo) -> datetime:
        return datetime.combine(self.first, time.min, zone).astimezone(UTC)

    def ends_at(self, zone: tzinfo) -> datetime:
        """No longer within."""
        return datetime.combine(self.last + timedelta(days=1), time.min, zone).astimezone(UTC)

    def week_starts_at(self, zone: tzinfo) -> datetime:
        """When its first week starts: a session before the first day may stand in that week."""
        return Week.containing(self.first).starts_at(zone)


@dataclass(frozen=True, slots=True)
class Counted:
    """``planned`` counts every session set for the period, whatever became of it; minutes are of what was held."""

    planned: int
    attended: int
    excused: int
    unexcused: int
    to_qualify: int
    missing_weeks: int
    attended_minutes: int
    entries: Sequence[Entry]


def counted(
    entries: Sequence[Entry], period: Period, *, enrolled_at: datetime | None, now: datetime, zone: tzinfo
) -> Counted:
    """The period's counts from the entries of its weeks, from ``Period.week_starts_at`` on."""
    starts_at, ends_at = period.starts_at(zone), period.ends_at(zone)
    within = sorted(
        (entry for entry in entries if starts_at <= entry.starts_at < ends_at),
        key=lambda entry: (entry.starts_at, entry.session_id),
    )
    counts = Counter(entry.standing for entry in within)
    weeks = weeks_of(entries, enrolled_at, now, zone)
    return Counted(
        planned=len(within),
        attended=counts[Standing.ATTENDED],
        excused=counts[Standing.EXCUSED],
        unexcused=counts[Standing.UNEXCUSED],
        to_qualify=counts[Standing.TO_QUALIFY],
        missing_weeks=sum(week.missing and period.first <= week.week.sunday() <= period.last for week in weeks),
        attended_minutes=sum(entry.duration_minutes for entry in within if entry.standing is Standing.ATTENDED),
        entries=within,
    )
