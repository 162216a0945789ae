"""Weekly continuity: one session per student and week, contractual and tied to the funding (T2).

A week of a student is

- *green* while a session is planned in it, and for good once one was held;
- *missed* once it is over and nothing was held in it: also where a session was planned that nobody documented;
- *at risk* while nothing is planned or held, and less than 72 h of it are left;
- *to plan* while nothing is planned or held, and 72 h or more are left.

A cancelled session is nothing planned: whoever cancels the week's only session has the rest of the week to plan another
one. A session that is made up for in another week does not turn its own week green (the student had none); the board
shows who makes up for it, and the student's file counts it as caught up.

A week ends on Sunday at midnight in the school's time zone. The 72 hours are elapsed ones up to that instant, as the
24 hours of a cancellation are: in the week when summer time ends they begin at 1 o'clock on Friday, not at midnight.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from services.attendance.domain.standing import Outcome

AT_RISK_WITHIN: Final = timedelta(hours=72)
HOUR: Final = timedelta(hours=1)


class Stands(StrEnum):
    """What stands for a week: a session held, or else one planned, or else nothing."""

    HELD = "held"
    PLANNED = "planned"
    NOTHING = "nothing"


class State(StrEnum):
    """How a student's week stands."""

    GREEN = "green"
    TO_PLAN = "to_plan"
    AT_RISK = "at_risk"
    MISSED = "missed"


def what_stands(outcomes: Iterable[Outcome]) -> Stands:
    """What the week's sessions come to; a cancelled one is nothing."""
    found = set(outcomes)
    if Outcome.HELD in found:
        return Stands.HELD
    return Stands.PLANNED if Outcome.PLANNED in found else Stands.NOTHING


def state_of(stands: Stands, *, ends_at: datetime, now: datetime) -> State:
    """The state at ``now`` of a week that ends at ``ends_at``, both UTC instants."""
    match stands:
        case Stands.HELD:
            return State.GREEN
        case Stands.PLANNED:
            return State.GREEN if now < ends_at else State.MISSED
        case Stands.NOTHING if now >= ends_at:
            return State.MISSED
        case Stands.NOTHING:
            return State.AT_RISK if ends_at - now < AT_RISK_WITHIN else State.TO_PLAN
        case _:
            assert_never(stands)


def hours_left(*, ends_at: datetime, now: datetime) -> int:
    """Whole hours that are left of the week, 0 once it is over: below 72 exactly where less than 72 h are left."""
    return max(ends_at - now, timedelta()) // HOUR
