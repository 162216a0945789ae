"""The read model of statements: tables ``statement_lines`` and ``closed_statements``.

Updated by what sessions publish (``record``) and by closing (``close``); read as it stands, or as it stood ``as_of``.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import DictRow

from services.billing.domain.events import StatementClosed
from services.billing.domain.month import Month
from services.billing.domain.tariff import Tariff
from services.billing.views import disputes
from services.billing.views.recording import Recording, Said

CONSUMER: Final = "billing"

# Recording takes the weaker lock, which many may hold; closing takes the stronger one, and so waits for every line
# that is being recorded, and none slips onto a statement while it is closed.
LOCK_TO_RECORD: Final = "LOCK TABLE closed_statements IN ROW SHARE MODE"
LOCK_TO_CLOSE: Final = "LOCK TABLE closed_statements IN EXCLUSIVE MODE"

LINES: Final = """
SELECT line_id, month, kind, session_id, student_id, event_id, outcome, starts_at, duration_minutes, path, level,
       rate_cents, share_percent, amount_cents, rate_version, recorded_at
FROM statement_lines
WHERE mentor_id = %(mentor_id)s AND month = ANY(%(months)s)
  AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
  AND (superseded_at IS NULL OR superseded_at > coalesce(%(as_of)s, 'infinity'::timestamptz))
ORDER BY month, starts_at, line_id
"""

CLOSED: Final = """
SELECT month, currency, total_cents, closed_at
FROM closed_statements
WHERE mentor_id = %(mentor_id)s AND month = ANY(%(months)s)
  AND closed_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
"""

MONTHS: Final = """
SELECT month FROM (
    SELECT month FROM statement_lines
    WHERE mentor_id = %(mentor_id)s
      AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
      AND (superseded_at IS NULL OR superseded_at > coalesce(%(as_of)s, 'infinity'::timestamptz))
    UNION
    SELECT month FROM closed_statements
    WHERE mentor_id = %(mentor_id)s AND closed_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
) AS months
WHERE month < coalesce(%(before)s, '~')
ORDER BY month DESC
LIMIT %(limit)s
"""

LINES_OF_EVENTS: Final = """
SELECT line_id, mentor_id, month, kind, session_id, student_id, event_id, outcome, starts_at, duration_minutes, path,
       level, rate_cents, share_percent, amount_cents, currency, rate_version,
       CASE WHEN superseded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz) THEN superseded_by END AS superseded_by
FROM statement_lines
WHERE event_id = ANY(%(event_ids)s) AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
ORDER BY recorded_at, line_id
LIMIT %(limit)s
"""

LINE: Final = """
SELECT line_id, mentor_id, month, kind, session_id, student_id, event_id, outcome, starts_at, duration_minutes, path,
       level, rate_cents, share_percent, amount_cents, currency, rate_version, superseded_by
FROM statement_lines
WHERE line_id = %s
"""

STANDING_LINE_IDS: Final = """
SELECT line_id FROM statement_lines WHERE mentor_id = %s AND month = %s AND superseded_at IS NULL
"""

CLOSED_AMONG: Final = "SELECT mentor_id FROM closed_statements WHERE month = %s AND mentor_id = ANY(%s)"

# With what the inbox has dealt with by now: no line is being recorded, so none of it is in between.
ADD_CLOSED: Final = """
INSERT INTO closed_statements (mentor_id, month, currency, total_cents, closed_at, closed_by, seen)
SELECT %s, %s, %s, %s, %s, %s, jsonb_build_object(
    'next_offsets', (
        SELECT coalesce(jsonb_object_agg(topic || '/' || partition, next_offset), '{}')
        FROM inbox_positions WHERE consumer = %s
    ),
    'set_aside', (
        SELECT coalesce(jsonb_agg(topic || '/' || partition || '/' || record_offset), '[]')
        FROM parked WHERE consumer = %s AND state IN ('waiting', 'parked')
    )
)
"""


class LinesChanged(Exception):
    """A line came or went between reading a statement and closing it: read it again."""


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One statement as read. ``lines`` are rows of ``LINES``; ``closed_at`` is None while it is open."""

    mentor_id: UUID
    month: Month
    currency: str
    closed_at: datetime | None
    lines: Sequence[DictRow]

    @property
    def total_cents(self) -> int:
        return sum(line["amount_cents"] for line in self.lines)


class Statements:
    """Writes and reads statements by one tariff and in one time zone.

    ``rebuilding``: what is recorded holds up no closing, since it is behind all that the rebuild waited for.
    """

    def __init__(self, tariff: Tariff, zone: ZoneInfo, *, rebuilding: bool = False) -> None:
        self.tariff = tariff
        self.zone = zone
        self._rebuilding = rebuilding

    def record(self, connection: Connection[DictRow], several: Sequence[Said]) -> None:
        """Puts what events document on the right statements, in their order. Raises NoTariff."""
        if not self._rebuilding:
            connection.execute(LOCK_TO_RECORD)
        Recording(connection, self.tariff, self.zone).record(several)

    def close(self, connection: Connection[DictRow], closed: StatementClosed, closed_by: str) -> None:
        """Marks a statement as closed with exactly the lines of ``closed``. Raises LinesChanged where others stand."""
        connection.execute(LOCK_TO_CLOSE)
        standing = connection.execute(STANDING_LINE_IDS, (closed.mentor_id, closed.month)).fetchall()
        if {row["line_id"] for row in standing} != set(closed.line_ids):
            raise LinesChanged
        connection.execute(
            ADD_CLOSED,
            (
                closed.mentor_id,
                closed.month,
                closed.currency,
                closed.total_cents,
                closed.closed_at,
                closed_by,
                *2 * (CONSUMER,),
            ),
        )

    def closed_among(self, connection: Connection[DictRow], month: Month, mentor_ids: Collection[UUID]) -> set[UUID]:
        """Those of the mentors whose statement of the month is closed."""
        rows = connection.execute(CLOSED_AMONG, (str(month), list(mentor_ids))).fetchall()
        return {row["mentor_id"] for row in rows}

    def one(
        self, connection: Connection[DictRow], mentor_id: UUID, month: Month, *, as_of: datetime | None = None
    ) -> StatementRow:
        """The statement of a mentor and month; open and without lines where nothing is known."""
        return self._read(connection, mentor_id, [str(month)], as_of)[0]

    def newest_first(
        self,
        connection: Connection[DictRow],
        mentor_id: UUID,
        *,
        before: str | None,
        limit: int,
        as_of: datetime | None = None,
    ) -> list[StatementRow]:
        """The mentor's statements of the months before ``before``, at most ``limit``."""
        asked = {"mentor_id": mentor_id, "as_of": as_of, "before": before, "limit": limit}
        months = [row["month"] for row in connection.execute(MONTHS, asked).fetchall()]
        return self._read(connection, mentor_id, months, as_of)

    def of_events(
        self, connection: Connection[DictRow], event_ids: Sequence[UUID], *, limit: int, as_of: datetime | None = None
    ) -> list[DictRow]:
        """The lines that these events made, also those that a later event superseded; one an event at most."""
        return connection.execute(
            LINES_OF_EVENTS, {"event_ids": list(event_ids), "limit": limit, "as_of": as_of}
        ).fetchall()

    def line(self, connection: Connection[DictRow], line_id: UUID) -> DictRow | None:
        """The line, also where a later event superseded it; None where there is none."""
        return connection.execute(LINE, (line_id,)).fetchone()

    def _read(
        self, connection: Connection[DictRow], mentor_id: UUID, months: Sequence[str], as_of: datetime | None
    ) -> list[StatementRow]:
        asked = {"mentor_id": mentor_id, "months": list(months), "as_of": as_of}
        lines = connection.execute(LINES, asked).fetchall()
        disputed = disputes.of_lines(connection, [line["line_id"] for line in lines], as_of)
        for line in lines:
            line["dispute"] = disputed.get(line["line_id"])
        closed = {row["month"]: row for row in connection.execute(CLOSED, asked).fetchall()}
        return [
            StatementRow(
                mentor_id=mentor_id,
                month=Month.parse(month),
                currency=closed[month]["currency"] if month in closed else self.tariff.currency,
                closed_at=closed[month]["closed_at"] if month in closed else None,
                lines=[line for line in lines if line["month"] == month],
            )
            for month in months
        ]
