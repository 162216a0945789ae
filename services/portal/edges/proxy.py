"""One origin in front: hands `/api/…` to the owning service and `/mail…` to the local mail server, unchanged.

Plain ASGI, ahead of the pages: a command costs one hop and no middleware. Bodies stream both ways.
"""

import json
import logging
from collections.abc import AsyncIterator
from typing import Final

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.portal.edges.routes import Upstreams, owner_of

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 60.0
# Below the services' own 75 s, so that we never send on a connection which the service is closing.
KEEPALIVE_EXPIRY_S: Final = 30.0
MAX_CONNECTIONS: Final = 256

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
UNKNOWN: Final = {"fr": "Cette adresse n'existe pas.", "en": "There is nothing at this address."}


def proxy_client() -> httpx.AsyncClient:
    """The client of the proxy: many connections, long reads, no redirects of its own, no environment proxies."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
        ),
        follow_redirects=False,
        trust_env=False,
    )


class Front:
    """Sends a request to its service, or to the pages where no service owns its path."""

    def __init__(self, app: ASGIApp, upstreams: Upstreams, client: httpx.AsyncClient) -> None:
        self._pages = app
        self._upstreams = upstreams
        self._client = client

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
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        url = httpx.URL(base_url).copy_with(raw_path=target)
        named_hop_by_hop = _named_by_connection(scope["headers"])
        headers = [(name, value) for name, value in scope["headers"] if name not in NOT_SENT | named_hop_by_hop]
        headers += _forwarded(scope)
        request = self._client.build_request(scope["method"], url, content=_body(scope, receive))
        # Exactly what came, and nothing that httpx would add (user agent, accepted encodings).
        request.headers = httpx.Headers([(b"host", url.netloc), *headers])
        try:
            response = await self._client.send(request, stream=True)
        except _Gone:
            return
        except httpx.HTTPError as error:
            log.warning("service away", extra={"owner": service, "error": repr(error)})
            await _problem(scope, send, 503, "service_unavailable", AWAY)
            return
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status_code,
                    "headers": [(n.lower(), v) for n, v in response.headers.raw if n.lower() not in NOT_RETURNED],
                }
            )
            async for chunk in response.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await response.aclose()


class _Gone(Exception):
    """The caller left before the whole body had come."""


def _body(scope: Scope, receive: Receive) -> AsyncIterator[bytes] | None:
    headers = {name for name, _ in scope["headers"]}
    if b"content-length" not in headers and b"transfer-encoding" not in headers:
        return None
    return _chunks(receive)


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
    return frozenset(token.strip().lower() for token in named.split(b",") if token.strip())


def _forwarded(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = dict(scope["headers"])
    forwarded = [(b"x-forwarded-proto", scope["scheme"].encode())]
    if scope.get("client"):
        forwarded.append((b"x-forwarded-for", scope["client"][0].encode()))
    if b"host" in headers:
        forwarded.append((b"x-forwarded-host", headers[b"host"]))
    if b"transfer-encoding" in headers:
        forwarded.append((b"transfer-encoding", b"chunked"))  # The body goes on in chunks of our own connection.
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
        (b"cache-control", b"no-store"),
    ]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
