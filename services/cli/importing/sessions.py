"""sessions.csv: sessions with what has become of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.cli.importing import cells
from services.cli.importing.rows import (
    CancelledFor,
    Cause,
    Moved,
    Note,
    Outcome,
    Problem,
    Reason,
    Session,
    Side,
    TookPlace,
)
from services.cli.importing.tables import Column, Reading, read_table

COLUMNS = (
    Column("student", ("étudiant", "e-mail de l’étudiant", "student_email"), required=True),
    Column("starts_at", ("début", "date et heure", "start"), required=True),
    Column("duration_minutes", ("durée", "durée en minutes", "duration"), required=True),
    Column("mentor", ("e-mail du mentor", "mentor_email")),
    Column("timezone", ("fuseau horaire", "fuseau")),
    Column("reference", ("référence",)),
    Column("scheduled_at", ("planifiée le",)),
    Column("status", ("statut", "état")),
    Column("reason", ("motif",)),
    Column("notice_at", ("prévenu le", "notice")),
    Column("cause", ()),
    Column("note", ("commentaire", "remarque")),
    Column("recorded_at", ("saisi le", "enregistré le", "documenté le")),
    Column("moved_from", ("déplacée de", "début initial")),
    Column("moved_at", ("déplacée le",)),
    Column("moved_by", ("déplacée par", "demandé par", "requested_by")),
)
PLANNED_AHEAD = timedelta(days=7)
MOVED_AHEAD = timedelta(hours=24)


@dataclass
class Seen:
    """Digests of the sessions read so far, over all files of one import: 8 bytes of each, not the rows."""

    digests: set[int] = field(default_factory=set)

    def add(self, student: str, key: tuple[str, ...]) -> bool:
        """Says whether it is new."""
        digest = int.from_bytes(blake2b("\x1f".join((student, *key)).encode(), digest_size=8).digest())
        new = digest not in self.digests
        self.digests.add(digest)
        return new


class Times(NamedTuple):
    """When the session takes place, first and at last, and when it was planned and moved, where the file says so."""

    planned_for: datetime
    starts_at: datetime
    duration_minutes: int
    scheduled_at: datetime | None
    moved_at: datetime | None
    moved_by: Side

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.duration_minutes)


def read_sessions(path: Path, *, timezone: ZoneInfo, now: datetime, seen: Seen) -> Iterator[Session | Problem | Note]:
    """Gives the sessions of ``path`` in its order. Local times are those of the row's zone, else of ``timezone``.

    Where the file doesn't say when something was recorded, it is taken to have been in order and at the latest moment
    that allows it: a session held was recorded as it ended, an absence likewise, a notice when it was given.
    """
    for line in read_table(path, COLUMNS):
        if isinstance(line, Problem | Note):
            yield line
            continue
        reading = Reading(path.name, line)
        session = _session(reading, timezone, now)
        if session is not None and not seen.add(session.addresses[0], session.key):
            reading.refuse(
                "Cette session est déjà plus haut : ôtez cette ligne, ou donnez une « référence » à chacune.",
                "This session is there already: remove this line, or give each one a “reference”.",
            )
        if session is not None and not reading.problems:
            yield session
        yield from reading.problems


def _session(reading: Reading, timezone: ZoneInfo, now: datetime) -> Session | None:
    zone = reading.optional("timezone", cells.zone)
    where = zone or timezone
    student = reading.required("student", cells.email)
    mentor = reading.optional("mentor", cells.email)
    reference = reading.optional("reference", cells.short_text)
    times = _times(reading, where)
    if student is None or times is None:
        return None
    outcome = _outcome(reading, where, times)
    scheduled_at, history = _in_order(times, outcome, now)
    _refuse_disorder(reading, [scheduled_at, *(entry.at for entry in history)], now)
    return Session(
        line=reading.number,
        addresses=(student,),
        mentor_email=mentor,
        key=("reference", reference) if reference else (times.planned_for.isoformat(),),
        starts_at=times.planned_for,
        duration_minutes=times.duration_minutes,
        timezone=zone.key if zone else None,
        scheduled_at=scheduled_at,
        history=tuple(history),
    )


def _times(reading: Reading, where: ZoneInfo) -> Times | None:
    instant = partial(cells.instant, where=where)
    starts_at = reading.required("starts_at", instant)
    duration = reading.required("duration_minutes", cells.duration_minutes)
    moved_from = reading.optional("moved_from", instant)
    moved_at = reading.optional("moved_at", instant)
    moved_by = reading.optional("moved_by", partial(cells.one_of, choices=cells.SIDES))
    scheduled_at = reading.optional("scheduled_at", instant)
    if (reading.has("moved_at") or reading.has("moved_by")) and not reading.has("moved_from"):
        reading.refuse(
            "La session a été déplacée : donnez sa première date dans « déplacée de ».",
            "The session was moved: give its first date in “moved_from”.",
        )
    if starts_at is None or duration is None:
        return None
    return Times(moved_from or starts_at, starts_at, duration, scheduled_at, moved_at, moved_by or "mentor")


def _in_order(times: Times, outcome: TookPlace | CancelledFor | None, now: datetime) -> tuple[datetime, list[Outcome]]:
    """Puts the instants that the file doesn't give before those that it gives, and before now."""
    latest = [now]
    history: list[Outcome] = []
    if outcome is not None:
        latest.append(outcome.at)
        history.append(outcome)
        if isinstance(outcome, CancelledFor) and outcome.notice_at is not None:
            latest.append(outcome.notice_at)
    if times.planned_for != times.starts_at:
        moved_at = times.moved_at or min(times.planned_for - MOVED_AHEAD, times.starts_at - MOVED_AHEAD, *latest)
        latest.append(moved_at)
        history.insert(0, Moved(moved_at, times.starts_at, times.moved_by))
    return times.scheduled_at or min(times.planned_for - PLANNED_AHEAD, *latest), history


def _outcome(reading: Reading, where: ZoneInfo, times: Times) -> TookPlace | CancelledFor | None:
    instant = partial(cells.instant, where=where)
    status = reading.optional("status", partial(cells.one_of, choices=cells.STATUSES)) or "scheduled"
    reason = reading.optional("reason", partial(cells.one_of, choices=cells.REASONS))
    notice_at = reading.optional("notice_at", instant)
    cause = reading.optional("cause", partial(cells.one_of, choices=cells.CAUSES))
    note = reading.optional("note", cells.short_text)
    recorded_at = reading.optional("recorded_at", instant)
    if reading.problems:
        return None
    match status:
        case "held":
            return TookPlace(recorded_at or times.ends_at)
        case "no_show":
            return CancelledFor(recorded_at or times.ends_at, "student_no_show", None, None, note)
        case "cancelled":
            return _cancelled(reading, times, reason, notice_at, cause, note, recorded_at)
        case _:
            if reason is not None:
                reading.refuse(
                    "Il y a un motif, mais pas d’annulation : mettez le statut « annulée », ou ôtez le motif.",
                    "There is a reason but no cancellation: set the status to “cancelled”, or remove the reason.",
                )
            return None


def _cancelled(
    reading: Reading,
    times: Times,
    reason: Reason | None,
    notice_at: datetime | None,
    cause: Cause | None,
    note: str | None,
    recorded_at: datetime | None,
) -> CancelledFor | None:
    match reason:
        case None:
            reading.refuse(
                "Une session annulée a un motif : écrivez student_early, student_late, student_no_show ou other.",
                "A cancelled session has a reason: write student_early, student_late, student_no_show or other.",
            )
            return None
        case "student_early" | "student_late" if notice_at is None and recorded_at is None:
            reading.refuse(
                "Dites quand l’étudiant a prévenu, dans « prévenu le » : les 24 heures se comptent de là.",
                "Say when the student gave notice, in “notice_at”: the 24 hours count from then.",
            )
            return None
        case "other" if note is None:
            reading.refuse(
                "Le motif « Autre » s’écrit à la main : remplissez « commentaire » (l’étudiant le lira).",
                "The reason “other” is written by hand: fill in “note” (the student will read it).",
            )
            return None
        case "student_no_show":
            return CancelledFor(recorded_at or times.ends_at, reason, None, None, note)
        case _:
            return CancelledFor(recorded_at or notice_at or times.ends_at, reason, notice_at, cause, note)


def _refuse_disorder(reading: Reading, moments: list[datetime], now: datetime) -> None:
    if max(moments) > now:
        reading.refuse(
            "Cela n’a pas encore eu lieu : laissez le statut vide, ou corrigez les dates.",
            "This hasn't happened yet: leave the status empty, or mend the dates.",
        )
    elif moments != sorted(moments):
        reading.refuse(
            "Les dates se contredisent : planifiée, puis déplacée, puis tenue ou annulée, dans cet ordre.",
            "The dates contradict each other: planned, then moved, then held or cancelled, in this order.",
        )
