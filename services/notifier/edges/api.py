"""``/api/emails``: every e-mail, its state and the event that caused it; support may send one again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from jinja2 import TemplateError
from psycopg import Connection
from psycopg.rows import DictRow
from pydantic import BaseModel, Field

from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Commands, Decision, check_if_match
from services.chassis.database import Database
from services.chassis.event_store import VersionConflict
from services.chassis.http import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Instant,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
)
from services.chassis.refusal import NotFound, Refused
from services.notifier.edges.access import READ, RESEND
from services.notifier.edges.rendering import Renderer
from services.notifier.views import emails, people

State = Literal["queued", "sent", "failed", "suppressed"]
AsOf = Annotated[
    Instant | None, Query(description="As it stood at this instant: which there were, and which were sent.")
]


class Email(BaseModel):
    """One e-mail. What it says is null while its recipient is not known yet."""

    email_id: UUID
    to: str | None
    template: str
    language: str | None
    subject: str | None
    text: str | None
    html: str | None
    state: State
    attempts: int
    event_id: UUID
    event_type: str
    correlation_id: UUID
    message_id: str
    created_at: Instant
    sent_at: Instant | None
    last_error: str | None = Field(description="What the mail server said last, where it did not accept.")
    version: int = Field(description="Goes up each time support sends it again.")


def create_router(database: Database, renderer: Renderer, commands: Commands) -> APIRouter:
    """Support reads all; everybody else what was written to them; a mentor also what was written about them."""
    router = APIRouter(tags=["emails"])

    @router.get("/emails")
    def list_emails(
        person: Annotated[Principal, READ.person],
        state: State | None = None,
        event_id: Annotated[
            list[UUID] | None, Query(max_length=MAX_LIMIT, description="Caused by one of these events.")
        ] = None,
        to: Annotated[str | None, Query(max_length=254)] = None,
        as_of: AsOf = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[Email]:
        """Newest first."""
        before_at, before_id = _before(cursor)
        asked = {
            "state": state,
            "event_ids": event_id,
            "to": to,
            "as_of": as_of,
            "before_at": before_at,
            "before_id": before_id,
            "limit": limit + 1,
        }
        with database.connection() as connection:
            rows = connection.execute(emails.LIST, asked | _reader(connection, person), prepare=False).fetchall()
            shown = [_shown(connection, renderer, _then(row, as_of)) for row in rows[:limit]]
        last = shown[-1] if len(rows) > limit else None
        following = encode_cursor({"created_at": last.created_at, "email_id": str(last.email_id)}) if last else None
        return Page[Email](items=shown, next_cursor=following)

    @router.get("/emails/{email_id}")
    def get_email(
        email_id: UUID, person: Annotated[Principal, READ.person], response: Response, as_of: AsOf = None
    ) -> Email:
        """One e-mail with its text and HTML."""
        with database.connection() as connection:
            asked = {"email_id": email_id, "as_of": as_of} | _reader(connection, person)
            row = connection.execute(emails.FIND_FOR, asked).fetchone()
            if row is None:
                raise _unknown()
            email = _shown(connection, renderer, _then(row, as_of))
        response.headers["ETag"] = f'"{email.version}"'
        return email

    @router.post("/emails/{email_id}/resend")
    def resend(email_id: UUID, request: Annotated[CommandRequest, RESEND.command]) -> Response:
        """Queues the e-mail again, written anew, with a Message-ID of its own."""

        def attempt() -> Decision:
            with database.connection() as connection:
                row = connection.execute(emails.FIND, (email_id,)).fetchone()
                if row is None:
                    raise _unknown()
                check_if_match(request, _version(row))
                if row["state"] == "queued":
                    raise Refused(
                        "email_already_queued",
                        "Cet e-mail est déjà en attente d’envoi.",
                        "This e-mail is already waiting to be sent.",
                    )
                queued = emails.resent(row)
                shown = _shown(connection, renderer, queued)

            def queue_again(connection: Connection[DictRow]) -> None:
                asked = {"email_id": email_id, "message_id": queued["message_id"], "resends": row["resends"]}
                if connection.execute(emails.RESEND, asked).rowcount == 0:
                    raise VersionConflict  # Somebody else was faster: look again.

            return Decision(changes=(), answer=lambda: shown.model_dump(mode="json"), status=202, also=queue_again)

        return commands.execute(request, attempt)

    return router


def _reader(connection: Connection[DictRow], person: Principal) -> dict[str, object]:
    """Whose letters are shown: None means everybody's. By account: an address may change hands."""
    if person.role == "support":
        return {"readers": None, "named": None}
    own_ids = people.with_email(connection, person.role, person.email)
    return {"readers": own_ids, "named": own_ids if person.role == "mentor" else []}


def _unknown() -> NotFound:
    return NotFound("email_unknown", "Cet e-mail n’existe pas.", "There is no such e-mail.")


def _shown(connection: Connection[DictRow], renderer: Renderer, row: dict[str, Any]) -> Email:
    """The row as the API gives it; one that was never tried is rendered for the reader, where its people are known."""
    said = {
        "to": row["recipient"],
        "language": row["language"],
        "subject": row["subject"],
        "text": row["text_body"],
        "html": row["html_body"],
    }
    if row["subject"] is None:
        known = people.by_id(connection.execute(people.FIND, (row["needs"],)).fetchall())
        recipient = known.get(row["recipient_id"])
        if recipient is not None and len(known) == len(row["needs"]):
            parts = {part: known[person_id] for part, person_id in emails.named(row).items()}
            try:
                rendered = renderer.render(row["template"], recipient, parts, row["facts"])
            except (TemplateError, KeyError, TypeError, ValueError):
                rendered = None  # Its state and last_error say so; the list must still be readable.
            if rendered is not None:
                said = {
                    "to": rendered.recipient,
                    "language": rendered.language,
                    "subject": rendered.subject,
                    "text": rendered.text,
                    "html": rendered.html,
                }
    same = {name: row[name] for name in Email.model_fields if name not in said and name != "version"}
    return Email(**said, **same, version=_version(row))


def _version(row: Mapping[str, Any]) -> int:
    return int(row["resends"]) + 1


def _then(row: dict[str, Any], as_of: datetime | None) -> dict[str, Any]:
    """The row as of an instant: one that was sent or failed later was queued. Sent again, it is as it is since."""
    if as_of is None or row["state_then"] == row["state"]:
        return row
    return {**row, "state": row["state_then"], "sent_at": None, "last_error": None, "attempts": 0}


def _before(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """Where the page before ended. Refuses (400) what no page of this list gave."""
    position = decode_cursor(cursor)
    if position is None:
        return None, None
    try:
        return datetime.fromisoformat(position["created_at"]), UUID(position["email_id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_cursor() from error
