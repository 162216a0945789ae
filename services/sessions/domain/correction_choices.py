"""Every direction in which support may correct a session, and what each will do (S1, S7, S8).

A choice is available exactly where ``correct_session`` would accept it: it is asked, so the two can't differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.chassis.refusal import Refused
from services.sessions.domain.cancellation_reasons import Effects, effects_of
from services.sessions.domain.correct_session import CorrectSession, decide
from services.sessions.domain.events import Cause, Reason, Status
from services.sessions.domain.session import Cancelled, Session, status_of


@dataclass(frozen=True, slots=True)
class CorrectionChoice:
    """One direction. ``stands``: the session is like this already. ``effects`` is None where it is not cancelled.

    ``asks_recoverable``: whether it can be made up for is support's to say with it.
    """

    status: Status
    reason: Reason | None
    cause: Cause | None
    stands: bool
    unavailable: Refused | None
    asks_recoverable: bool
    effects: Effects | None


def choices_for(session: Session, *, now: datetime) -> list[CorrectionChoice]:
    """All directions, in the order in which people look for them: held, planned again, the reasons."""
    return [_choice(session, now, status, reason, cause) for status, reason, cause in _directions()]


def _directions() -> Iterator[tuple[Status, Reason | None, Cause | None]]:
    yield Status.HELD, None, None
    yield Status.SCHEDULED, None, None
    for reason in Reason:
        for cause in (*Cause, None) if reason is Reason.OTHER else (None,):
            yield Status.CANCELLED, reason, cause


def _choice(
    session: Session, now: datetime, status: Status, reason: Reason | None, cause: Cause | None
) -> CorrectionChoice:
    unavailable: Refused | None = None
    try:
        decide(CorrectSession(status, why="–", now=now, reason=reason, cause=cause), session)
    except Refused as refused:
        unavailable = refused
    before = session if isinstance(session, Cancelled) else None
    effects = effects_of(reason, cause) if reason is not None else None
    return CorrectionChoice(
        status=status,
        reason=reason,
        cause=cause,
        stands=status_of(session) is status and (before is None or (before.reason, before.cause) == (reason, cause)),
        unavailable=unavailable,
        asks_recoverable=reason is Reason.OTHER and effects is not None and effects.recoverable is None,
        effects=effects,
    )
