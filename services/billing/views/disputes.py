"""The read model of disputes: table ``line_disputes``, one row a dispute of a line, written with its events."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.billing.domain.dispute_line import DisputeEvent
from services.billing.domain.events import DisputeExplained, DisputeSettled, DisputeWithdrawn, LineDisputed

ADD: Final = """
INSERT INTO line_disputes (line_id, mentor_id, month, reason, disputed_at, disputed_by) VALUES (%s, %s, %s, %s, %s, %s)
"""

EXPLAIN: Final = "UPDATE line_disputes SET reason = %s, explained_at = %s WHERE line_id = %s AND withdrawn_at IS NULL"

WITHDRAW: Final = "UPDATE line_disputes SET withdrawn_at = %s WHERE line_id = %s AND withdrawn_at IS NULL"

SETTLE: Final = """
UPDATE line_disputes SET answer = %s, settled_at = %s, settled_by = %s WHERE line_id = %s AND withdrawn_at IS NULL
"""

OF_LINES: Final = """
SELECT line_id, reason, disputed_at, explained_at, answer, settled_at FROM line_disputes
WHERE line_id = ANY(%(line_ids)s) AND disputed_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
    AND (withdrawn_at IS NULL OR withdrawn_at > %(as_of)s)
"""

# With the line as it was made, also where a correction has superseded it since.
LIST: Final = """
SELECT d.line_id, d.mentor_id, d.month, d.reason, d.disputed_at, d.disputed_by, d.answer, d.settled_at, d.settled_by,
    l.session_id, l.student_id, l.outcome, l.starts_at, l.amount_cents, l.currency, l.superseded_by
FROM line_disputes AS d JOIN statement_lines AS l USING (line_id)
WHERE d.withdrawn_at IS NULL
    AND (%(settled)s::boolean IS NULL OR (d.settled_at IS NOT NULL) = %(settled)s)
    AND (%(mentor_id)s::uuid IS NULL OR d.mentor_id = %(mentor_id)s)
    AND (%(after_at)s::timestamptz IS NULL OR (d.disputed_at, d.line_id) > (%(after_at)s, %(after_id)s::uuid))
ORDER BY d.disputed_at, d.line_id LIMIT %(limit)s
"""


def record(connection: Connection[DictRow], event: DisputeEvent, actor: str) -> None:
    """In the transaction that appends the event."""
    match event:
        case LineDisputed():
            connection.execute(
                ADD, (event.line_id, event.mentor_id, event.month, event.reason, event.disputed_at, actor)
            )
        case DisputeExplained():
            connection.execute(EXPLAIN, (event.reason, event.explained_at, event.line_id))
        case DisputeWithdrawn():
            connection.execute(WITHDRAW, (event.withdrawn_at, event.line_id))
        case DisputeSettled():
            connection.execute(SETTLE, (event.answer, event.settled_at, actor, event.line_id))


def of_lines(
    connection: Connection[DictRow], line_ids: Collection[UUID], as_of: datetime | None = None
) -> dict[UUID, dict[str, Any]]:
    """The disputes of these lines, as they stood ``as_of``."""
    rows = connection.execute(OF_LINES, {"line_ids": list(line_ids), "as_of": as_of}).fetchall()
    for row in rows:
        if as_of is not None and row["settled_at"] is not None and row["settled_at"] > as_of:
            row |= {"answer": None, "settled_at": None}
        if as_of is not None and row["explained_at"] is not None and row["explained_at"] > as_of:
            row["reason"] = ""
    return {row["line_id"]: row for row in rows}


def page(
    connection: Connection[DictRow],
    *,
    settled: bool | None,
    mentor_id: UUID | None,
    after: tuple[str, str] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Disputes, the oldest first: who has waited longest is answered first."""
    after_at, after_id = after or (None, None)
    asked = {"settled": settled, "mentor_id": mentor_id, "after_at": after_at, "after_id": after_id, "limit": limit}
    return connection.execute(LIST, asked).fetchall()
