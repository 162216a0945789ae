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
INSERT INTO absence_list (absence_id, mentor_id, from_at, to_at, whole_days, timezone, version, valid_from)
VALUES (%(absence_id)s, %(mentor_id)s, %(from_at)s, %(to_at)s, %(whole_days)s, %(timezone)s, %(version)s, %(at)s)
ON CONFLICT (absence_id, version) DO NOTHING
"""
# What an event does not say goes on as it was. Reminders of dates that no longer hold are due anew.
NEXT = """
WITH closed AS (
    UPDATE absence_list SET valid_to = greatest(valid_from, %(at)s)
    WHERE absence_id = %(absence_id)s AND valid_to IS NULL
    RETURNING *
)
INSERT INTO absence_list (absence_id, mentor_id, from_at, to_at, whole_days, timezone, ended_at, help_reminded,
    return_reminded, version, valid_from)
SELECT absence_id, mentor_id, coalesce(%(from_at)s, from_at), coalesce(%(to_at)s, to_at),
    coalesce(%(whole_days)s, whole_days), coalesce(%(timezone)s, timezone), coalesce(%(ended_at)s, ended_at),
    %(from_at)s::timestamptz IS NULL AND (help_reminded OR coalesce(%(reminded)s = 'help_deadline', false)),
    %(from_at)s::timestamptz IS NULL AND (return_reminded OR coalesce(%(reminded)s = 'return', false)),
    %(version)s, valid_to
FROM closed
"""
# `as_of` null is the present: the row that no other has followed yet.
LIST = """
SELECT absence_id, mentor_id, from_at, to_at, whole_days, timezone, ended_at, version FROM absence_list
WHERE CASE
        WHEN %(as_of)s::timestamptz IS NULL THEN valid_to IS NULL
        ELSE valid_from <= %(as_of)s AND (valid_to IS NULL OR valid_to > %(as_of)s)
    END
    AND (%(mentor_id)s::uuid IS NULL OR mentor_id = %(mentor_id)s)
    AND (%(own_mentor_ids)s::uuid[] IS NULL OR mentor_id = ANY(%(own_mentor_ids)s))
    AND (%(open)s::boolean IS NULL OR (ended_at IS NULL) = %(open)s)
    AND (%(after_from)s::timestamptz IS NULL OR (from_at, absence_id) > (%(after_from)s, %(after_id)s::uuid))
ORDER BY from_at, absence_id LIMIT %(limit)s
"""
# Help is due from 72 h before departure, the return from the end on, and then the absence is to be closed. As long as
# something may be due, it is looked at every 15 seconds.
MAYBE_DUE = """
UPDATE absence_list SET checked_at = %(now)s WHERE valid_to IS NULL AND absence_id IN (
    SELECT absence_id FROM absence_list
    WHERE valid_to IS NULL
        AND (checked_at IS NULL OR checked_at NOT BETWEEN %(now)s - interval '15 seconds' AND %(now)s)
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
    connection.execute(DECLARE, _dates(data) | _version(event))


def on_changed(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.AbsenceChanged)
    _next(connection, event, **_dates(event.data))


def on_ended(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.AbsenceEnded)
    _next(connection, event, ended_at=event.data.ended_at)


def on_reminder(connection: Connection[DictRow], event: CloudEvent) -> None:
    assert isinstance(event.data, contract.AbsenceReminderDue)
    _next(connection, event, reminded=event.data.kind)


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
    as_of: datetime | None,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Absences by their beginning, as of an instant where one is given; `own_mentor_ids`: none but of these."""
    after_from, after_id = after or (None, None)
    return connection.execute(
        LIST,
        {
            "mentor_id": mentor_id,
            "own_mentor_ids": own_mentor_ids,
            "open": only_open,
            "as_of": as_of,
            "after_from": after_from,
            "after_id": after_id,
            "limit": limit,
        },
    ).fetchall()


def maybe_due(connection: Connection[DictRow], now: datetime, *, limit: int) -> list[UUID]:
    """Absences of which a reminder may be due. Each is given to one caller in 15 seconds."""
    return [row["absence_id"] for row in connection.execute(MAYBE_DUE, {"now": now, "limit": limit}).fetchall()]


def _next(connection: Connection[DictRow], event: CloudEvent, **said: Any) -> None:
    unsaid = dict.fromkeys(("from_at", "to_at", "whole_days", "timezone", "ended_at", "reminded"))
    connection.execute(NEXT, unsaid | said | _version(event))


def _dates(data: contract.AbsenceDeclared | contract.AbsenceChanged) -> dict[str, Any]:
    names = ("mentor_id", "from_at", "to_at", "whole_days", "timezone")
    return {name: getattr(data, name) for name in names}


def _version(event: CloudEvent) -> dict[str, Any]:
    return {"absence_id": event.subject, "version": event.sequence, "at": event.time}
