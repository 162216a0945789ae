"""The HTTP edge of a service: one FastAPI application with sign-in, problem+json, health, metrics and limits built in.

router = APIRouter()

@router.post("/sessions", status_code=201)
def schedule(body: NewSession, request: Annotated[CommandRequest, command_request("mentor")]) -> Response: ...

@router.get("/sessions/{session_id}")
def session(session_id: UUID, principal: Annotated[Principal, require("mentor", "support")]) -> SessionView: ...
"""

import base64
import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import orjson
import psycopg
from anyio import CapacityLimiter, fail_after, to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from services.chassis import problem
from services.chassis.api_page import api_page
from services.chassis.auth import Authenticator, Principal, Unauthenticated
from services.chassis.clock import Clock, SandboxClock, SystemClock
from services.chassis.commands import CommandRequest
from services.chassis.context import Context
from services.chassis.event_store import NewerEvent
from services.chassis.middleware import LATER, RequestFrame, as_problem, traceparent_of
from services.chassis.refusal import Refused

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_IDEMPOTENCY_KEY_CHARS = 255
MAX_CURSOR_CHARS = 1_000
OPERATIONS_THREADS = 4
OPERATIONS_TIMEOUT_S = 5.0

T = TypeVar("T")

_log = logging.getLogger("relais.errors")

# An instant in a body or an answer: RFC 3339 with an offset when it comes in, UTC with Z when it goes out.
Instant = Annotated[AwareDatetime, AfterValidator(lambda instant: instant.astimezone(UTC))]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description=f"Most items of a page, up to {MAX_LIMIT}.")]


class Page(BaseModel, Generic[T]):
    """One page of a list: ask again with ``cursor=next_cursor`` until it is null."""

    items: list[T]
    next_cursor: str | None = None


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = Field(description="A sentence in the language of Accept-Language: fr (default) or en.")
    code: str = Field(description="Stable, for programs.")
    errors: list[dict[str, Any]] = Field(description="Further details: {field, message}, or one diagnosis each.")
    correlation_id: str | None = None


def create_api(
    title: str,
    *,
    service: str,
    auth: Authenticator,
    routers: Sequence[APIRouter],
    ready: Callable[[], Mapping[str, str]],
    clock: Clock | None = None,
    before_metrics: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application of ``service``, its ``routers`` below ``/api``.

    ``ready`` names what the service needs and how it is: ``{"database": "ok"}``; anything but "ok", or an exception,
    makes ``/health/ready`` answer 503. ``before_metrics`` sets the gauges that are measured when they are read. Raises
    ValueError for a route that asks for no role.
    """
    app = FastAPI(
        title=title,
        version="1",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses={
            "default": {
                "description": "An error",
                "content": {problem.MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
            }
        },
    )
    app.state.authenticator = auth
    app.state.clock = clock or SystemClock()
    app.add_middleware(RequestFrame, service=service)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(NewerEvent, _newer_event)
    app.add_exception_handler(psycopg.DataError, _data_refused)
    for router in (*routers, *_sandbox(app.state.clock)):
        app.include_router(router, prefix="/api")
    _refuse_open_routes(app)
    _add_operations(app, ready, before_metrics)
    return app


def require(*roles: str) -> Any:
    """``Annotated[Principal, require("mentor", "support")]``: 401 without a valid token, 403 without one of ``roles``.

    Without roles: anybody with a valid token. The principal's ``role`` is the first of theirs that is allowed.
    """
    return Depends(_SignedIn(roles))


def command_request(*roles: str) -> Any:
    """``Annotated[CommandRequest, command_request("mentor")]``: the command's context, checked as by ``require``.

    Reads Idempotency-Key, If-Match, Accept-Language, X-Correlation-Id, traceparent and the digest of the raw body.
    """
    return Depends(_Commanding(roles))


def encode_cursor(position: Mapping[str, object]) -> str:
    """Where a page ended, as an opaque text for ``next_cursor``."""
    return base64.urlsafe_b64encode(orjson.dumps(position, option=orjson.OPT_UTC_Z)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None) -> dict[str, Any] | None:
    """What ``encode_cursor`` was given, instants and ids as text; None for the first page. Refused if not ours."""
    if cursor is None:
        return None
    try:
        position = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except ValueError:
        position = None
    if not isinstance(position, dict) or len(cursor) > MAX_CURSOR_CHARS:
        raise invalid_cursor()
    return position


def invalid_cursor() -> Refused:
    """The refusal (400) of a cursor that no page of this list gave."""
    return _Unparsable(
        "invalid_cursor",
        "Cette suite de liste n’est pas valable : reprenez depuis le début.",
        "This cursor is not valid: start the list again.",
    )


class _Unparsable(Refused):
    status = 400


class _SignedIn(HTTPBearer):
    """One dependency for token and role, not one on top of the other: FastAPI solves each again for every request."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        super().__init__(
            scheme_name="access_token",
            bearerFormat="JWT",
            description="Access token of the school's issuer.",
            auto_error=False,
        )
        self._roles = roles

    async def __call__(self, request: Request) -> Principal:  # type: ignore[override]
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(why="no bearer token", token_given="authorization" in request.headers)
        authenticator: Authenticator = request.app.state.authenticator
        try:
            if authenticator.needs_keys(token):  # May wait for the issuer: not in the event loop.
                person = await run_in_threadpool(authenticator.authenticate, token)
            else:
                person = authenticator.authenticate(token)
        except Unauthenticated as refused:
            _log.info("token refused", extra={"why": refused.why})
            raise
        authenticator.limit.admit(person.email)
        return person.acting_as(self._roles)


class _Commanding(_SignedIn):
    async def __call__(self, request: Request) -> CommandRequest:  # type: ignore[override]
        person = await super().__call__(request)
        context = Context(
            actor=person.actor,
            correlation_id=request.state.correlation_id,
            causation_id=None,
            traceparent=traceparent_of(request.headers),
            now=request.app.state.clock.now(),
        )
        return CommandRequest(
            context=context,
            idempotency_key=_idempotency_key(request),
            fingerprint=_fingerprint(request, await request.body()),
            if_match=_if_match(request),
            language=_language(request),
            person=person,
        )


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_IDEMPOTENCY_KEY_CHARS or not key.isascii() or not key.isprintable():
        raise _Unparsable(
            "not_parsable",
            f"L’en-tête Idempotency-Key doit compter de 1 à {MAX_IDEMPOTENCY_KEY_CHARS} caractères visibles.",
            f"The header Idempotency-Key must have 1 to {MAX_IDEMPOTENCY_KEY_CHARS} visible characters.",
        )
    return key


def _if_match(request: Request) -> int | None:
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    version = given.strip().removeprefix("W/").strip('"')
    if not version.isdecimal() or not version.isascii() or len(version) > 18:
        raise _Unparsable(
            "not_parsable",
            'L’en-tête If-Match doit donner une version, par exemple "3".',
            'The header If-Match must give a version, for example "3".',
        )
    return int(version)


def _fingerprint(request: Request, body: bytes) -> str:
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(body)
    return digest.hexdigest()


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem.refusal_problem(error, _language(request))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(finding["type"] == "json_invalid" for finding in found):
        return problem.problem(400, problem.NOT_PARSABLE, _language(request))
    if any(finding["loc"] == ("body",) for finding in found) and not _is_json(request):
        return problem.problem(415, problem.BY_STATUS[415], _language(request))
    in_body = any(finding["loc"][:1] == ("body",) for finding in found)
    sentence = problem.INVALID_BODY if in_body else problem.INVALID_PARAMETER
    return problem.problem(
        422, sentence, _language(request), errors=problem.validation_errors(found, _language(request))
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    unknown = problem.NOT_ACCEPTED if error.status_code < 500 else problem.INTERNAL
    sentence = problem.BY_STATUS.get(error.status_code, unknown)
    return problem.problem(error.status_code, sentence, _language(request), headers=error.headers)


async def _database_away(request: Request, error: Exception) -> Response:
    _log.warning("database unavailable", extra={"error": str(error)[:500]})
    return as_problem(request.scope, 503, problem.UNAVAILABLE, LATER)


async def _newer_event(request: Request, error: Exception) -> Response:
    """An upgrade is under way, and this process is of the version before: another one can answer."""
    _log.warning("stored by a newer version", extra={"error": str(error)})
    return as_problem(request.scope, 503, problem.UNAVAILABLE, LATER)


async def _data_refused(request: Request, error: Exception) -> Response:
    """PostgreSQL takes no NUL in a text, and no number beyond its type's range: that is the sender's error."""
    _log.warning("data refused by the database", extra={"error": type(error).__name__})
    return problem.problem(422, problem.INVALID_BODY, _language(request))


def _is_json(request: Request) -> bool:
    """Whether the body says that it is JSON; one that says nothing, since there is none, may pass."""
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    return content_type == "application/json" or content_type.endswith("+json")


def _language(request: Request) -> problem.Language:
    return problem.language_of(request.headers.get("accept-language"))


def _sandbox(clock: Clock) -> list[APIRouter]:
    if not isinstance(clock, SandboxClock):
        return []
    from services.chassis.sandbox import sandbox_router  # It is built with ``require``, so it stands above this module.

    return [sandbox_router(clock)]


def _refuse_open_routes(app: FastAPI) -> None:
    """A forgotten ``require`` must not open a route to everybody: the service does not start."""
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        if (
            dependant is not None
            and str(context.path).startswith("/api")
            and not any(isinstance(call, _SignedIn) for call in _calls(dependant))
        ):
            raise ValueError(f"{context.path} asks for no role: add require(…) or command_request(…)")


def _calls(dependant: Any) -> Iterator[object]:
    for needed in dependant.dependencies:
        yield needed.call
        yield from _calls(needed)


def _add_operations(app: FastAPI, ready: Callable[[], Mapping[str, str]], before_metrics: Callable[[], None]) -> None:
    """Health, metrics and the page of the API: for machines around the service, without sign-in, outside ``/api``."""

    @app.get("/health/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    threads = CapacityLimiter(OPERATIONS_THREADS)  # Their own, so that these answer while requests hold all others.

    async def in_time(look: Callable[[], T]) -> T:
        with fail_after(OPERATIONS_TIMEOUT_S):
            return await to_thread.run_sync(look, limiter=threads, abandon_on_cancel=True)

    @app.get("/health/ready", include_in_schema=False)
    async def readiness() -> Response:
        try:
            checks = dict(await in_time(ready))
        except Exception as error:  # Whatever a check raises, the answer is the same: not ready.
            checks = {"check": type(error).__name__}
        well = all(state == "ok" for state in checks.values())
        body = {"status": "ok" if well else "unavailable", "checks": checks}
        return Response(orjson.dumps(body), status_code=200 if well else 503, media_type="application/json")

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        with contextlib.suppress(TimeoutError):  # What the database would say is missing then; the rest is not.
            await in_time(before_metrics)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> Response:
        return api_page(app.openapi(), _language(request))


def to_instant(value: datetime) -> str:
    """RFC 3339 in UTC with Z, as every answer writes it."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
