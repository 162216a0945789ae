"""The e-mails: queued with the event that causes them, then sent, failed or suppressed; read by support."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from relais_contracts import CloudEvent
from services.chassis.ids import derived_id
from services.notifier.domain.letter import Letter

IMPORT_ACTOR = "import:"

QUEUE = """
INSERT INTO emails (email_id, event_id, event_type, event_subject, event_sequence, correlation_id, template,
    recipient_id, names, needs, facts, calendar, state, message_id, created_at)
VALUES (%(email_id)s, %(event_id)s, %(event_type)s, %(event_subject)s, %(event_sequence)s, %(correlation_id)s,
    %(template)s, %(recipient_id)s, %(names)s, %(needs)s, %(facts)s, %(calendar)s, %(state)s, %(message_id)s,
    %(created_at)s)
ON CONFLICT DO NOTHING
"""

# FOR UPDATE holds the row until the reply is recorded: two senders never try the same e-mail at once.
TAKE_DUE = """
SELECT * FROM emails AS e
WHERE state = 'queued' AND next_attempt_at <= now() AND NOT EXISTS (
    SELECT FROM unnest(e.needs) AS needed (person_id)
    WHERE NOT EXISTS (SELECT FROM people WHERE people.person_id = needed.person_id)
)
ORDER BY next_attempt_at, email_id LIMIT 1 FOR UPDATE OF e SKIP LOCKED
"""

RENDERED = """
UPDATE emails SET recipient = %(recipient)s, language = %(language)s, subject = %(subject)s, text_body = %(text)s,
    html_body = %(html)s
WHERE email_id = %(email_id)s
"""

SENT = """
UPDATE emails SET state = 'sent', sent_at = %(now)s, settled_at = %(now)s, attempts = attempts + 1, last_error = NULL
WHERE email_id = %(email_id)s
"""

FAILED = """
UPDATE emails SET state = 'failed', settled_at = %(now)s, attempts = attempts + 1, last_error = %(error)s
WHERE email_id = %(email_id)s
"""

TRY_AGAIN = """
UPDATE emails SET attempts = attempts + 1, last_error = %s,
    next_attempt_at = clock_timestamp() + make_interval(secs => %s)
WHERE email_id = %s
"""

# A message sent on purpose once more must not be taken for a double by the reader's mail program.
RESEND = """
UPDATE emails SET state = 'queued', sent_at = NULL, settled_at = NULL, attempts = 0, resends = resends + 1,
    next_attempt_at = now(), last_error = NULL, recipient = NULL, subject = NULL, text_body = NULL, html_body = NULL,
    language = NULL, message_id = %(message_id)s
WHERE email_id = %(email_id)s AND resends = %(resends)s AND state <> 'queued'
"""

FIND = "SELECT * FROM emails WHERE email_id = %s"

# A reader who is not support sees what was written to them, a mentor also what was written about them.
FIND_FOR = """
SELECT e.*, CASE WHEN e.settled_at > %(as_of)s::timestamptz THEN 'queued' ELSE e.state END AS state_then
FROM emails AS e
WHERE email_id = %(email_id)s AND created_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
    AND (%(readers)s::uuid[] IS NULL OR recipient_id = ANY(%(readers)s) OR needs && %(named)s::uuid[])
"""

# Of an address, the second condition is the one that means it; the first finds the few rows to ask it of by index.
LIST = """
SELECT * FROM (
    SELECT e.*, p.email AS present_email,
        CASE WHEN e.settled_at > %(as_of)s::timestamptz THEN 'queued' ELSE e.state END AS state_then
    FROM emails AS e LEFT JOIN people AS p ON p.person_id = e.recipient_id
) AS e
WHERE e.created_at <= coalesce(%(as_of)s, 'infinity'::timestamptz)
    AND (%(state)s::text IS NULL OR e.state_then = %(state)s)
    AND (%(event_ids)s::uuid[] IS NULL OR e.event_id = ANY(%(event_ids)s))
    AND (%(to)s::text IS NULL OR lower(e.recipient) = lower(%(to)s) OR e.recipient_id = ANY(ARRAY(
        SELECT person_id FROM people WHERE lower(email) = lower(%(to)s)
    )))
    AND (%(to)s::text IS NULL OR lower(coalesce(e.recipient, e.present_email)) = lower(%(to)s))
    AND (%(before_at)s::timestamptz IS NULL OR (e.created_at, e.email_id) < (%(before_at)s, %(before_id)s::uuid))
    AND (%(readers)s::uuid[] IS NULL OR e.recipient_id = ANY(%(readers)s) OR e.needs && %(named)s::uuid[])
ORDER BY e.created_at DESC, e.email_id DESC LIMIT %(limit)s
"""


def queue(
    connection: Connection[DictRow], event: CloudEvent, letter: Letter, *, mail_domain: str, now: datetime, quiet: bool
) -> None:
    """One row for (event, template, recipient), whatever comes twice. Where quiet, or caused by an import: not sent."""
    email_id = derived_id("email", event.id, letter.template, letter.recipient_id)
    connection.execute(
        QUEUE,
        {
            "email_id": email_id,
            "event_id": event.id,
            "event_type": event.type,
            "event_subject": event.subject,
            "event_sequence": event.sequence,
            "correlation_id": event.correlation_id,
            "template": letter.template.value,
            "recipient_id": letter.recipient_id,
            "names": Jsonb({part: str(person_id) for part, person_id in letter.names.items()}),
            "needs": letter.needs(),
            "facts": Jsonb(dict(letter.facts)),
            "calendar": letter.calendar.value if letter.calendar else None,
            "state": "suppressed" if quiet or event.actor.startswith(IMPORT_ACTOR) else "queued",
            "message_id": f"<{email_id}@{mail_domain}>",
            "created_at": now,
        },
    )


def resent(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as sending it again leaves it: queued, to be written anew, with a Message-ID of its own."""
    local, _, domain = str(row["message_id"]).rpartition("@")
    anew = dict.fromkeys(("sent_at", "settled_at", "last_error", "recipient", "subject", "text_body", "html_body"))
    resends = row["resends"] + 1
    message_id = f"{local.partition('.')[0]}.{resends}@{domain}"
    return {**row, **anew, "language": None, "state": "queued", "attempts": 0} | {
        "resends": resends,
        "message_id": message_id,
    }


def named(row: Mapping[str, Any]) -> dict[str, UUID]:
    """The people of a letter by their part in it, from its row."""
    return {part: UUID(person_id) for part, person_id in row["names"].items()}
