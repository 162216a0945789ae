"""Sends what is queued, one e-mail after the other: its row is held until the server's reply is recorded.

A crash between the server's 250 and our commit sends that one e-mail again, with the same Message-ID; no other.
"""

import asyncio
import contextlib
import logging
from typing import Any

from jinja2 import TemplateError
from prometheus_client import Counter
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from services.chassis.clock import Clock
from services.chassis.telemetry import log_context
from services.notifier.domain.delivery import Accepted, Refused, Reply, Uncertain, pause_after
from services.notifier.domain.letter import Person
from services.notifier.edges.message import Unaddressable, compose
from services.notifier.edges.rendering import Rendered, Renderer
from services.notifier.edges.smtp import ServerAway, SmtpServer
from services.notifier.views import emails, people

POLL_S = 1.0
AWAY_FIRST_S = 0.5
AWAY_MAX_S = 15.0
CONNECT_TIMEOUT_S = 5

SENT = Counter("relais_emails_total", "E-mails by what became of a try to send them.", ("outcome",))

log = logging.getLogger("relais.notifier.sender")


class Sender:
    """The task that empties the queue. ``wake`` (from any thread) says that there may be something to send."""

    def __init__(
        self,
        *,
        database_url: str,
        renderer: Renderer,
        server: SmtpServer,
        mail_from: str,
        clock: Clock,
        name: str = "notifier-sender",
    ) -> None:
        self._database_url = database_url
        self._renderer = renderer
        self._server = server
        self._mail_from = mail_from
        self._clock = clock
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._woken.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``; the e-mail in hand is finished. Raises psycopg.OperationalError: the database is away."""
        self._loop = asyncio.get_running_loop()
        try:
            connection = await AsyncConnection.connect(
                self._database_url,
                autocommit=True,
                row_factory=dict_row,
                application_name=self._name,
                connect_timeout=CONNECT_TIMEOUT_S,
                prepare_threshold=1,
            )
            async with connection:
                await self._send_until(stop, connection)
        finally:
            await self._server.quit()

    async def _send_until(self, stop: asyncio.Event, connection: AsyncConnection[DictRow]) -> None:
        away_s = AWAY_FIRST_S
        while not stop.is_set():
            self._woken.clear()
            try:
                if not await self.send_next(connection):
                    await _either(stop, self._woken, POLL_S)
                away_s = AWAY_FIRST_S
            except ServerAway as away:
                log.warning("mail server away", extra={"error": str(away), "again_in_s": away_s})
                await _either(stop, None, away_s)
                away_s = min(away_s * 2, AWAY_MAX_S)

    async def send_next(self, connection: AsyncConnection[DictRow]) -> bool:
        """Tries the e-mail that is due first; False where none is. Raises ServerAway, with nothing changed."""
        async with connection.transaction():
            row = await (await connection.execute(emails.TAKE_DUE)).fetchone()
            if row is None:
                return False
            with log_context(event_id=row["event_id"], correlation_id=row["correlation_id"]):
                await self._server.ready()
                await self._record(connection, row, await self._try(connection, row))
            return True

    async def _try(self, connection: AsyncConnection[DictRow], row: dict[str, Any]) -> Reply:
        found = await (await connection.execute(people.FIND, (row["needs"],))).fetchall()
        known = people.by_id(found)
        recipient = known[row["recipient_id"]]
        parts = {part: known[person_id] for part, person_id in emails.named(row).items()}
        try:
            rendered = await self._rendered(connection, row, recipient, parts)
            message = compose(row, rendered, recipient, parts.get("mentor"), sender=self._mail_from)
        except Unaddressable as error:
            return Refused(str(error))
        except (TemplateError, KeyError, TypeError, ValueError) as error:
            log.exception("e-mail can't be written", extra={"email_id": row["email_id"]})
            return Refused(f"{type(error).__name__}: {error}")
        return await self._server.send(message)

    async def _rendered(
        self, connection: AsyncConnection[DictRow], row: dict[str, Any], recipient: Person, parts: dict[str, Person]
    ) -> Rendered:
        """Rendered once, at the first try: every later one has the same words."""
        if row["subject"] is not None:
            return Rendered(row["recipient"], row["language"], row["subject"], row["text_body"], row["html_body"])
        rendered = self._renderer.render(row["template"], recipient, parts, row["facts"])
        await connection.execute(
            emails.RENDERED,
            {
                "email_id": row["email_id"],
                "recipient": rendered.recipient,
                "language": rendered.language,
                "subject": rendered.subject,
                "text": rendered.text,
                "html": rendered.html,
            },
        )
        return rendered

    async def _record(self, connection: AsyncConnection[DictRow], row: dict[str, Any], reply: Reply) -> None:
        email_id = row["email_id"]
        match reply:
            case Accepted():
                await connection.execute(emails.SENT, {"email_id": email_id, "now": self._clock.now()})
                SENT.labels("sent").inc()
                log.info("e-mail sent", extra={"email_id": email_id, "template": row["template"]})
            case Refused(reason) | Uncertain(reason):
                pause_s = pause_after(reply, row["attempts"] + 1)
                if pause_s is None:
                    failed = {"email_id": email_id, "now": self._clock.now(), "error": reason}
                    await connection.execute(emails.FAILED, failed)
                    SENT.labels("failed").inc()
                    log.error("e-mail failed", extra={"email_id": email_id, "error": reason})
                else:
                    await connection.execute(emails.TRY_AGAIN, (reason, pause_s, email_id))
                    SENT.labels("again").inc()
                    log.warning("e-mail tried again", extra={"email_id": email_id, "error": reason, "in_s": pause_s})


async def _either(stop: asyncio.Event, woken: asyncio.Event | None, timeout_s: float) -> None:
    """Waits for the first of the two, at most ``timeout_s``."""
    waits = [asyncio.create_task(event.wait()) for event in (stop, woken) if event is not None]
    try:
        await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await wait
