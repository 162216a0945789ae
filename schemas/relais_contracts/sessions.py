"""Events of the service *sessions*, on the topic `relais.sessions`: what became of each mentoring session."""

from typing import ClassVar, Literal
from uuid import UUID

from relais_contracts.contract import Contract, Instant, Minutes, optional, required

TOPIC = "relais.sessions"

Reason = Literal["student_early", "student_late", "student_no_show", "other"]
Cause = Literal["mentor", "platform", "student", "force_majeure"]
Status = Literal["scheduled", "cancelled", "held"]
RequestedBy = Literal["student", "mentor"]


class SessionContract(Contract):
    """A published event of a session."""

    topic: ClassVar[str] = TOPIC

    session_id: UUID = required("The session.")
    student_id: UUID = required("The student.")


class SessionScheduled(SessionContract):
    """A session was planned."""

    ce_type: ClassVar[str] = "relais.sessions.SessionScheduled.v1"

    mentor_id: UUID = required("The mentor who holds the session.")
    starts_at: Instant = required("When the session starts.")
    duration_minutes: Minutes = required("How long the session lasts.")
    timezone: str = required("IANA time zone in which people are shown the session.")
    path: str | None = optional("The student's path on that day.")
    makes_up_for: UUID | None = optional("The session that this one makes up for.")


class SessionRescheduled(SessionContract):
    """A session was moved to another date without being cancelled (S9)."""

    ce_type: ClassVar[str] = "relais.sessions.SessionRescheduled.v1"

    mentor_id: UUID = required("The mentor who holds the session.")
    previous_starts_at: Instant = required("When the session would have started.")
    starts_at: Instant = required("When the session starts now.")
    duration_minutes: Minutes = required("How long the session lasts.")
    requested_by: RequestedBy = required("Who asked for the move.")
    late: bool = required("True where it was asked for within the 24 hours before the previous start.")
    makes_up_for: UUID | None = optional("The session that this one makes up for.")


class SessionCancelled(SessionContract):
    """A session will not take place, or did not, for one reason of the closed list (S2 to S6)."""

    ce_type: ClassVar[str] = "relais.sessions.SessionCancelled.v1"

    mentor_id: UUID = required("The mentor who would have held the session.")
    starts_at: Instant = required("When the session would have started.")
    duration_minutes: Minutes = required("How long the session would have lasted.")
    path: str | None = optional("The student's path on that day.")
    reason: Reason = required("The reason, one of four.")
    recoverable: bool | None = required("Whether it can be made up for; null where support has yet to qualify it.")
    cause: Cause | None = optional("With the reason « other »: on whose side the cause lies.")
    note: str | None = optional("With the reason « other »: in words, shared with the student.", personal=True)
    notice_at: Instant = required("When the student told the mentor; the 24 hours count from it.")
    cancelled_at: Instant = required("When the cancellation was recorded.")
    makes_up_for: UUID | None = optional("The session that this one would have made up for, which it leaves free.")


class SessionHeld(SessionContract):
    """A session took place."""

    ce_type: ClassVar[str] = "relais.sessions.SessionHeld.v1"

    mentor_id: UUID = required("The mentor who held the session.")
    starts_at: Instant = required("When the session started.")
    duration_minutes: Minutes = required("How long the session lasted.")
    path: str | None = optional("The student's path on that day.")
    held_at: Instant = required("When it was recorded that the session took place.")
    makes_up_for: UUID | None = optional("The session that this one makes up for.")


class SessionReassigned(SessionContract):
    """An upcoming session went to another mentor, since the student was transferred."""

    ce_type: ClassVar[str] = "relais.sessions.SessionReassigned.v1"

    from_mentor_id: UUID = required("The mentor who would have held the session.")
    to_mentor_id: UUID = required("The mentor who holds it now.")
    starts_at: Instant = required("When the session starts.")
    duration_minutes: Minutes = required("How long the session lasts.")
    makes_up_for: UUID | None = optional("The session that this one makes up for.")


class SessionCorrected(SessionContract):
    """Support corrected what was documented of a session. It stands in the place of the outcome before it."""

    ce_type: ClassVar[str] = "relais.sessions.SessionCorrected.v1"

    mentor_id: UUID = required("The mentor of the session.")
    starts_at: Instant = required("When the session starts or started.")
    duration_minutes: Minutes = required("How long the session lasts.")
    path: str | None = optional("The student's path on that day.")
    previous_status: Status = required("What was documented before.")
    previous_reason: Reason | None = optional("The reason that was documented before, where it was cancelled.")
    status: Status = required("What holds now.")
    reason: Reason | None = optional("The reason that holds now, where it is cancelled.")
    cause: Cause | None = optional("With the reason « other »: on whose side the cause lies.")
    recoverable: bool | None = required("Whether it can be made up for; null where not cancelled or not qualified.")
    why: str = required("Why support corrected it, in words.", personal=True)
    corrects_event_id: UUID | None = optional("The event whose outcome no longer holds.")
    corrected_at: Instant = required("When the correction was recorded.")
    note: str | None = optional("With the reason « other »: in words, shared with the student.", personal=True)
    makes_up_for: UUID | None = optional("The session that this one makes up for; absent also where it no longer does.")


EVENTS: tuple[type[Contract], ...] = (
    SessionScheduled,
    SessionRescheduled,
    SessionCancelled,
    SessionHeld,
    SessionReassigned,
    SessionCorrected,
)
