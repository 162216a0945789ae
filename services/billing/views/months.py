"""All statements of one month, summed, and their lines: function ``statements_of_month``, table ``statement_lines``."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.billing.domain.month import Month

MENTORS_AT_ONCE: Final = 50

PAGE: Final = """
SELECT mentor_id, name, searched, status, lines, total_cents, adjustments, adjustments_cents, closed_at
FROM statements_of_month(%(month)s, coalesce(%(as_of)s, 'infinity'::timestamptz))
WHERE (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(search)s::text IS NULL OR searched LIKE %(search)s)
  AND (%(after_name)s::text IS NULL OR (searched, mentor_id) > (%(after_name)s, %(after_id)s::uuid))
ORDER BY searched, mentor_id LIMIT %(limit)s
"""

TOTALS: Final = """
SELECT count(*) FILTER (WHERE status = 'open') AS open, count(*) FILTER (WHERE status = 'closed') AS closed,
    count(*) FILTER (WHERE status = 'empty') AS empty, coalesce(sum(total_cents), 0)::bigint AS total_cents,
    coalesce(sum(lines), 0)::bigint AS lines, coalesce(sum(adjustments), 0)::bigint AS adjustments,
    coalesce(sum(adjustments_cents), 0)::bigint AS adjustments_cents
FROM statements_of_month(%(month)s, coalesce(%(as_of)s, 'infinity'::timestamptz))
"""

OUTCOMES: Final = """
SELECT outcome, count(*) AS lines, sum(amount_cents)::bigint AS amount_cents FROM statement_lines
WHERE month = %(month)s AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
  AND (superseded_at IS NULL OR superseded_at > coalesce(%(as_of)s, 'infinity'::timestamptz))
GROUP BY outcome
"""

LINES_OF_MENTORS: Final = """
SELECT mentor_id, line_id, month, kind, session_id, student_id, event_id, outcome, starts_at, duration_minutes, path,
    level, rate_cents, share_percent, amount_cents, currency, rate_version
FROM statement_lines
WHERE month = %(month)s AND mentor_id = ANY(%(mentor_ids)s)
  AND recorded_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
  AND (superseded_at IS NULL OR superseded_at > coalesce(%(as_of)s, 'infinity'::timestamptz))
ORDER BY mentor_id, starts_at, line_id
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which statements of ``month``; None lets everything pass. ``after``: with what a page ended."""

    month: Month
    status: str | None = None
    search: str | None = None
    as_of: datetime | None = None
    after: tuple[str, UUID] | None = None

    def parameters(self) -> dict[str, Any]:
        after_name, after_id = self.after or (None, None)
        return {
            "month": str(self.month),
            "status": self.status,
            "search": self.search,
            "as_of": self.as_of,
            "after_name": after_name,
            "after_id": after_id,
        }


def page(connection: Connection[DictRow], asked: Asked, *, limit: int) -> list[DictRow]:
    """The statements by the mentors' names: also of those who have no line (``empty``)."""
    # Planned for the filters that are given.
    return connection.execute(PAGE, asked.parameters() | {"limit": limit}, prepare=False).fetchall()


def totals(connection: Connection[DictRow], asked: Asked) -> DictRow:
    """Of all statements of the month, whatever the filters."""
    row = connection.execute(TOTALS, asked.parameters(), prepare=False).fetchone()
    assert row is not None, "an aggregate always gives a row"
    return row


def outcomes(connection: Connection[DictRow], asked: Asked) -> Sequence[DictRow]:
    """Lines and amount of each outcome that the month has."""
    return connection.execute(OUTCOMES, asked.parameters()).fetchall()


def lines_of(
    connection: Connection[DictRow], month: Month, mentor_ids: Collection[UUID], *, as_of: datetime | None = None
) -> Mapping[UUID, Sequence[DictRow]]:
    """The lines of these mentors' statements, in the order of their sessions."""
    asked = {"month": str(month), "mentor_ids": list(mentor_ids), "as_of": as_of}
    rows = connection.execute(LINES_OF_MENTORS, asked).fetchall()
    return {mentor_id: list(lines) for mentor_id, lines in groupby(rows, key=lambda row: row["mentor_id"])}


def in_parts(rows: Sequence[DictRow]) -> Iterator[Sequence[DictRow]]:
    """So many mentors at once that their lines fit in memory."""
    for begin in range(0, len(rows), MENTORS_AT_ONCE):
        yield rows[begin : begin + MENTORS_AT_ONCE]
