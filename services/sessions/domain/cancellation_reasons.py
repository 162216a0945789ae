"""The closed list of four reasons: when each is offered, why it is not, and what it will do (S2 to S8).

- S3: the student cancelled more than 24 h before the start. The notice counts, not the typing: an early notice that is
  recorded inside the 24 h stays an early cancellation. Exactly 24 h is not late.
- S4: the student cancelled less than 24 h before the start; not recoverable. Offered only within the 24 h before.
- S5: the student was still absent after one third of the session's duration; not recoverable. The third is not rounded.
- S6: « Autre », always offered; the reason is written by hand and shared with the student.

After the start S3 and S4 are no longer offered. The 24 hours are 86,400 elapsed seconds between UTC instants.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from services.chassis.refusal import Refused
from services.sessions.domain.events import Appointment, Cause, Reason
from services.sessions.domain.refusals import (
    notice_in_the_future,
    said,
    session_already_cancelled,
    session_already_held,
)
from services.sessions.domain.session import Cancelled, Held, Scheduled, Session

LATE_INSIDE: Final = timedelta(hours=24)

LABELS: Final[Mapping[Reason, str]] = {
    Reason.STUDENT_EARLY: "L'étudiant a annulé plus de 24h avant le début de la session",
    Reason.STUDENT_LATE: "L'étudiant a annulé moins de 24h avant le début de la session",
    Reason.STUDENT_NO_SHOW: "L'étudiant ne s'est pas présenté à la session",
    Reason.OTHER: "Autre",
}
"""As the school's article writes them; what a person sees on screen."""

LABELS_EN: Final[Mapping[Reason, str]] = {
    Reason.STUDENT_EARLY: "The student cancelled more than 24 h before the start of the session",
    Reason.STUDENT_LATE: "The student cancelled less than 24 h before the start of the session",
    Reason.STUDENT_NO_SHOW: "The student did not come to the session",
    Reason.OTHER: "Other",
}


class AttendanceEffect(StrEnum):
    """What a cancelled session counts as in the student's file."""

    EXCUSED = "excused"
    UNEXCUSED = "unexcused"
    TO_QUALIFY = "to_qualify"


@dataclass(frozen=True, slots=True)
class Effects:
    """What a reason does, shown before it is confirmed: to making up, to the file (S7), to the statement (S8).

    ``recoverable`` is None where it is yet to be qualified.
    ``statement`` is the outcome under which the mentor's statement lists the session; its share is billing's table.
    """

    recoverable: bool | None
    attendance: AttendanceEffect
    statement: Reason


@dataclass(frozen=True, slots=True)
class OfferedReason:
    """One of the four for one session. ``unavailable`` is None where the reason can be chosen now.

    ``opens_at`` and ``closes_at`` bound when it can be chosen (None: not bounded on that side). ``notice_until``
    is the latest notice with which it still counts as early: to be asked for inside the 24 h (S3 alone).
    """

    reason: Reason
    unavailable: Refused | None
    opens_at: datetime | None
    closes_at: datetime | None
    notice_until: datetime | None
    effects: Effects


def late_from(appointment: Appointment) -> datetime:
    """The last instant that is not late: exactly 24 elapsed hours before the start."""
    return appointment.starts_at.astimezone(UTC) - LATE_INSIDE


def absent_from(appointment: Appointment) -> datetime:
    """The instant after which an absent student did not come: one third of the duration, unrounded, after the start."""
    return appointment.starts_at.astimezone(UTC) + appointment.duration / 3


def why_not_offered(reason: Reason, appointment: Appointment, *, notice_at: datetime, now: datetime) -> Refused | None:
    """Why ``reason`` cannot be chosen ``now`` for a student who told the mentor at ``notice_at``; None where it can."""
    started = now >= appointment.starts_at
    early = notice_at <= late_from(appointment)
    match reason:
        case Reason.STUDENT_EARLY if started:
            return _started()
        case Reason.STUDENT_EARLY if not early:
            fr, en = said(late_from(appointment), appointment.timezone)
            return _not_offered(
                f"Ce motif demande que l’étudiant ait prévenu au plus tard {fr}, 24 h avant le début ; "
                "s’il l’a fait, indiquez quand.",
                f"This reason needs the student to have told you by {en.removeprefix('on ')}, 24 h before the start; "
                "if they did, say when.",
            )
        case Reason.STUDENT_LATE if started:
            return _started()
        case Reason.STUDENT_LATE if early:
            fr, en = said(late_from(appointment), appointment.timezone)
            return _not_offered(
                f"Ce motif n’apparaît que dans les 24 h qui précèdent la session, donc après {fr} ; "
                "un étudiant qui a prévenu avant n’est pas en retard.",
                f"This reason appears only within the 24 h before the session, so after {en.removeprefix('on ')}; "
                "a student who told you before that is not late.",
            )
        case Reason.STUDENT_NO_SHOW if now < absent_from(appointment):
            fr, en = said(absent_from(appointment), appointment.timezone)
            return _not_offered(
                f"Ce motif s’ouvre après un tiers de la durée de la session, {fr}.",
                f"This reason opens after one third of the session's duration, {en}.",
            )
        case Reason.STUDENT_EARLY | Reason.STUDENT_LATE | Reason.STUDENT_NO_SHOW | Reason.OTHER:
            return None
        case _:
            assert_never(reason)


def is_recoverable(reason: Reason, cause: Cause | None) -> bool | None:
    """« Rattrapable »: S3 yes; S4 and S5 no; « Autre » by its cause, None until support has qualified it."""
    match reason:
        case Reason.STUDENT_EARLY:
            return True
        case Reason.STUDENT_LATE | Reason.STUDENT_NO_SHOW:
            return False
        case Reason.OTHER:
            return True if cause in (Cause.MENTOR, Cause.PLATFORM) else None
        case _:
            assert_never(reason)


def effects_of(reason: Reason, cause: Cause | None = None) -> Effects:
    """What choosing ``reason`` will do; a cause on the mentor's side never counts against the student."""
    return Effects(is_recoverable(reason, cause), _attendance(reason, cause), reason)


def reasons_for(session: Session, *, notice_at: datetime | None, now: datetime) -> list[OfferedReason]:
    """All four, each with its window, for a student who told the mentor at ``notice_at`` (None: just now).

    A reason is available exactly where ``cancel_session`` would accept it with that notice.
    """
    return [_offered(reason, session, notice_at, now) for reason in Reason]


def _offered(reason: Reason, session: Session, notice_at: datetime | None, now: datetime) -> OfferedReason:
    opens_at, closes_at = _window(reason, session.appointment, notice_at)
    return OfferedReason(
        reason=reason,
        unavailable=_why_unavailable(reason, session, notice_at or now, now),
        opens_at=opens_at,
        closes_at=closes_at,
        notice_until=late_from(session.appointment) if reason is Reason.STUDENT_EARLY else None,
        effects=effects_of(reason),
    )


def _why_unavailable(reason: Reason, session: Session, notice_at: datetime, now: datetime) -> Refused | None:
    match session:
        case Scheduled() if notice_at > now:
            return notice_in_the_future()
        case Scheduled():
            return why_not_offered(reason, session.appointment, notice_at=notice_at, now=now)
        case Cancelled():
            return session_already_cancelled()
        case Held():
            return session_already_held()
        case _:
            assert_never(session)


def _window(
    reason: Reason, appointment: Appointment, notice_at: datetime | None
) -> tuple[datetime | None, datetime | None]:
    match reason:
        case Reason.STUDENT_EARLY:
            told_early = notice_at is not None and notice_at <= late_from(appointment)
            return None, appointment.starts_at if told_early else late_from(appointment)
        case Reason.STUDENT_LATE:
            return late_from(appointment), appointment.starts_at
        case Reason.STUDENT_NO_SHOW:
            return absent_from(appointment), None
        case Reason.OTHER:
            return None, None
        case _:
            assert_never(reason)


def _attendance(reason: Reason, cause: Cause | None) -> AttendanceEffect:
    match reason:
        case Reason.STUDENT_EARLY:
            return AttendanceEffect.EXCUSED
        case Reason.STUDENT_LATE | Reason.STUDENT_NO_SHOW:
            return AttendanceEffect.UNEXCUSED
        case Reason.OTHER:
            return _attendance_by_cause(cause)
        case _:
            assert_never(reason)


def _attendance_by_cause(cause: Cause | None) -> AttendanceEffect:
    match cause:
        case Cause.MENTOR | Cause.PLATFORM | Cause.FORCE_MAJEURE:
            return AttendanceEffect.EXCUSED
        case Cause.STUDENT:
            return AttendanceEffect.UNEXCUSED
        case None:
            return AttendanceEffect.TO_QUALIFY
        case _:
            assert_never(cause)


def _not_offered(fr: str, en: str) -> Refused:
    return Refused("reason_not_offered", fr, en)


def _started() -> Refused:
    return _not_offered(
        "La session a commencé : elle a eu lieu, ou l’étudiant ne s’est pas présenté, ou choisissez « Autre ».",
        "The session has started: it was held, or the student did not come, or choose « Autre » (other).",
    )
