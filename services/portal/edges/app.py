"""The portal's web application: pages, static files, health, metrics; errors as pages that say what to do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis import problem
from services.chassis.middleware import RequestFrame, as_problem
from services.portal.edges.api_client import Problem
from services.portal.edges.live import later
from services.portal.edges.oidc import ProviderAway
from services.portal.edges.rendering import STATIC_DIR, VersionedStatic
from services.portal.edges.visit import (
    FormRefused,
    NotForYou,
    Portal,
    SignInNeeded,
    Visit,
    sign_in_address,
)

log = logging.getLogger(__name__)

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


RENEWED_WITHIN_S = 1.0
FOR_MACHINES = ("/api/", "/issuer/token", "/issuer/jwks", "/openapi.json", "/health/", "/metrics")
HSTS = "max-age=31536000; includeSubDomains"


def create_pages(portal: Portal, routers: Sequence[APIRouter]) -> FastAPI:
    """The application behind the front: every page of the portal."""
    app = FastAPI(title="Relais", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.portal = portal
    app.add_middleware(ErrorPages)
    app.add_middleware(
        RequestFrame, service="portal", security_headers=_security_headers(portal), answer=_answer_of_the_frame
    )
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    for router in routers:
        app.include_router(router)
    _add_operations(app)
    # Only these are compressed: a page holds a token beside what people type (BREACH).
    app.mount("/static", GZipMiddleware(VersionedStatic(directory=STATIC_DIR)), name="static")
    return app


def _security_headers(portal: Portal) -> dict[str, str]:
    """A form may lead to the provider (signing out does); people who come over https stay there."""
    headers = dict(SECURITY_HEADERS)
    if portal.provider is not None and portal.issuer is None:
        headers["Content-Security-Policy"] = headers["Content-Security-Policy"].replace(
            "form-action 'self'", f"form-action 'self' {portal.provider.origin}"
        )
    if portal.portal_url.startswith("https://"):
        headers["Strict-Transport-Security"] = HSTS
    return headers


def _keep_renewed(scope: Scope, start: Message) -> None:
    """Puts a session with renewed tokens into the answer, whatever the answer is; signing out has the last word."""
    renewed = scope.get("state", {}).get("renewed")
    if renewed is None or any(name == b"set-cookie" for name, _ in start.get("headers", ())):
        return
    carrier = Response()
    scope["app"].state.portal.cookies.write(Request(scope), carrier, renewed)
    start["headers"] = [*start.get("headers", ()), *(pair for pair in carrier.raw_headers if pair[0] == b"set-cookie")]


class ErrorPages:
    """The last net: what nobody foresaw becomes a page too, and a line in the log. Also keeps renewed sessions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                _keep_renewed(scope, message)
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            if started:
                raise
            log.exception("page failed", extra={"path": scope["path"]})
            visit = Visit(Request(scope), scope["app"].state.portal)
            response = _sorry(
                visit,
                500,
                visit.say("Une erreur s'est produite de notre côté"),
                visit.say("Rien n'a été perdu. Réessayez dans un instant ; si cela persiste, prévenez le support."),
            )
            await response(scope, receive, send)


def _visit(request: Request) -> Visit:
    return Visit(request, request.app.state.portal)


def _answer_of_the_frame(scope: Scope, status: int, sentence: problem.Sentence, headers: Mapping[str, str]) -> Response:
    """What the frame of all requests refuses, before a page could: too long, too many, too late."""
    if status == 500 or scope["path"].startswith(FOR_MACHINES):  # A page about an error of ours failed too.
        return as_problem(scope, status, sentence, headers)
    request = Request(scope)
    visit = _visit(request)
    response = _sorry(visit, status, problem.TITLES[status][visit.code], sentence[1 if visit.code == "fr" else 2])
    response.headers.update(headers)
    renewed = scope["state"].get("renewed")
    if renewed is not None:  # By a page that then took too long: the provider may not take the old token again.
        visit.portal.cookies.write(request, response, renewed)
    return response


def _sorry(visit: Visit, status: int, title: str, sentence: str, errors: Sequence[object] = ()) -> Response:
    """A page that says what to do. A stream is told to come back: after another status than 200 it never would."""
    if status >= 500 and "text/event-stream" in visit.request.headers.get("accept", ""):
        return later()
    return visit.page("error.html", status=status, title=title, sentence=sentence, status_code=status, errors=errors)


async def _sign_in(request: Request, error: Exception) -> Response:
    visit = _visit(request)
    if isinstance(error, SignInNeeded) and error.once_more:
        await asyncio.sleep(RENEWED_WITHIN_S)
        return visit.once_more()
    return visit.redirect(sign_in_address(visit))


async def _not_for_you(request: Request, _: Exception) -> Response:
    visit = _visit(request)
    return _sorry(
        visit,
        403,
        visit.say("Cette page ne vous est pas destinée"),
        visit.say("Elle appartient à un autre rôle que le vôtre. Revenez à l'accueil, ou changez de personne."),
    )


async def _form_refused(request: Request, _: Exception) -> Response:
    visit = _visit(request)
    return _sorry(
        visit,
        403,
        visit.say("Ce formulaire n'est plus valable"),
        visit.say("La page était ouverte depuis trop longtemps ou dans une autre session. Rouvrez-la et recommencez."),
    )


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    visit = _visit(request)
    if error.status == 401:
        return visit.redirect(sign_in_address(visit))
    titles = {
        403: visit.say("Vous n'avez pas le droit de voir cela"),
        404: visit.say("Introuvable"),
        409: visit.say("Cela a changé entre-temps"),
        422: visit.say("Ce n'est pas possible"),
        503: visit.say("Un service ne répond pas"),
    }
    return _sorry(visit, error.status, titles.get(error.status, visit.say("Cela n'a pas abouti")), error.detail)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    visit = _visit(request)
    if error.status_code == 404:
        return _not_found(visit)
    return _sorry(
        visit,
        error.status_code,
        visit.say("Cette demande n'est pas acceptée ici"),
        visit.say("Revenez à l'accueil et recommencez."),
    )


async def _invalid(request: Request, _: Exception) -> Response:
    return _not_found(_visit(request))


def _not_found(visit: Visit) -> Response:
    return _sorry(
        visit,
        404,
        visit.say("Cette page n'existe pas"),
        visit.say("L'adresse est peut-être incomplète. L'accueil mène à tout le reste."),
    )


async def _provider_away(request: Request, _: Exception) -> Response:
    visit = _visit(request)
    return _sorry(
        visit,
        503,
        visit.say("La connexion n'est pas possible pour le moment"),
        visit.say("Un service ne répond pas. Réessayez dans un instant."),
    )


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    SignInNeeded: _sign_in,
    NotForYou: _not_for_you,
    FormRefused: _form_refused,
    Problem: _problem,
    ProviderAway: _provider_away,
    HTTPException: _http_error,
    RequestValidationError: _invalid,
}


def _add_operations(app: FastAPI) -> None:
    @app.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        # Ready by itself: where a service is away the portal still serves, and says so.
        return JSONResponse({"status": "ok", "checks": {"pages": "ok"}})

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
