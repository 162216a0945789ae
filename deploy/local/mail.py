"""The local mail server of `relais up`: takes what is sent over SMTP, keeps it as files, and shows it at /mail.

It delivers to nobody. Messages stand in DATA_DIR/mail, one `.eml` each, the newest MAX_MESSAGES of them.
"""

import asyncio
import logging
import re
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default as POLICY
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from services.chassis.auth import Authenticator
from services.chassis.http import create_api
from services.chassis.problem import Language, language_of
from services.chassis.service import Service, run_service
from services.chassis.settings import Settings

MAX_MESSAGES = 5_000
MAX_MESSAGE_BYTES = 1_048_576
MAX_BODY_CHARS = 262_144
SMTP_TIMEOUT_S = 60.0
SHOWN_BY_DEFAULT = 200

PAGES = Path(__file__).parent / "mail_pages"
PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'self'"
# What a message holds came over SMTP from anybody: no script, no request, an origin of its own.
MESSAGE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"

WORDS: Mapping[Language, Mapping[str, str]] = {
    "fr": {
        "title": "Boîte aux lettres locale",
        "explain": "Ces messages n’ont été remis à personne : ils restent sur cette machine.",
        "empty": "Aucun message pour le moment.",
        "none_found": "Aucun message pour cette adresse.",
        "filter": "Destinataire",
        "show": "Afficher",
        "all": "Tous les messages",
        "from": "De",
        "to": "À",
        "subject": "Objet",
        "received": "Reçu le",
        "text": "Texte",
        "html": "Mise en forme",
        "source": "Source du message",
        "no_subject": "(sans objet)",
    },
    "en": {
        "title": "Local mailbox",
        "explain": "These messages were delivered to nobody: they stay on this machine.",
        "empty": "No message yet.",
        "none_found": "No message for this address.",
        "filter": "Recipient",
        "show": "Show",
        "all": "All messages",
        "from": "From",
        "to": "To",
        "subject": "Subject",
        "received": "Received",
        "text": "Text",
        "html": "Formatted",
        "source": "Source of the message",
        "no_subject": "(no subject)",
    },
}

_NAME = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
log = logging.getLogger("relais.mail")


class Mailbox:
    """A folder of messages; the name of each begins with the instant at which it came."""

    def __init__(self, folder: Path, *, max_messages: int = MAX_MESSAGES) -> None:
        self._folder = folder
        self._max_messages = max_messages
        self._summaries: dict[str, dict[str, Any]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for part in folder.glob(".*.part"):
            part.unlink()
        self._names = deque(sorted(file.stem for file in folder.glob("*.eml") if _NAME.fullmatch(file.stem)))

    def keep(self, content: bytes, recipients: list[str]) -> str:
        """Writes a message whole, with its envelope's recipients, and lets the oldest go. OSError: the disk is full."""
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        part = self._folder / f".{name}.part"
        header = "".join(f"X-Relais-Envelope-To: {recipient}\r\n" for recipient in recipients).encode()
        part.write_bytes(header + content)
        part.replace(self._folder / f"{name}.eml")
        self._names.append(name)
        while len(self._names) > self._max_messages:
            oldest = self._names.popleft()
            self._summaries.pop(oldest, None)
            (self._folder / f"{oldest}.eml").unlink(missing_ok=True)
        return name

    def names(self) -> list[str]:
        """Newest first."""
        return list(reversed(self._names))

    def summaries(self, *, to: str | None, limit: int) -> list[dict[str, Any]]:
        """The headers of the newest ``limit`` messages, or of those to one address."""
        found: list[dict[str, Any]] = []
        for name in self.names():
            summary = self._summary(name)
            if summary is not None and (to is None or to.lower() in summary["recipients"]):
                found.append(summary)
                if len(found) == limit:
                    break
        return found

    def content(self, name: str) -> bytes | None:
        if not _NAME.fullmatch(name):
            return None
        try:
            return (self._folder / f"{name}.eml").read_bytes()
        except FileNotFoundError:
            return None

    def _summary(self, name: str) -> dict[str, Any] | None:
        known = self._summaries.get(name)
        if known is None and (content := self.content(name)) is not None:
            known = self._summaries[name] = _summary(name, BytesHeaderParser(policy=POLICY).parsebytes(content))
        return known


class _Intake:
    """What aiosmtpd calls for each message."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        recipients = ["".join(character for character in to if character.isprintable()) for to in envelope.rcpt_tos]
        try:
            name = await asyncio.to_thread(self._mailbox.keep, content, recipients)
        except OSError as error:
            log.error("message not kept", extra={"error": str(error)})
            return "452 4.3.1 Insufficient system storage"
        return f"250 2.0.0 Kept as {name}"


def run(data_dir: Path, smtp_port: int, http_port: int) -> None:
    """Runs the mail server until SIGTERM or SIGINT."""
    settings = Settings(data_dir=data_dir, smtp_url=f"smtp://127.0.0.1:{smtp_port}", port=http_port)
    run_service(build(settings), settings)


def build(settings: Settings) -> Service:
    """SMTP at the port of ``smtp_url``, the page at ``port``."""
    port = urlsplit(settings.smtp_url or "").port
    if port is None:
        raise ValueError("RELAIS_SMTP_URL must give the port that the local mail server listens on")
    mailbox = Mailbox(settings.data_dir / "mail")

    async def receive(stop: asyncio.Event) -> None:
        await serve_smtp(mailbox, settings.host, port, stop)

    api = create_api(
        "Relais · mail",
        service="mail",
        auth=Authenticator.from_settings(settings),
        routers=[],
        ready=lambda: _reachable(settings.host, port),
    )
    _add_pages(api, mailbox, settings.zone())
    return Service(name="mail", api=api, tasks=(receive,))


async def serve_smtp(mailbox: Mailbox, host: str, port: int, stop: asyncio.Event) -> None:
    """Takes messages until ``stop``. OSError where the port is taken."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_protocol(mailbox, loop), host, port)
    try:
        await stop.wait()
    finally:
        server.close()


def _protocol(mailbox: Mailbox, loop: asyncio.AbstractEventLoop) -> Callable[[], SMTP]:
    intake = _Intake(mailbox)
    return lambda: SMTP(
        intake,
        data_size_limit=MAX_MESSAGE_BYTES,
        enable_SMTPUTF8=True,
        hostname="localhost",
        ident="Relais",
        timeout=SMTP_TIMEOUT_S,
        loop=loop,
    )


def _reachable(host: str, port: int) -> dict[str, str]:
    with socket.create_connection((host, port), timeout=1.0):
        return {"smtp": "ok"}


def _add_pages(api: FastAPI, mailbox: Mailbox, zone: ZoneInfo) -> None:
    pages = Environment(loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined)
    router = APIRouter(include_in_schema=False)
    Address = Annotated[str | None, Query(max_length=254)]
    Shown = Annotated[int, Query(ge=1, le=MAX_MESSAGES)]

    def page(request: Request, template: str, **content: Any) -> HTMLResponse:
        language = language_of(request.headers.get("accept-language"))
        html = pages.get_template(template).render(words=WORDS[language], language=language, zone=zone, **content)
        return HTMLResponse(html, headers={"Content-Security-Policy": PAGE_POLICY, "X-Frame-Options": "SAMEORIGIN"})

    @router.get("/mail")
    def list_page(request: Request, to: Address = None, limit: Shown = SHOWN_BY_DEFAULT) -> HTMLResponse:
        messages = mailbox.summaries(to=to or None, limit=limit)
        return page(request, "list.html.jinja", messages=messages, to=to or "")

    @router.get("/mail/messages.json")
    def list_json(to: Address = None, limit: Shown = MAX_MESSAGES) -> dict[str, Any]:
        return {"items": mailbox.summaries(to=to or None, limit=limit)}

    @router.get("/mail/style.css")
    def style() -> Response:
        return Response((PAGES / "style.css").read_text(encoding="utf-8"), media_type="text/css")

    @router.get("/mail/{name}")
    def message_page(request: Request, name: str) -> HTMLResponse:
        return page(request, "message.html.jinja", message=_whole(mailbox, name))

    @router.get("/mail/{name}/message.json")
    def message_json(name: str) -> dict[str, Any]:
        return _whole(mailbox, name)

    @router.get("/mail/{name}/html")
    def message_html(name: str) -> HTMLResponse:
        html = _whole(mailbox, name)["html"] or ""
        return HTMLResponse(html, headers={"Content-Security-Policy": MESSAGE_POLICY, "X-Frame-Options": "SAMEORIGIN"})

    @router.get("/mail/{name}/source")
    def message_source(name: str) -> PlainTextResponse:
        content = mailbox.content(name)
        if content is None:
            raise HTTPException(404)
        return PlainTextResponse(content.decode("utf-8", "replace"))

    api.include_router(router)


def _summary(name: str, headers: Any) -> dict[str, Any]:
    return {
        "id": name,
        "message_id": _text(headers, "Message-ID"),
        "event_id": _text(headers, "X-Relais-Event-Id") or None,
        "from": _text(headers, "From"),
        "to": _text(headers, "To"),
        "recipients": [str(to).strip().lower() for to in headers.get_all("X-Relais-Envelope-To", [])],
        "subject": _text(headers, "Subject"),
        "received_at": datetime.fromtimestamp(int(name[:20]) / 1e9, UTC),
    }


def _text(headers: Any, name: str) -> str:
    try:
        return str(headers.get(name, ""))
    except (ValueError, IndexError, TypeError, AttributeError):
        return ""  # A header that Python's parser can't read is shown as empty; the source has it.


def _whole(mailbox: Mailbox, name: str) -> dict[str, Any]:
    content = mailbox.content(name)
    if content is None:
        raise HTTPException(404)
    message = message_from_bytes(content, policy=POLICY)
    return {**_summary(name, message), "text": _body(message, "plain"), "html": _body(message, "html")}


def _body(message: Any, subtype: str) -> str | None:
    part = message.get_body((subtype,)) if isinstance(message, EmailMessage) else None
    if part is None:
        return None
    try:
        return str(part.get_content())[:MAX_BODY_CHARS]
    except (LookupError, ValueError):
        return None
