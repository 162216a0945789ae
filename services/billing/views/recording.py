"""Puts what events document on the statements: many events at once, in their order, in a few statements.

Whether a month was closed when an event came is a matter of positions, not of time: a closing keeps what the inbox had
dealt with (``seen``). So the lines come out the same whenever they are built, also from the first event on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import DictRow

from services.billing.domain.month import Month
from services.billing.domain.statement import Documented, EarlierLine, Posting, post
from services.billing.domain.tariff import Outcome, Tariff
from services.chassis.at_once import CopyInto
from services.chassis.ids import derived_id

STANDING: Final = """
SELECT session_id, mentor_id, line_id, month, outcome, amount_cents, starts_at, recorded_at
FROM statement_lines
WHERE session_id = ANY(%s) AND superseded_at IS NULL
"""

CLOSINGS: Final = "SELECT mentor_id, month, seen FROM closed_statements WHERE mentor_id = ANY(%s)"

SUPERSEDE: Final = """
UPDATE statement_lines AS l SET superseded_by = gone.superseded_by, superseded_at = gone.superseded_at
FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[]) AS gone (line_id, superseded_by, superseded_at)
WHERE l.line_id = gone.line_id
"""

ADD_LINES: Final = CopyInto(
    "statement_lines", line_id="uuid", mentor_id="uuid", month="text", kind="text", session_id="uuid",
    student_id="uuid", event_id="uuid", outcome="text", starts_at="timestamptz", duration_minutes="int4", path="text",
    level="int2", rate_cents="int4", share_percent="int2", amount_cents="int4", currency="text", rate_version="text",
    recorded_at="timestamptz", superseded_by="uuid", superseded_at="timestamptz",
)  # fmt: skip

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an event documents, when it was recorded, and where it was read; None where it was not read anywhere."""

    documented: Documented
    recorded_at: datetime
    place: Place | None


@dataclass(frozen=True, slots=True)
class Closing:
    """A month that was closed, and what the inbox had dealt with by then."""

    month: Month
    next_offsets: Mapping[str, int] | None
    set_aside: Collection[str]
    event_ids: Collection[str] | None

    @classmethod
    def of_row(cls, row: DictRow) -> "Closing":
        seen: dict[str, Any] = row["seen"] or {}
        event_ids = seen.get("event_ids")
        return cls(
            Month.parse(row["month"]),
            seen.get("next_offsets"),
            frozenset(seen.get("set_aside", ())),
            None if event_ids is None else frozenset(event_ids),
        )

    def came_before(self, said: Said) -> bool:
        """Whether it was closed already when the event took effect."""
        if self.event_ids is not None:
            return str(said.documented.event_id) not in self.event_ids
        if self.next_offsets is None or said.place is None:
            return True
        topic, partition, offset = said.place
        chain = f"{topic}/{partition}"
        return offset >= self.next_offsets.get(chain, 0) or f"{chain}/{offset}" in self.set_aside


@dataclass(slots=True)
class _Standing:
    """A line that stands, in the order in which lines count."""

    recorded_at: datetime
    line: EarlierLine
    values: dict[str, Any] | None
    """Where it is to be added; None where it is in the table."""


class Recording:
    """What one batch of events comes to, by a tariff and in a time zone."""

    def __init__(self, connection: Connection[DictRow], tariff: Tariff, zone: ZoneInfo) -> None:
        self._connection = connection
        self._tariff = tariff
        self._zone = zone
        self._standing: dict[tuple[UUID, UUID], list[_Standing]] = {}
        self._closings: dict[UUID, list[Closing]] = {}
        self._added: list[dict[str, Any]] = []
        self._gone: list[tuple[UUID, UUID, datetime]] = []

    def record(self, several: Sequence[Said]) -> None:
        """Writes all of them, or raises NoTariff with nothing written that is not rolled back."""
        self._read([said.documented for said in several])
        for said in several:
            self._record_one(said)
        self._write()

    def _read(self, several: Sequence[Documented]) -> None:
        for row in self._connection.execute(STANDING, (list({one.session_id for one in several}),)).fetchall():
            line = EarlierLine(
                line_id=row["line_id"],
                month=Month.parse(row["month"]),
                of=Month.of(row["starts_at"], self._zone),
                outcome=Outcome(row["outcome"]),
                amount_cents=row["amount_cents"],
            )
            standing = _Standing(row["recorded_at"], line, None)
            self._standing.setdefault((row["session_id"], row["mentor_id"]), []).append(standing)
        for row in self._connection.execute(CLOSINGS, (list({one.mentor_id for one in several}),)).fetchall():
            self._closings.setdefault(row["mentor_id"], []).append(Closing.of_row(row))

    def _record_one(self, said: Said) -> None:
        documented = said.documented
        lines = self._standing.setdefault((documented.session_id, documented.mentor_id), [])
        lines.sort(key=lambda one: (one.recorded_at, one.line.line_id))
        posting = post(
            documented,
            earlier=[one.line for one in lines],
            closed_months={
                closing.month for closing in self._closings.get(documented.mentor_id, ()) if closing.came_before(said)
            },
            tariff=self._tariff,
            zone=self._zone,
        )
        self._supersede(lines, posting, said)
        if posting.line is not None:
            values = self._values(posting, said)
            self._added.append(values)
            line = posting.line
            earlier = EarlierLine(
                values["line_id"],
                line.month,
                Month.of(documented.starts_at, self._zone),
                line.outcome,
                line.amount_cents,
            )
            lines.append(_Standing(said.recorded_at, earlier, values))

    def _supersede(self, lines: list[_Standing], posting: Posting, said: Said) -> None:
        superseded = set(posting.superseded)
        for one in [one for one in lines if one.line.line_id in superseded]:
            lines.remove(one)
            if one.values is None:
                self._gone.append((one.line.line_id, said.documented.event_id, said.recorded_at))
            else:
                one.values |= {"superseded_by": said.documented.event_id, "superseded_at": said.recorded_at}

    def _values(self, posting: Posting, said: Said) -> dict[str, Any]:
        """In the order of ADD_LINES."""
        documented, line = said.documented, posting.line
        assert line is not None
        return {
            "line_id": derived_id("statement line", documented.event_id),
            "mentor_id": documented.mentor_id,
            "month": str(line.month),
            "kind": line.kind.value,
            "session_id": documented.session_id,
            "student_id": documented.student_id,
            "event_id": documented.event_id,
            "outcome": line.outcome.value,
            "starts_at": documented.starts_at,
            "duration_minutes": documented.duration_minutes,
            "path": documented.path,
            "level": line.price.level,
            "rate_cents": line.price.rate_cents,
            "share_percent": line.price.share_percent,
            "amount_cents": line.amount_cents,
            "currency": self._tariff.currency,
            "rate_version": line.price.rate_version,
            "recorded_at": said.recorded_at,
            "superseded_by": None,
            "superseded_at": None,
        }

    def _write(self) -> None:
        if self._gone:
            line_ids, by, at = map(list, zip(*self._gone, strict=True))
            self._connection.execute(SUPERSEDE, (line_ids, by, at))
        if self._added:
            ADD_LINES.add(self._connection, [tuple(line.values()) for line in self._added])
