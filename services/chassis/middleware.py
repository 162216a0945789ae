"""What surrounds every request: ids, limits, security headers, metrics, access log, and the last net for errors.

One plain ASGI middleware, because Starlette's function middlewares cost a task and two queues a request each.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal
from uuid import UUID

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis import problem
from services.chassis.ids import new_id
from services.chassis.telemetry import CORRELATION_ID, HTTP_SECONDS

MAX_BODY_BYTES: Final = 1_048_576
MAX_IMPORT_BODY_BYTES: Final = 4_194_304
MAX_HEAD_BYTES: Final = 65_536  # Address and headers: the server in front of us sets no limit to them.
MAX_IN_HAND: Final = 256  # Requests of one process; more would only wait longer than those who ask do.
DEADLINE_S: Final = 20.0  # Until an answer begins.
RETRY_AFTER_S: Final = 2
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-store",
}

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_QUIET = ("/health/", "/metrics")  # Asked every few seconds by machines: logged at DEBUG.
_CLOSE: Final = {"Connection": "close"}
LATER: Final = {"Retry-After": str(RETRY_AFTER_S)}
_log = logging.getLogger("relais.access")
_errors = logging.getLogger("relais.errors")


def correlation_id_of(headers: Headers) -> UUID:
    """The caller's ``X-Correlation-Id`` where it is a UUID; otherwise a fresh one."""
    try:
        return UUID(headers.get("x-correlation-id", ""))
    except ValueError:
        return new_id()


def traceparent_of(headers: Headers) -> str | None:
    """The caller's W3C ``traceparent`` where it is well-formed."""
    given = headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) else None


Answer = Callable[[Scope, int, problem.Sentence, Mapping[str, str]], Response]
"""Makes an answer of a request, a status, what it says, and headers."""


def as_problem(scope: Scope, status: int, sentence: problem.Sentence, headers: Mapping[str, str]) -> Response:
    language = problem.language_of(Headers(scope=scope).get("accept-language"))
    return problem.problem(status, sentence, language, headers=headers)


class RequestFrame:
    """Wraps an application. Headers that an answer sets itself are left as they are.

    ``answer`` makes what the frame itself answers: too long, too many, too late, failed.

    A request without an answer after ``deadline_s`` (a database that hangs) gets 503. What it asked for goes on, and
    counts among the ``max_in_hand`` until it ends: whoever asks with the same Idempotency-Key again finds it done.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        security_headers: Mapping[str, str] = SECURITY_HEADERS,
        deadline_s: float = DEADLINE_S,
        max_in_hand: int = MAX_IN_HAND,
        answer: Answer = as_problem,
    ) -> None:
        self._app = app
        self._service = service
        self._security_headers = security_headers
        self._deadline_s = deadline_s
        self._max_in_hand = max_in_hand
        self._in_hand = 0
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        headers = Headers(scope=scope)
        correlation_id = correlation_id_of(headers)
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        token = CORRELATION_ID.set(str(correlation_id))
        status = 0

        async def send_framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["X-Correlation-Id"] = str(correlation_id)
                for name, value in self._security_headers.items():
                    answer.setdefault(name, value)
            await send(message)

        self._in_hand += 1
        try:
            await self._run(scope, headers, receive, send_framed)
        finally:
            self._in_hand -= 1
            self._record(scope, status, time.perf_counter() - started_at)
            CORRELATION_ID.reset(token)

    async def _run(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        async def unavailable() -> None:
            await self._answer(scope, 503, problem.UNAVAILABLE, LATER)(scope, receive, send)

        limit = MAX_IMPORT_BODY_BYTES if scope["path"].endswith("/import") else MAX_BODY_BYTES
        address = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if address + sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD_BYTES:
            await self._answer(scope, 431, problem.HEAD_TOO_LARGE, _CLOSE)(scope, receive, send)
            return
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > limit:
            await self._answer(scope, 413, problem.BODY_TOO_LARGE, _CLOSE)(scope, receive, send)
            return
        if self._in_hand > self._max_in_hand and not scope["path"].startswith(_QUIET):
            await unavailable()
            return
        received = 0
        answering: Literal["nobody", "application", "deadline"] = "nobody"
        late: asyncio.Task[None] | None = None

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413)
            return message

        async def send_in_time(message: Message) -> None:
            nonlocal answering
            if answering != "deadline":
                answering = "application"
                await send(message)

        def give_up() -> None:
            nonlocal answering, late
            if answering == "nobody":
                answering = "deadline"
                _errors.error("no answer in time", extra={"method": scope["method"], "route": _template(scope)})
                late = asyncio.create_task(unavailable())

        timer = asyncio.get_running_loop().call_later(self._deadline_s, give_up)
        try:
            await self._app(scope, receive_limited, send_in_time)
        except Exception:
            _errors.exception("request failed", extra={"method": scope["method"], "route": _template(scope)})
            if answering == "application":
                raise  # Half an answer is out: the server must break the connection, so that nobody takes it for whole.
            await self._answer(scope, 500, problem.INTERNAL, {})(scope, receive, send_in_time)
        finally:
            timer.cancel()
            if late is not None:
                await late

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        template = _template(scope)
        HTTP_SECONDS.labels(self._service, scope["method"], template, status).observe(seconds)
        quiet = scope["path"].startswith(_QUIET)
        _log.log(
            logging.DEBUG if quiet else logging.INFO,
            "request",
            extra={
                "method": scope["method"],
                "route": template,
                "status": status,
                "duration_ms": round(seconds * 1000, 2),
            },
        )


def _template(scope: Scope) -> str:
    """The route as declared, so that ids make no metric of their own; "none" where no route took the request."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if not isinstance(path, str):
        return "none"
    return f"/api{path}" if scope["path"].startswith("/api/") and not path.startswith("/api") else path
