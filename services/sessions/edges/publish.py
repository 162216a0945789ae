"""What of a session is published, and how: each private event becomes one of the published contract."""

from typing import assert_never

from relais_contracts import sessions as contract
from services.chassis.event_store import Recorded
from services.chassis.relay import Publication
from services.sessions.domain.events import (
    MakeUpPlanned,
    MakeUpReleased,
    SessionCancelled,
    SessionCorrected,
    SessionEvent,
    SessionHeld,
    SessionReassigned,
    SessionRescheduled,
    SessionScheduled,
)

SOURCE = "/relais/sessions"


def publish(recorded: Recorded) -> Publication | None:
    """Topic, key and data; None where the event stays private."""
    data = published(recorded)
    return None if data is None else (data.topic, data.key, data)


def published(recorded: Recorded) -> contract.SessionContract | None:
    """The event in the words of the contract. A make-up is told by the events of the session that makes up."""
    session_id = recorded.aggregate_id
    event: SessionEvent = recorded.data
    if isinstance(event, MakeUpPlanned | MakeUpReleased):
        return None
    appointment = event.appointment
    match event:
        case SessionScheduled():
            return contract.SessionScheduled(
                session_id=session_id,
                student_id=appointment.student_id,
                mentor_id=appointment.mentor_id,
                starts_at=appointment.starts_at,
                duration_minutes=appointment.duration_minutes,
                timezone=appointment.timezone,
                path=appointment.path,
                makes_up_for=appointment.makes_up_for,
            )
        case SessionRescheduled():
            return contract.SessionRescheduled(
                session_id=session_id,
                student_id=appointment.student_id,
                mentor_id=appointment.mentor_id,
                previous_starts_at=event.previous_starts_at,
                starts_at=appointment.starts_at,
                duration_minutes=appointment.duration_minutes,
                requested_by=event.requested_by.value,
                late=event.late,
                makes_up_for=appointment.makes_up_for,
            )
        case SessionCancelled():
            return contract.SessionCancelled(
                session_id=session_id,
                student_id=appointment.student_id,
                mentor_id=appointment.mentor_id,
                starts_at=appointment.starts_at,
                duration_minutes=appointment.duration_minutes,
                path=appointment.path,
                reason=event.reason.value,
                recoverable=event.recoverable,
                cause=event.cause.value if event.cause else None,
                note=event.note,
                notice_at=event.notice_at,
                cancelled_at=event.cancelled_at,
                makes_up_for=appointment.makes_up_for,
            )
        case SessionHeld():
            return contract.SessionHeld(
                session_id=session_id,
                student_id=appointment.student_id,
                mentor_id=appointment.mentor_id,
                starts_at=appointment.starts_at,
                duration_minutes=appointment.duration_minutes,
                path=appointment.path,
                held_at=event.held_at,
                makes_up_for=appointment.makes_up_for,
            )
        case SessionReassigned():
            return contract.SessionReassigned(
                session_id=session_id,
                student_id=appointment.student_id,
                from_mentor_id=event.from_mentor_id,
                to_mentor_id=appointment.mentor_id,
                starts_at=appointment.starts_at,
                duration_minutes=appointment.duration_minutes,
                makes_up_for=appointment.makes_up_for,
            )
        case SessionCorrected():
            return contract.SessionCorrected(
                session_id=session_id,
                student_id=appointment.student_id,
                mentor_id=appointment.mentor_id,
                starts_at=appointment.starts_at,
                duration_minutes=appointment.duration_minutes,
                path=appointment.path,
                previous_status=event.previous_status.value,
                previous_reason=event.previous_reason.value if event.previous_reason else None,
                status=event.status.value,
                reason=event.reason.value if event.reason else None,
                cause=event.cause.value if event.cause else None,
                recoverable=event.recoverable,
                why=event.why,
                corrects_event_id=event.corrects_event_id,
                corrected_at=event.corrected_at,
                note=event.note,
                makes_up_for=appointment.makes_up_for,
            )
        case _:
            assert_never(event)
