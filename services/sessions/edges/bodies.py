"""What comes in and goes out over HTTP. Bodies are strict: unknown fields and values out of bounds are refused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from pydantic_core import PydanticCustomError

from services.chassis.http import Instant, to_instant
from services.chassis.refusal import Refused
from services.sessions.domain.cancellation_reasons import LABELS, LABELS_EN, OfferedReason, effects_of
from services.sessions.domain.correction_choices import CorrectionChoice
from services.sessions.domain.events import Cause, Reason, RequestedBy, Status
from services.sessions.domain.session import Cancelled, Session, status_of
from services.sessions.edges import wording

MAX_NOTE_CHARS = 2_000
MAX_WHY_CHARS = 2_000
MAX_ROWS = 1_000
MAX_HISTORY = 8
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def _within_reason(instant: datetime) -> datetime:
    if not EARLIEST <= instant < LATEST:
        raise PydanticCustomError("year_out_of_range", "The year must be between 2000 and 2099")
    return instant


When = Annotated[Instant, AfterValidator(_within_reason)]
"""RFC 3339 with an offset, in this century."""

Minutes = Annotated[int, Field(ge=15, le=240, strict=True)]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE_CHARS, pattern=r"^[^\x00]*$")]
Why = Annotated[str, StringConstraints(min_length=1, max_length=MAX_WHY_CHARS, pattern=r"^[^\x00]*$")]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(wording.known_zone)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewSession(Body):
    student_id: UUID
    starts_at: When
    duration_minutes: Minutes
    makes_up_for: UUID | None = Field(
        default=None, description="The student's cancelled session, recoverable, in whose place this one is."
    )


class Cancellation(Body):
    reason: Reason
    notice_at: When | None = Field(default=None, description="When the student told the mentor; by default, now.")
    cause: Cause | None = Field(default=None, description="With « other »: on whose side the cause lies.")
    note: Note | None = Field(default=None, description="Required with « other »; shared with the student.")


class Reschedule(Body):
    starts_at: When
    requested_by: RequestedBy


class Completion(Body):
    """Nothing needs to be said."""


class Correction(Body):
    status: Status
    reason: Reason | None = Field(default=None, description="Where the status is cancelled.")
    cause: Cause | None = None
    recoverable: StrictBool | None = Field(
        default=None, description="With « other » and a cause that is not the mentor's or the platform's: what holds."
    )
    why: Why


class MovedEntry(Body):
    type: Literal["rescheduled"]
    at: When
    starts_at: When
    requested_by: RequestedBy


class CancelledEntry(Body):
    type: Literal["cancelled"]
    at: When
    reason: Reason
    notice_at: When | None = None
    cause: Cause | None = None
    note: Note | None = None


class HeldEntry(Body):
    type: Literal["held"]
    at: When


Entry = Annotated[MovedEntry | CancelledEntry | HeldEntry, Field(discriminator="type")]


class ImportedSession(Body):
    """One session with what has become of it, each entry with its own instant, in order."""

    session_id: UUID
    student_id: UUID
    mentor_id: UUID | None = Field(default=None, description="Who held it; by default the student's present mentor.")
    starts_at: When = Field(description="When it was first planned for.")
    duration_minutes: Minutes
    timezone: Zone | None = Field(default=None, description="By default the mentor's.")
    scheduled_at: When | None = Field(default=None, description="When it was planned; by default now, or its start.")
    makes_up_for: UUID | None = Field(
        default=None, description="The missed session in whose place it is: known already, or another row of this call."
    )
    history: Annotated[Sequence[Entry], Field(max_length=MAX_HISTORY)] = ()


class Import(Body):
    dry_run: StrictBool = Field(
        default=False, description="Only check. Students and mentors need not be there yet: they may come just before."
    )
    rows: Annotated[list[dict[str, Any]], Field(max_length=MAX_ROWS)] = Field(
        description="Sessions (ImportedSession); all of them are taken, or none."
    )


class SessionView(BaseModel):
    """A session as it is."""

    session_id: UUID
    student_id: UUID
    mentor_id: UUID
    starts_at: Instant
    duration_minutes: int
    timezone: str
    path: str | None = None
    status: Status
    reason: Reason | None = None
    recoverable: bool | None = Field(default=None, description="Null where not cancelled, or still to be qualified.")
    cause: Cause | None = None
    note: str | None = None
    makes_up_for: UUID | None = Field(default=None, description="The missed session in whose place this one is.")
    made_up_by: UUID | None = Field(default=None, description="The session, not cancelled, that makes up for this one.")
    version: int


class ToDocument(BaseModel):
    """A mentor's sessions that have begun and wait to be documented."""

    mentor_id: UUID
    sessions: int
    oldest_starts_at: Instant


class RecordedEvent(BaseModel):
    """One event of a session, as published, with what was recorded beside it."""

    event_id: UUID
    type: str
    version: int
    recorded_at: Instant
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    data: dict[str, Any]


class EffectsView(BaseModel):
    """What choosing the reason does to the student's file and to the mentor's statement."""

    attendance: str = Field(description="excused, unexcused or to_qualify; of a correction also attended or planned.")
    statement: str = Field(description="The outcome under which the statement lists the session; none: no line.")
    attendance_text: str
    statement_text: str


class CauseView(BaseModel):
    """With « Autre »: what each cause does."""

    cause: Cause
    label: str
    recoverable: bool | None
    effects: EffectsView


class ReasonView(BaseModel):
    """One of the four reasons. It is available exactly where the cancellation would be accepted with this notice."""

    reason: Reason
    label: str = Field(description="As the school writes it, in French.")
    label_en: str
    available: bool
    opens_at: Instant | None
    closes_at: Instant | None
    notice_until: Instant | None = Field(
        description="student_early: the latest notice_at with which it can still be chosen before the start."
    )
    why_unavailable: str | None
    recoverable: bool | None = Field(description="Null: to be qualified.")
    effects: EffectsView
    by_cause: list[CauseView] = Field(description="Of « other » alone.")


class ChoiceView(BaseModel):
    """One direction of a correction. It is available exactly where the correction would be accepted."""

    status: Status
    reason: Reason | None
    cause: Cause | None
    label: str
    stands: bool = Field(description="The session is like this already.")
    available: bool
    why_unavailable: str | None
    recoverable: bool | None = Field(description="Null where not cancelled, or to be qualified.")
    asks_recoverable: bool = Field(description="Whether it can be made up for is support's to say.")
    effects: EffectsView


class Imported(BaseModel):
    """What an import did, or in a dry run would do, in sessions."""

    dry_run: bool
    created: int
    changed: int
    unchanged: int


def session_body(session_id: UUID, session: Session, version: int) -> dict[str, Any]:
    """The session as ``SessionView`` has it, plain for JSON."""
    appointment = session.appointment
    cancelled = session if isinstance(session, Cancelled) else None
    return {
        "session_id": str(session_id),
        "student_id": str(appointment.student_id),
        "mentor_id": str(appointment.mentor_id),
        "starts_at": to_instant(appointment.starts_at),
        "duration_minutes": appointment.duration_minutes,
        "timezone": appointment.timezone,
        "path": appointment.path,
        "status": status_of(session).value,
        "reason": cancelled.reason.value if cancelled else None,
        "recoverable": cancelled.recoverable if cancelled else None,
        "cause": cancelled.cause.value if cancelled and cancelled.cause else None,
        "note": cancelled.note if cancelled else None,
        "makes_up_for": str(appointment.makes_up_for) if appointment.makes_up_for else None,
        "made_up_by": str(session.made_up_by) if session.made_up_by else None,
        "version": version,
    }


def reason_view(offered: OfferedReason, language: Literal["fr", "en"]) -> ReasonView:
    reason = offered.reason
    return ReasonView(
        reason=reason,
        label=LABELS[reason],
        label_en=LABELS_EN[reason],
        available=offered.unavailable is None,
        opens_at=offered.opens_at,
        closes_at=offered.closes_at,
        notice_until=offered.notice_until,
        why_unavailable=_sentence(offered.unavailable, language) if offered.unavailable else None,
        recoverable=offered.effects.recoverable,
        effects=_effects(reason, None, language),
        by_cause=[_by_cause(cause, language) for cause in Cause] if reason is Reason.OTHER else [],
    )


def choice_view(choice: CorrectionChoice, language: Literal["fr", "en"]) -> ChoiceView:
    reason, cause = choice.reason, choice.cause
    labels = LABELS if language == "fr" else LABELS_EN
    return ChoiceView(
        status=choice.status,
        reason=reason,
        cause=cause,
        label=labels[reason] if reason is not None else wording.STATUSES[choice.status][language],
        stands=choice.stands,
        available=choice.unavailable is None,
        why_unavailable=_sentence(choice.unavailable, language) if choice.unavailable else None,
        recoverable=choice.effects.recoverable if choice.effects else None,
        asks_recoverable=choice.asks_recoverable,
        effects=_effects(reason, cause, language) if reason is not None else _undone(choice.status, language),
    )


def _undone(status: Status, language: Literal["fr", "en"]) -> EffectsView:
    """What a session that is not cancelled (any more) is in the file and on the statement."""
    attendance, statement = wording.NOT_CANCELLED[status]
    return EffectsView(
        attendance="attended" if status is Status.HELD else "planned",
        statement="held" if status is Status.HELD else "none",
        attendance_text=attendance[language],
        statement_text=statement[language],
    )


def _by_cause(cause: Cause, language: Literal["fr", "en"]) -> CauseView:
    return CauseView(
        cause=cause,
        label=wording.CAUSES[cause][language],
        recoverable=effects_of(Reason.OTHER, cause).recoverable,
        effects=_effects(Reason.OTHER, cause, language),
    )


def _effects(reason: Reason, cause: Cause | None, language: Literal["fr", "en"]) -> EffectsView:
    effects = effects_of(reason, cause)
    return EffectsView(
        attendance=effects.attendance.value,
        statement=effects.statement.value,
        attendance_text=wording.ATTENDANCE[effects.attendance][language],
        statement_text=wording.STATEMENT[effects.statement][language],
    )


def _sentence(refusal: Refused, language: Literal["fr", "en"]) -> str:
    return refusal.fr if language == "fr" else refusal.en
