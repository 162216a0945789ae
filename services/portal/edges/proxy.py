"""One origin in front: hands `/api/…` to the owning service and `/mail…` to the local mail server, unchanged.

Plain ASGI, ahead of the pages: a command costs one hop and no middleware. Bodies stream both ways.
"""

import json
import logging
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.middleware import MAX_BODY_BYTES, MAX_IMPORT_BODY_BYTES, SECURITY_HEADERS
from services.portal.edges.routes import Upstreams, owner_of
from services.portal.edges.upstream import Pool, UpstreamAway

log = logging.getLogger(__name__)

# RFC 9110, 7.6.1: these speak of one connection, not of the message.
HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
# The session's cookie is for the pages alone; what a service says of its server is nobody's business.
NOT_SENT: Final = HOP_BY_HOP | {
    b"host",
    b"cookie",
    b"expect",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
}
NOT_RETURNED: Final = HOP_BY_HOP | {b"server", b"date"}

AWAY: Final = {
    "fr": "Ce service ne répond pas pour le moment. Rien n'a été perdu ; réessayez dans un instant.",
    "en": "This service is not answering at the moment. Nothing was lost; try again in a moment.",
}
TOO_LARGE: Final = {
    "fr": "La demande dépasse la taille acceptée.",
    "en": "The request is larger than what is accepted.",
}
UNKNOWN: Final = {"fr": "Cette adresse n'existe pas.", "en": "There is nothing at this address."}


class Front:
    """Sends a request to its service, or to the pages where no service owns its path."""

    def __init__(self, app: ASGIApp, upstreams: Upstreams) -> None:
        self._pages = app
        self._upstreams = upstreams
        self._pools: dict[str, Pool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        path: str = scope["path"]
        service = owner_of(path)
        if service is None:
            if path == "/api" or path.startswith("/api/"):
                await _problem(scope, send, 404, "not_found", UNKNOWN)
            else:
                await self._pages(scope, receive, send)
            return
        base_url = self._upstreams.base_url(service)
        if base_url is None:
            await _problem(scope, send, 503, "service_unavailable", AWAY)
            return
        await self._forward(service, base_url, scope, receive, send)

    async def _forward(self, service: str, base_url: str, scope: Scope, receive: Receive, send: Send) -> None:
        pool = self._pool(base_url)
        limit = MAX_IMPORT_BODY_BYTES if scope["path"].endswith("/import") else MAX_BODY_BYTES
        if _declared_bytes(scope) > limit:  # The service would hang up in the middle of it, and seem to be away.
            await _problem(scope, send, 413, "body_too_large", TOO_LARGE)
            return
        head, body = _request(scope, _limited(receive, limit), base_url)
        try:
            answer = await pool.send(head, body, answers_with_body=scope["method"] != "HEAD")
        except _Gone:
            return
        except _TooLarge:
            await _problem(scope, send, 413, "body_too_large", TOO_LARGE)
            return
        except UpstreamAway as error:
            log.warning("service away", extra={"owner": service, "error": str(error)})
            await _problem(scope, send, 503, "service_unavailable", AWAY)
            return
        try:
            headers = [(name, value) for name, value in answer.headers if name not in NOT_RETURNED]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            async for chunk in answer.body():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            answer.release()

    def _pool(self, base_url: str) -> Pool:
        if base_url not in self._pools:
            parts = urlsplit(base_url)
            self._pools[base_url] = Pool(parts.hostname or "127.0.0.1", parts.port or 80)
        return self._pools[base_url]


def _request(scope: Scope, receive: Receive, base_url: str) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """The request's head as bytes, and its body as it comes; the headers are those that came, but hop-by-hop ones."""
    query: bytes = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    left_out = NOT_SENT | _named_by_connection(scope["headers"])
    headers = [(b"host", urlsplit(base_url).netloc.encode()), *_forwarded(scope)]
    headers += [(name, value) for name, value in scope["headers"] if name not in left_out]
    given = {name for name, _ in scope["headers"]}
    body: AsyncIterator[bytes] | None = None
    if b"transfer-encoding" in given:
        headers = [(name, value) for name, value in headers if name != b"content-length"]
        headers.append((b"transfer-encoding", b"chunked"))
        body = _in_chunks(_chunks(receive))
    elif b"content-length" in given:
        body = _chunks(receive)
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (scope["method"].encode(), target, lines), body


async def _in_chunks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """RFC 9112, 7.1."""
    async for part in body:
        yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def _declared_bytes(scope: Scope) -> int:
    """As the caller says; 0 where it says nothing that is a number (the service answers to that)."""
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() and len(declared) < 19 else 0


def _limited(receive: Receive, limit: int) -> Receive:
    """Raises _TooLarge once more has come."""
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise _TooLarge
        return message

    return receive_limited


class _TooLarge(Exception):
    """More of a body came than any service takes."""


class _Gone(Exception):
    """The caller left before the whole body had come."""


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        if message.get("body"):
            yield message["body"]
        more = message.get("more_body", False)


def _named_by_connection(headers: list[tuple[bytes, bytes]]) -> frozenset[bytes]:
    named = b",".join(value for name, value in headers if name == b"connection")
    # Never the length: without it, a body would be read as the next request.
    return frozenset(token.strip().lower() for token in named.split(b",") if token.strip()) - {b"content-length"}


def _forwarded(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = dict(scope["headers"])
    forwarded = [(b"x-forwarded-proto", scope["scheme"].encode())]
    if scope.get("client"):
        forwarded.append((b"x-forwarded-for", scope["client"][0].encode()))
    if b"host" in headers:
        forwarded.append((b"x-forwarded-host", headers[b"host"]))
    return forwarded


async def _problem(scope: Scope, send: Send, status: int, code: str, sentences: dict[str, str]) -> None:
    accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1").lower()
    language = "en" if accepted.startswith("en") else "fr"
    body = json.dumps(
        {
            "type": f"urn:relais:problem:{code}",
            "title": code.replace("_", " "),
            "status": status,
            "detail": sentences[language],
            "code": code,
            "errors": [],
        },
        ensure_ascii=False,
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-language", language.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()),
    ]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
