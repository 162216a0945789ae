"""The mail server, over SMTP: one connection, kept while there is something to send."""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.notifier.domain.delivery import Accepted, Refused, Reply, Uncertain

TIMEOUT_S = 20.0
IDLE_CHECK_S = 5.0
MAX_REASON_CHARS = 500
_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}

log = logging.getLogger("relais.notifier.smtp")


class ServerAway(Exception):
    """The server can't be reached, or refuses to talk with us at all: nothing is wrong with any e-mail."""


@dataclass(frozen=True, slots=True)
class SmtpAddress:
    """Where the server is, from ``smtp://``, ``smtp+starttls://`` or ``smtps://[user:password@]host[:port]``."""

    host: str
    port: int
    encryption: str
    username: str | None
    password: str | None

    @classmethod
    def parse(cls, url: str) -> Self:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("RELAIS_SMTP_URL must be like smtp://host:port")
        return cls(
            host=parts.hostname,
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
            encryption=parts.scheme,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


class SmtpServer:
    """Sends one message at a time."""

    def __init__(self, address: SmtpAddress, *, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._client: aiosmtplib.SMTP | None = None
        self._used_at = 0.0

    async def ready(self) -> None:
        """Connects where needed, and asks a connection that was idle whether it still lives. Raises ServerAway."""
        if self._client is not None and time.monotonic() - self._used_at > IDLE_CHECK_S:
            try:
                await self._client.noop()
            except (aiosmtplib.SMTPException, OSError):
                await self.close()
        if self._client is None:
            try:
                self._client = await self._connect()
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                raise ServerAway(_reason(error)) from error
        self._used_at = time.monotonic()

    async def send(self, message: EmailMessage) -> Reply:
        """What the server said. After ``ready``."""
        assert self._client is not None
        try:
            async with asyncio.timeout(self._timeout_s * 2):
                await self._client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as refused:
            await self._reset()
            return _by_code(refused.recipients[0].code, _reason(refused.recipients[0]))
        except aiosmtplib.SMTPSenderRefused as refused:
            await self._reset()
            return Uncertain(_reason(refused))  # Our own sender: an error of settings, not of this e-mail.
        except aiosmtplib.SMTPResponseException as refused:
            await self._reset()
            return _by_code(refused.code, _reason(refused))
        except aiosmtplib.SMTPNotSupported as refused:
            await self._reset()
            return Refused(_reason(refused))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            await self.close()
            return Uncertain(_reason(error))
        except BaseException:
            await self.close()
            raise
        self._used_at = time.monotonic()
        return Accepted()

    async def close(self) -> None:
        """Ends the connection; the server is not waited for."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def quit(self) -> None:
        """Ends the connection politely."""
        if self._client is not None:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._client.quit()
        await self.close()

    async def _connect(self) -> aiosmtplib.SMTP:
        address = self._address
        client = aiosmtplib.SMTP(
            hostname=address.host,
            port=address.port,
            username=address.username,
            password=address.password,
            use_tls=address.encryption == "smtps",
            start_tls=address.encryption == "smtp+starttls",
            timeout=self._timeout_s,
        )
        try:
            await client.connect()
        except BaseException:
            client.close()
            raise
        return client

    async def _reset(self) -> None:
        """After a refusal the connection is good for the next message, unless the server thinks otherwise."""
        try:
            if self._client is not None:
                await self._client.rset()
        except (aiosmtplib.SMTPException, OSError, TimeoutError):
            await self.close()


def _by_code(code: int, reason: str) -> Reply:
    return Refused(reason) if 500 <= code < 600 else Uncertain(reason)


def _reason(error: BaseException) -> str:
    code = getattr(error, "code", None)
    text = f"{code} {getattr(error, 'message', error)}" if code else f"{type(error).__name__}: {error}"
    return text.replace("\0", "")[:MAX_REASON_CHARS]
