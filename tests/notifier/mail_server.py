"""A real SMTP server that a test can make refuse, hang, or die at the worst moment."""

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

Answer = Callable[[EmailMessage], str | None]


def parse(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@dataclass
class MailServer:
    """``received`` holds what was accepted. ``answer`` decides on each message: None accepts, a text is the reply."""

    port: int = 0
    answer: Answer = lambda _: None
    refuse_recipient: str | None = None
    received: list[EmailMessage] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None
    _server: asyncio.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listens, on the same port as before where it was stopped."""
        if self.port == 0:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = int(free.getsockname()[1])
        listening = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        self._thread.start()
        assert listening.wait(10)

    def stop(self) -> None:
        """Ends at once, with the connections that are open."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
        self._loop = self._thread = None

    def _run(self, listening: threading.Event) -> None:
        loop = self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        transports: set[asyncio.Transport] = set()

        class Connection(SMTP):
            def connection_made(self, transport: Any) -> None:
                transports.add(transport)
                super().connection_made(transport)

        server = loop.run_until_complete(
            loop.create_server(
                lambda: Connection(self, hostname="localhost", loop=loop, enable_SMTPUTF8=True), "127.0.0.1", self.port
            )
        )
        listening.set()
        try:
            loop.run_forever()
        finally:
            server.close()
            for transport in transports:
                transport.abort()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.01))
            loop.close()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_recipient is not None:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = parse(envelope.content)
        reply = await asyncio.to_thread(self.answer, message)
        if reply is not None:
            return reply
        self.received.append(message)
        return "250 OK"
