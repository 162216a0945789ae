"""Correct a wrong status, by support (S1): a new event; nothing is ever overwritten.

Support repairs what others documented, so the windows of S3 and S4 do not bind it. What cannot be true yet stays
refused: a session held before its start, a late cancellation 24 h before it or earlier (S4), a no-show before one third
of it (S5).
Whether « Autre » can be made up for, where the cause is not the mentor's or the platform's, is support's to decide.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never
from uuid import UUID

from services.chassis.refusal import Refused
from services.sessions.domain.cancellation_reasons import is_recoverable, late_from, why_not_offered
from services.sessions.domain.events import Appointment, Cause, Reason, SessionCorrected, SessionEvent, Status
from services.sessions.domain.refusals import cause_not_for_this_reason, session_not_started, session_unknown
from services.sessions.domain.session import Cancelled, Session, evolve, status_of


@dataclass(frozen=True, slots=True)
class CorrectSession:
    """From now on the session counts as ``status``, because of ``why``.

    With « Autre » the student goes on reading the note that was there; where there was none, ``why`` is it.
    ``corrects_event_id`` is the event whose outcome no longer holds.
    """

    status: Status
    why: str
    now: datetime
    reason: Reason | None = None
    cause: Cause | None = None
    recoverable: bool | None = None
    corrects_event_id: UUID | None = None


def decide(command: CorrectSession, session: Session | None) -> list[SessionEvent]:
    """Says nothing where the session already stands as the correction has it."""
    if session is None:
        raise session_unknown()
    _refuse_unless_coherent(command)
    _refuse_unless_possible_by_now(command, session)
    before = session if isinstance(session, Cancelled) else None
    event = SessionCorrected(
        appointment=session.appointment,
        previous_status=status_of(session),
        previous_reason=before.reason if before is not None else None,
        status=command.status,
        reason=command.reason,
        recoverable=_recoverable(command),
        cause=command.cause,
        note=_note(command, before),
        notice_at=_notice_at(command, before),
        why=command.why.strip(),
        corrects_event_id=command.corrects_event_id,
        corrected_at=command.now,
    )
    stays = status_of(session) is command.status and (before is None or evolve(session, event) == before)
    return [] if stays else [event]


def _refuse_unless_coherent(command: CorrectSession) -> None:
    if not command.why.strip():
        raise Refused(
            "why_required",
            "Écrivez pourquoi vous corrigez cette session.",
            "Write down why you correct this session.",
        )
    if command.status is Status.CANCELLED and command.reason is None:
        raise Refused(
            "reason_required",
            "Une session annulée a un motif ; choisissez-en un des quatre.",
            "A cancelled session has a reason; choose one of the four.",
        )
    if command.status is not Status.CANCELLED and command.reason is not None:
        raise Refused(
            "reason_not_for_this_status",
            "Seule une session annulée a un motif.",
            "Only a cancelled session has a reason.",
        )
    if command.cause is not None and command.reason is not Reason.OTHER:
        raise cause_not_for_this_reason()
    if command.recoverable is not None and not _is_for_support_to_qualify(command):
        raise Refused(
            "recoverable_is_given",
            "Ici, le motif et la cause disent déjà si la session est rattrapable.",
            "Here the reason and the cause already say whether the session can be made up for.",
        )


def _refuse_unless_possible_by_now(command: CorrectSession, session: Session) -> None:
    appointment = session.appointment
    match command.status:
        case Status.SCHEDULED:
            pass
        case Status.HELD:
            if command.now < appointment.starts_at:
                raise session_not_started(appointment)
        case Status.CANCELLED:
            refusal = _not_true_yet(command, appointment)
            if refusal is not None:
                raise refusal
        case _:
            assert_never(command.status)


def _not_true_yet(command: CorrectSession, appointment: Appointment) -> Refused | None:
    match command.reason:
        case Reason.STUDENT_LATE if command.now > late_from(appointment):
            return None
        case Reason.STUDENT_LATE | Reason.STUDENT_NO_SHOW as reason:
            return why_not_offered(reason, appointment, notice_at=command.now, now=command.now)
        case _:
            return None


def _is_for_support_to_qualify(command: CorrectSession) -> bool:
    return command.reason is Reason.OTHER and is_recoverable(command.reason, command.cause) is None


def _recoverable(command: CorrectSession) -> bool | None:
    if command.reason is None:
        return None
    return command.recoverable if _is_for_support_to_qualify(command) else is_recoverable(command.reason, command.cause)


def _note(command: CorrectSession, before: Cancelled | None) -> str | None:
    if command.reason is not Reason.OTHER:
        return None
    kept = before.note if before is not None and before.reason is Reason.OTHER else None
    return kept or command.why.strip()


def _notice_at(command: CorrectSession, before: Cancelled | None) -> datetime | None:
    if command.status is not Status.CANCELLED:
        return None
    return before.notice_at if before is not None else command.now.astimezone(UTC)
