"""Cancel a session for one reason of the closed list of four (S2 to S6).

The notice counts from when the student told the mentor (never later than now; by default, now). « Autre » needs its
reason in words, which is shared with the student (S6), and may say whose cause it was.
When each reason is offered stands in ``cancellation_reasons``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from services.sessions.domain.cancellation_reasons import is_recoverable, why_not_offered
from services.sessions.domain.events import Cause, Reason, SessionCancelled, SessionEvent
from services.sessions.domain.refusals import (
    cause_not_for_this_reason,
    note_required,
    notice_in_the_future,
    session_already_cancelled,
    session_already_held,
    session_unknown,
)
from services.sessions.domain.session import Cancelled, Held, Scheduled, Session


@dataclass(frozen=True, slots=True)
class CancelSession:
    """Cancel for ``reason``; ``notice_at`` is when the student told the mentor (None: just now)."""

    reason: Reason
    now: datetime
    notice_at: datetime | None = None
    cause: Cause | None = None
    note: str | None = None


def decide(command: CancelSession, session: Session | None) -> list[SessionEvent]:
    """Refuses a reason that is not offered at this time; says nothing where it is cancelled in just this way."""
    match session:
        case None:
            raise session_unknown()
        case Cancelled():
            if _is_said_twice(command, session):
                return []
            raise session_already_cancelled()
        case Held():
            raise session_already_held()
        case Scheduled(appointment):
            notice_at = (command.notice_at or command.now).astimezone(UTC)
            if notice_at > command.now:
                raise notice_in_the_future()
            if command.cause is not None and command.reason is not Reason.OTHER:
                raise cause_not_for_this_reason()
            note = _written(command.note)
            if note is None and command.reason is Reason.OTHER:
                raise note_required()
            refusal = why_not_offered(command.reason, appointment, notice_at=notice_at, now=command.now)
            if refusal is not None:
                raise refusal
            return [
                SessionCancelled(
                    appointment=appointment,
                    reason=command.reason,
                    recoverable=is_recoverable(command.reason, command.cause),
                    cause=command.cause,
                    note=note,
                    notice_at=notice_at,
                    cancelled_at=command.now,
                )
            ]
        case _:
            assert_never(session)


def _is_said_twice(command: CancelSession, session: Cancelled) -> bool:
    same_notice = command.notice_at is None or command.notice_at.astimezone(UTC) == session.notice_at
    return same_notice and (command.reason, command.cause, _written(command.note)) == (
        session.reason,
        session.cause,
        session.note,
    )


def _written(note: str | None) -> str | None:
    """The note without blanks around it; None where nothing is written."""
    return (note or "").strip() or None
