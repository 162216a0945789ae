"""The list of absences, for the mentor, support and training administration; and which may have a reminder due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import transfers as contract
from services.chassis.effects import Reaction

DECLARE = """
INSERT INTO absence_list (absence_id, mentor_id, from_at, to_at, whole_days, timezone, version)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (absence_id) DO NOTHING
"""
CHANGE = """
UPDATE absence_list SET from_at = %s, to_at = %s, whole_days = %s, timezone = %s, version = %s,
    help_reminded = false, return_reminded = false, checked_at = NULL
WHERE absence_id = %s
"""
END = "UPDATE absence_list SET ended_at = %s, version = %s, checked_at = NULL WHERE absence_id = %s"
REMINDED = """
UPDATE absence_list SET help_reminded = help_reminded OR %(kind)s = 'help_deadline',
    return_reminded = return_reminded OR %(kind)s = 'return', version = %(version)s
WHERE absence_id = %(absence_id)s
"""
LIST = """
SELECT absence_id, mentor_id, from_at, to_at, whole_days, timezone, ended_at, version FROM absence_list
WHERE (%(mentor_id)s::uuid IS NULL OR mentor_id = %(mentor_id)s)
    AND (%(own_mentor_ids)s::uuid[] IS NULL OR mentor_id = ANY(%(own_mentor_ids)s))
    AND (%(open)s::boolean IS NULL OR (ended_at IS NULL) = %(open)s)
    AND (%(after_from)s::timestamptz IS NULL OR (from_at, absence_id) > (%(after_from)s, %(after_id)s::uuid))
ORDER BY from_at, absence_id LIMIT %(limit)s
"""
# Help is due from 72 h before departure, the return from the end on, and then the absence is to be closed. As long as
# something may be due, it is looked at every 15 seconds.
MAYBE_DUE = """
UPDATE absence_list SET checked_at = %(now)s WHERE absence_id IN (
    SELECT absence_id FROM absence_list
    WHERE (checked_at IS NULL OR checked_at NOT BETWEEN %(now)s - interval '15 seconds' AND %(now)s)
        AND (
            ended_at IS NULL AND NOT help_reminded AND from_at - interval '72 hours' <= %(now)s AND to_at > %(now)s
            OR (ended_at IS NULL AND to_at <= %(now)s OR ended_at IS NOT NULL AND NOT return_reminded)
                AND to_at > %(now)s - interval '60 days'
        )
    ORDER BY from_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
) RETURNING absence_id
"""


def on_declared(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.AbsenceDeclared)
    connection.execute(
        DECLARE,
        (data.absence_id, data.mentor_id, data.from_at, data.to_at, data.whole_days, data.timezone, event.sequence),
    )


def on_changed(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.AbsenceChanged)
    connection.execute(
        CHANGE, (data.from_at, data.to_at, data.whole_days, data.timezone, event.sequence, data.absence_id)
    )


def on_ended(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.AbsenceEnded)
    connection.execute(END, (event.data.ended_at, event.sequence, event.data.absence_id))


def on_reminder(connection: Connection[DictRow], event: CloudEvent) -> None:
    data = event.data
    assert isinstance(data, contract.AbsenceReminderDue)
    connection.execute(REMINDED, {"kind": data.kind, "version": event.sequence, "absence_id": data.absence_id})


REACTIONS: Final[Mapping[str, tuple[Reaction, ...]]] = {
    contract.AbsenceDeclared.ce_type: (on_declared,),
    contract.AbsenceChanged.ce_type: (on_changed,),
    contract.AbsenceEnded.ce_type: (on_ended,),
    contract.AbsenceReminderDue.ce_type: (on_reminder,),
}


def page(
    connection: Connection[DictRow],
    *,
    mentor_id: UUID | None,
    own_mentor_ids: Sequence[UUID] | None,
    only_open: bool | None,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Absences by their beginning; `own_mentor_ids`: none but of these."""
    after_from, after_id = after or (None, None)
    return connection.execute(
        LIST,
        {
            "mentor_id": mentor_id,
            "own_mentor_ids": own_mentor_ids,
            "open": only_open,
            "after_from": after_from,
            "after_id": after_id,
            "limit": limit,
        },
    ).fetchall()


def maybe_due(connection: Connection[DictRow], now: datetime, *, limit: int) -> list[UUID]:
    """Absences of which a reminder may be due. Each is given to one caller in 15 seconds."""
    return [row["absence_id"] for row in connection.execute(MAYBE_DUE, {"now": now, "limit": limit}).fetchall()]
