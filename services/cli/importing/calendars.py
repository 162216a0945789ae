"""A calendar (.ics, RFC 5545) as Google Calendar and Outlook export it.

The libraries ``icalendar`` and ``recurring-ical-events`` read it. The file is cut into its series first (all VEVENTs of
one UID, with the zones they need), so that a bad event is named by its line and leaves the others alone, and so that
one series is in memory at a time.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import recurring_ical_events
from icalendar import Calendar, Event, vRecur
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from services.cli.importing import cells
from services.cli.importing.rows import CancelledFor, Moved, Note, Outcome, Problem, Session
from services.cli.importing.sessions import Seen

HORIZON = timedelta(weeks=26)
"""How far ahead a recurrence without an end is followed."""
OCCURRENCES_MAX = 520
EVENT_MAX_CHARACTERS = 200_000
CANCELLED_NOTE = "Session annulée dans l’agenda du mentor."
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(minutes=cells.DURATION_MAX_MINUTES)
END_OF_TIME = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass
class _Part:
    """One VEVENT: where it stands in the file, in bytes, and its line."""

    begins: int
    ends: int
    line: int


@dataclass
class _Outline:
    """What a first walk over the file finds: the calendar's own lines, its zones, and the parts of each series."""

    zone_name: str | None = None
    zones: list[tuple[int, int]] = field(default_factory=list)
    series: dict[str, list[_Part]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    passed_over: int = 0


class _Wrong(ValueError):
    def __init__(self, line: int, fr: str, en: str) -> None:
        super().__init__(en)
        self.line, self.fr, self.en = line, fr, en


def read_calendar(
    path: Path, *, timezone: ZoneInfo, now: datetime, seen: Seen, horizon: timedelta = HORIZON
) -> Iterator[Session | Problem | Note]:
    """Gives one session for each occurrence of each event that has an attendee.

    The student is among the attendees (or the organizer), and so is the mentor. Floating times are those of the
    calendar's X-WR-TIMEZONE, else of ``timezone``. A moved occurrence is planned where the series had it and then
    moved; a cancelled one (STATUS:CANCELLED) is cancelled for « Autre », since a calendar doesn't say why. An EXDATE
    was never planned. Whole days and events without attendees are a mentor's own and passed over.
    """
    outline = _outline(path)
    yield from outline.problems
    passed_over = outline.passed_over
    with path.open("rb") as file:

        def read(begins: int, ends: int) -> bytes:
            file.seek(begins)
            return file.read(ends - begins)

        zones = b"".join(read(*zone) for zone in outline.zones)
        reading = _Reading(_zone_of(outline, timezone), now, horizon, seen)
        for uid, parts in outline.series.items():
            text = b"".join(
                (
                    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Relais//Import//FR\r\n",
                    f"X-WR-TIMEZONE:{outline.zone_name}\r\n".encode() if outline.zone_name else b"",
                    zones,
                    *(read(part.begins, part.ends) for part in parts),
                    b"END:VCALENDAR\r\n",
                )
            )
            try:
                sessions = reading.series(uid, text, parts)
            except _Wrong as wrong:
                yield Problem(path.name, wrong.line, wrong.fr, wrong.en)
                continue
            passed_over += not sessions
            yield from sessions
    if passed_over:
        yield Note(
            path.name,
            f"{passed_over} événement(s) sans participant ou d’un jour entier : laissés de côté.",
            f"{passed_over} event(s) without attendees or of whole days were passed over.",
        )


@dataclass(frozen=True)
class _Reading:
    floating: ZoneInfo
    now: datetime
    horizon: timedelta
    seen: Seen

    def series(self, uid: str, text: bytes, parts: list[_Part]) -> list[Session]:
        """The sessions of one UID; raises ``_Wrong`` where any of it can't be read."""
        try:
            return list(self._sessions(uid, text, parts))
        except _Wrong:
            raise
        except Exception as error:  # The libraries raise whatever a malformed property makes them raise.
            raise _Wrong(
                parts[0].line,
                f"Événement illisible ({type(error).__name__} : {error}). Exportez de nouveau l’agenda, ou ôtez-le.",
                f"This event can't be read ({type(error).__name__}: {error}). Export the calendar again, or remove it.",
            ) from error

    def _sessions(self, uid: str, text: bytes, parts: list[_Part]) -> Iterator[Session]:
        calendar = Calendar.from_ical(text)
        events = [event for event in calendar.walk("VEVENT") if isinstance(event, Event)]
        if not any(_addresses(event) for event in events) or _is_whole_day(events[0]):
            return
        lines: dict[str, int] = {}
        for event, part in zip(events, parts, strict=True):
            _refuse_unreadable_times(event, part.line)
            self._refuse_backwards(event, part.line)
            lines[self._recurrence_key(event)] = part.line
        fallback = next((_addresses(event) for event in events if "RECURRENCE-ID" not in event), ())
        for occurrence in self._occurrences(calendar, events, parts[0].line):
            key = self._recurrence_key(occurrence)
            # An exception may name nobody again.
            if addresses := _addresses(occurrence) or fallback:
                yield self._session((uid, key), occurrence, lines.get(key, parts[0].line), addresses)

    def _occurrences(self, calendar: Calendar, events: list[Event], line: int) -> list[Event]:
        unbounded = any(_is_endless(event) for event in events)
        query = recurring_ical_events.of(calendar, keep_recurrence_attributes=True)
        until = self.now + self.horizon if unbounded else END_OF_TIME
        found: list[Event] = []
        first = min(self._utc(_moment(event, "DTSTART")) for event in events)
        for occurrence in query.after(first - timedelta(days=1)):
            if self._utc(occurrence.DTSTART) >= until:
                break
            if len(found) == OCCURRENCES_MAX:
                raise _Wrong(
                    line,
                    f"Cette série a plus de {OCCURRENCES_MAX} séances : donnez-lui une fin, ou coupez-la.",
                    f"This series has more than {OCCURRENCES_MAX} occurrences: give it an end, or split it.",
                )
            found.append(occurrence)
        return found

    def _session(self, key: tuple[str, str], occurrence: Event, line: int, addresses: tuple[str, ...]) -> Session:
        starts_at = self._utc(occurrence.DTSTART)
        duration = self._utc(occurrence.end) - starts_at
        if not SHORTEST <= duration <= LONGEST or duration % SHORTEST:
            raise _Wrong(
                line,
                f"Une session dure de 1 à {cells.DURATION_MAX_MINUTES} minutes entières, pas {duration} : à corriger.",
                f"A session lasts 1 to {cells.DURATION_MAX_MINUTES} whole minutes, not {duration}: mend its end.",
            )
        planned_for = self._utc(_moment(occurrence, "RECURRENCE-ID") or starts_at)
        if not self.seen.add(addresses[0], key):
            raise _Wrong(
                line,
                "Cette séance est déjà dans un autre fichier de cet import : donnez chaque agenda une seule fois.",
                "This occurrence is in another file of this import already: give each calendar once.",
            )
        history = self._history(occurrence, planned_for, starts_at)
        return Session(
            line=line,
            addresses=addresses,
            mentor_email=None,
            key=key,
            starts_at=planned_for,
            duration_minutes=duration // SHORTEST,
            timezone=_zone_name(occurrence),
            scheduled_at=min(
                self._stamp(occurrence, "CREATED") or planned_for - timedelta(days=7),
                *(entry.at for entry in history),
                self.now,
            ),
            history=tuple(history),
        )

    def _history(self, occurrence: Event, planned_for: datetime, starts_at: datetime) -> list[Outcome]:
        changed_at = min(
            self._stamp(occurrence, "LAST-MODIFIED") or self._stamp(occurrence, "DTSTAMP") or self.now, self.now
        )
        history: list[Outcome] = []
        if starts_at != planned_for:
            # An event edited afterwards for another reason still was moved before either date.
            moved_at = min(changed_at, min(planned_for, starts_at) - timedelta(seconds=1))
            history.append(Moved(moved_at, starts_at, "mentor"))
        if str(occurrence.get("STATUS", "")).upper() == "CANCELLED":
            history.append(CancelledFor(changed_at, "other", None, None, CANCELLED_NOTE))
        return history

    def _refuse_backwards(self, event: Event, line: int) -> None:
        end = _moment(event, "DTEND")
        if end is not None and self._utc(end) <= self._utc(_moment(event, "DTSTART")):
            raise _Wrong(
                line,
                "Cet événement finit avant de commencer : corrigez sa fin.",
                "This event ends before it begins: mend its end.",
            )

    def _stamp(self, event: Event, name: str) -> datetime | None:
        moment = _moment(event, name)
        return self._utc(moment) if isinstance(moment, datetime) else None

    def _recurrence_key(self, event: Event) -> str:
        """The occurrence within its series: the instant that the series had it at; empty for a single event."""
        recurrence_id = _moment(event, "RECURRENCE-ID")
        return "" if recurrence_id is None else f"{self._utc(recurrence_id):%Y%m%dT%H%M%SZ}"

    def _utc(self, moment: object) -> datetime:
        if not isinstance(moment, datetime):
            raise TypeError("a date stands where a date with its time is needed")
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.floating)).astimezone(UTC)


def _outline(path: Path) -> _Outline:
    outline = _Outline()
    begun: tuple[bytes, int, int] | None = None  # VEVENT or VTIMEZONE, where it begins, and its line
    uid: str | None = None
    nested = 0  # An alarm inside an event may have a UID of its own.
    number = 0
    for number, begins, ends, text in _unfolded(path):
        word = text.upper()
        if number == 1 and word != b"BEGIN:VCALENDAR":
            outline.problems.append(_not_a_calendar(path))
            return outline
        if begun is None:
            if word in (b"BEGIN:VTIMEZONE", b"BEGIN:VEVENT"):
                begun, uid, nested = (word[6:], begins, number), None, 0
            elif word.startswith(b"X-WR-TIMEZONE:"):
                outline.zone_name = text[len(b"X-WR-TIMEZONE:") :].decode("utf-8", "replace")
        elif word == b"END:" + begun[0] and not nested:
            if begun[0] == b"VTIMEZONE":
                outline.zones.append((begun[1], ends))
            else:
                _place(outline, path, uid, _Part(begun[1], ends, begun[2]))
            begun = None
        elif begun[0] == b"VEVENT":
            nested += word.startswith(b"BEGIN:") - word.startswith(b"END:")
            if not nested and word.startswith((b"UID:", b"UID;")):
                uid = text.partition(b":")[2].decode("utf-8", "replace")
    if begun is not None or number == 0:
        line = begun[2] if begun else 1
        outline.problems.append(
            Problem(
                path.name,
                line,
                "Le fichier s’arrête au milieu : exportez de nouveau l’agenda.",
                "The file ends in the middle: export the calendar again.",
            )
        )
    return outline


def _unfolded(path: Path) -> Iterator[tuple[int, int, int, bytes]]:
    """Logical lines (RFC 5545, 3.1): number of the first physical one, begin and end in the file, text."""
    with path.open("rb") as file:
        number = begins = ends = 0
        text = b""
        for count, raw in enumerate(file, start=1):
            if raw[:1] in (b" ", b"\t") and number:
                if len(text) < EVENT_MAX_CHARACTERS:
                    text += raw[1:].rstrip(b"\r\n")
            else:
                if number:
                    yield number, begins, ends, text
                number, begins, text = count, ends, raw.rstrip(b"\r\n").removeprefix(codecs.BOM_UTF8)
            ends += len(raw)
        if number:
            yield number, begins, ends, text


def _place(outline: _Outline, path: Path, uid: str | None, part: _Part) -> None:
    if not uid:
        outline.problems.append(
            Problem(
                path.name,
                part.line,
                "Cet événement n’a pas d’UID, et l’on ne saurait le reconnaître : exportez de nouveau l’agenda.",
                "This event has no UID, so it couldn't be known again: export the calendar again.",
            )
        )
    elif part.ends - part.begins > EVENT_MAX_CHARACTERS:
        outline.problems.append(
            Problem(
                path.name,
                part.line,
                "Cet événement est démesuré : ôtez ses pièces jointes.",
                "This event is enormous: remove what is attached to it.",
            )
        )
    else:
        outline.series.setdefault(uid, []).append(part)


def _not_a_calendar(path: Path) -> Problem:
    return Problem(
        path.name,
        1,
        "Ce n’est pas un agenda : exportez-le au format iCalendar (.ics).",
        "This is not a calendar: export it as iCalendar (.ics).",
    )


def _moment(event: Event, name: str) -> object:
    """The value of a date property; None where it isn't there."""
    return getattr(event.get(name), "dt", None)


def _is_endless(event: Event) -> bool:
    rule = event.get("RRULE")
    return any(
        isinstance(each, vRecur) and not {"UNTIL", "COUNT"} & each.keys()
        for each in (rule if isinstance(rule, list) else [rule])
    )


def _zone_id(event: Event, name: str) -> str:
    return str(getattr(event.get(name), "params", {}).get("TZID", ""))


def _addresses(event: Event) -> tuple[str, ...]:
    """The addresses of the organizer and the attendees; empty where there is no attendee."""
    attendees = event.get("ATTENDEE") or []
    listed = [_address(attendee) for attendee in (attendees if isinstance(attendees, list) else [attendees])]
    found = [address for address in (_address(event.get("ORGANIZER")), *listed) if address]
    return tuple(dict.fromkeys(found)) if any(listed) else ()


def _is_whole_day(event: Event) -> bool:
    moment = _moment(event, "DTSTART")
    return isinstance(moment, date) and not isinstance(moment, datetime)


def _refuse_unreadable_times(event: Event, line: int) -> None:
    for name in ("DTSTART", "DTEND", "RECURRENCE-ID"):
        moment, zone = _moment(event, name), _zone_id(event, name)
        if moment is None and (name in event or name == "DTSTART"):
            raise _Wrong(
                line,
                f"{name} n’est pas une date lisible : corrigez l’événement, ou exportez de nouveau l’agenda.",
                f"{name} is not a readable date: mend the event, or export the calendar again.",
            )
        if zone and isinstance(moment, datetime) and moment.tzinfo is None:
            raise _Wrong(
                line,
                f"Le fuseau « {zone} » est inconnu, et le fichier ne le décrit pas : exportez l’agenda en entier.",
                f"The time zone “{zone}” is unknown and the file doesn't describe it: export the whole calendar.",
            )


def _zone_of(outline: _Outline, fallback: ZoneInfo) -> ZoneInfo:
    try:
        return cells.zone(outline.zone_name) if outline.zone_name else fallback
    except cells.Unreadable:
        return fallback


def _zone_name(occurrence: Event) -> str | None:
    """The IANA name of the event's zone, where it is or stands for one; else None, and the mentor's zone serves."""
    named = _zone_id(occurrence, "DTSTART")
    name = WINDOWS_TO_OLSON.get(named, named)
    try:
        return cells.zone(name).key if name else None
    except cells.Unreadable:
        return None


def _address(value: object) -> str | None:
    """The e-mail of an ATTENDEE or ORGANIZER; None where it is something else, such as Outlook's ``invalid:nomail``."""
    scheme, _, address = str(value or "").partition(":")
    if scheme.lower() != "mailto":
        return None
    try:
        return cells.email(address.strip())
    except cells.Unreadable:
        return None
