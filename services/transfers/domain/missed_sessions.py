"""T6, T8: which of a student's planned sessions an absence makes them miss, and which of those have a solution.

Counted are the sessions that stand within the absence, and those that the mentor moved out of it since it was declared.
A session within it that was cancelled counts too where the cause is on the mentor's side, or is not qualified yet: the
student misses it because of the absence. One that the student cancelled, the platform or force majeure does not count.
A session that makes up for a counted one is that one's solution and does not count again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.transfers.domain.absence import Period

SCHEDULED, CANCELLED, HELD = "scheduled", "cancelled", "held"  # As the service sessions publishes them.


@dataclass(frozen=True, slots=True)
class Standing:
    """A session as it stands from `since` on, until its next one. `moved_by`: who asked for the move that led here."""

    starts_at: datetime
    duration: timedelta
    status: str
    since: datetime
    reason: str | None = None
    cause: str | None = None
    makes_up_for: UUID | None = None
    moved_by: str | None = None

    def within(self, period: Period) -> bool:
        return period.overlaps(self.starts_at, self.starts_at + self.duration)

    @property
    def cancelled_by_mentor(self) -> bool:
        return self.status == CANCELLED and self.reason == "other" and self.cause in ("mentor", None)


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """One session with all its standings, oldest first: at least one."""

    session_id: UUID
    standings: tuple[Standing, ...]

    @property
    def now(self) -> Standing:
        return self.standings[-1]


@dataclass(frozen=True, slots=True)
class Missed:
    """`missed`: sessions that the absence concerns; `open`: those without a solution; `left`: still planned in it."""

    missed: int
    open: int
    left: int


NOTHING_MISSED: Final = Missed(0, 0, 0)


def count_missed(sessions: Sequence[PlannedSession], period: Period, *, declared_at: datetime) -> Missed:
    """`sessions`: those of one student that ever stood within `period`, and those that make up for them."""
    concerned = {one.session_id: one for one in sessions if _is_concerned(one, period, declared_at)}
    missed = [one for one in concerned.values() if one.now.makes_up_for not in concerned]
    return Missed(
        missed=len(missed),
        open=sum(not _is_solved(one, sessions, period) for one in missed),
        left=sum(one.now.status == SCHEDULED and one.now.within(period) for one in sessions),
    )


def _is_concerned(session: PlannedSession, period: Period, declared_at: datetime) -> bool:
    if session.now.within(period):
        return session.now.status != CANCELLED or session.now.cancelled_by_mentor
    return any(
        before.status == SCHEDULED
        and before.within(period)
        and after.moved_by == "mentor"
        and after.since >= declared_at
        for before, after in zip(session.standings, session.standings[1:], strict=False)
    )


def _is_solved(session: PlannedSession, sessions: Iterable[PlannedSession], period: Period) -> bool:
    """Held, planned outside of the absence, or made up for; what the student then cancelled is theirs."""
    if session.now.cancelled_by_mentor:
        return any(
            other.now.makes_up_for == session.session_id
            and other.now.status != CANCELLED
            and _takes_place(other, period)
            for other in sessions
        )
    return session.now.status == CANCELLED or _takes_place(session, period)


def _takes_place(session: PlannedSession, period: Period) -> bool:
    return session.now.status == HELD or not session.now.within(period)
