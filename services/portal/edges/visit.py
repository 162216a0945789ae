"""One request to a page: who asks, in which language, and how to answer."""

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import httpx
from fastapi import Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.chassis.auth import Authenticator, LocalIssuer
from services.chassis.clock import Clock
from services.portal.edges.api_client import Apis
from services.portal.edges.language import CODES, Code, Language
from services.portal.edges.live import Live, Part, Streams
from services.portal.edges.oidc import RENEW_BEFORE_S, Client, Provider, ProviderAway, SignInFailed
from services.portal.edges.rendering import Renderer
from services.portal.edges.routes import Upstreams
from services.portal.edges.session_cookie import Person, Role, Session, SessionCookies

log = logging.getLogger("relais.sign_in")

LANGUAGE_COOKIE: Final = "relais_language"
YEAR_S: Final = 365 * 24 * 3600
MAX_FORM_FIELDS: Final = 50
ONCE_MORE_COOKIE: Final = "relais_once_more"
ONCE_MORE_WITHIN_S: Final = 5
STAFF: Final = ("support", "billing", "training")


@dataclass(frozen=True)
class Portal:
    """What main.py built, for every request."""

    client: httpx.AsyncClient
    upstreams: Upstreams
    cookies: SessionCookies
    languages: Mapping[Code, Language]
    renderer: Renderer
    issuer: LocalIssuer | None
    provider: Provider | None
    oidc: Client
    streams: Streams
    authenticator: Authenticator
    clock: Clock
    school_zone: str
    support_email: str

    @property
    def portal_url(self) -> str:
        return self.oidc.portal_url

    @property
    def client_id(self) -> str:
        return self.oidc.client_id

    @property
    def redirect_uri(self) -> str:
        return self.oidc.redirect_uri


class SignInNeeded(Exception):
    """Nobody is signed in, or no longer.

    ``once_more``: another process may have renewed the session a moment ago, and its answer is on its way to the
    browser; so the same request, sent again, may come with fresh tokens.
    """

    def __init__(self, *, once_more: bool = False) -> None:
        super().__init__()
        self.once_more = once_more


class NotForYou(Exception):
    """The page is for other roles."""


class FormRefused(Exception):
    """A form that did not come from our own page, or from one that is too old."""


class Visit:
    """A request, its session, and the answers in the person's language."""

    def __init__(self, request: Request, portal: Portal) -> None:
        self.request = request
        self.portal = portal
        known = portal.cookies.read(request)
        self.session = known or Session.fresh()
        self._is_new = known is None
        self.code = _language_of(request)
        self.language = portal.languages[self.code]
        self.now: datetime = portal.clock.now()

    @property
    def person(self) -> Person:
        if self.session.person is None:
            raise SignInNeeded
        return self.session.person

    @property
    def own_id(self) -> str:
        """The mentor's or student's id of the person."""
        if self.person.person_id is None:
            raise NotForYou
        return self.person.person_id

    @property
    def apis(self) -> Apis:
        return self.apis_with(self.person.token, of_staff=self.person.role in STAFF)

    def apis_with(self, token: str, *, of_staff: bool = False) -> Apis:
        return Apis(self.portal.client, self.portal.upstreams, token=token, language=self.code, of_staff=of_staff)

    async def renew(self) -> None:
        """Fresh tokens where the person's are about to end. Once they did, raises SignInNeeded, ProviderAway."""
        session, provider = self.session, self.portal.provider
        if session.person is None or session.token_expires_at is None:
            return
        if session.token_expires_at - RENEW_BEFORE_S > time.time():
            return
        if session.refresh_token is None or provider is None:
            if session.token_expires_at <= time.time():
                raise SignInNeeded
            return
        try:
            tokens = await provider.renew(session.refresh_token)
        except (SignInFailed, ProviderAway) as error:
            if session.token_expires_at > time.time():
                log.info("tokens not renewed, these are still good", extra={"why": str(error)})
                return
            if isinstance(error, ProviderAway):
                raise
            # Many providers take a refresh token once. Then another process of the portal was faster with this one.
            raise SignInNeeded(once_more=ONCE_MORE_COOKIE not in self.request.cookies) from error
        self.session = replace(
            session,
            person=replace(session.person, token=tokens.access),
            refresh_token=tokens.refresh,
            token_expires_at=tokens.expires_at,
        )
        self.request.state.renewed = self.session

    def say(self, message: str, **values: object) -> str:
        return self.language.say(message, **values)

    def render(self, template: str, **values: Any) -> str:
        """A template, or a part of a page, as text."""
        return self.portal.renderer.render(
            self.code,
            template,
            person=self.session.person,
            csrf=self.session.csrf,
            now=self.now,
            here=self.request.url.path,
            address=self._address(),
            demonstration=self.portal.issuer is not None,
            mailbox=self.portal.upstreams.base_url("mail") is not None,
            **values,
        )

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A whole page. Never stored by a browser or a proxy: it shows a person's data."""
        response = HTMLResponse(self.render(template, **values), status_code=status)
        response.headers["cache-control"] = "no-store"
        response.headers["content-language"] = self.code
        if self._is_new:
            self.portal.cookies.write(self.request, response, self.session)
        return response

    def live(self, look: Callable[[], Awaitable[Part]], *, every_s: float, once: bool = False) -> Response:
        """A part of a page as it changes (server-sent events); ``once``: for a minute, no longer."""
        person = f"{self.person.role}:{self.person.email}"
        return Live(self.portal.streams, person, look, every_s=every_s, once=once)

    def speak(self, response: Response, code: str) -> None:
        """The pages' language from now on, kept in the browser."""
        if code in CODES:
            self._keep(response, LANGUAGE_COOKIE, code, for_s=YEAR_S)

    def once_more(self) -> Response:
        """The same request again, a form as it was. A cookie says for a moment that this is the second time."""
        url = self.request.url
        response = RedirectResponse(f"{url.path}?{url.query}" if url.query else url.path, status_code=307)
        self._keep(response, ONCE_MORE_COOKIE, "1", for_s=ONCE_MORE_WITHIN_S)
        return response

    def redirect(self, to: str) -> Response:
        """After a command: see the page that shows what it did (303)."""
        return RedirectResponse(to, status_code=303)

    async def form(self) -> dict[str, str]:
        """The fields sent, once it is certain that our own page sent them."""
        if self.request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise FormRefused
        async with self.request.form(max_files=0, max_fields=MAX_FORM_FIELDS) as sent:
            fields = {name: value.strip() for name, value in sent.items() if isinstance(value, str)}
        if not secrets.compare_digest(fields.get("csrf", "").encode(), self.session.csrf.encode()):
            raise FormRefused
        return fields

    def _keep(self, response: Response, name: str, value: str, *, for_s: int) -> None:
        secure = self.portal.cookies.is_secure(self.request)
        response.set_cookie(name, value, max_age=for_s, path="/", httponly=True, samesite="lax", secure=secure)

    def _address(self) -> str:
        """Where the visitor is, to come back to; never to a sign-in, which is good once."""
        if self.request.url.path.startswith("/connexion"):
            return "/"
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")


def _language_of(request: Request) -> Code:
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return next((code for code in CODES if code == chosen), "fr")


def visit(request: Request) -> Visit:
    return Visit(request, request.app.state.portal)


def signed_in(*roles: Role) -> Callable[[Visit], Awaitable[Visit]]:
    """A visit of somebody who is signed in, with one of the roles where some are named."""

    async def check(visit: Annotated[Visit, Depends(visit)]) -> Visit:
        if roles and visit.person.role not in roles:
            raise NotForYou
        _ = visit.person  # Raises where nobody is signed in.
        await visit.renew()
        return visit

    return check


AnyVisit = Annotated[Visit, Depends(visit)]
SignedIn = Annotated[Visit, Depends(signed_in())]
MentorVisit = Annotated[Visit, Depends(signed_in("mentor"))]
StudentVisit = Annotated[Visit, Depends(signed_in("student"))]
SupportVisit = Annotated[Visit, Depends(signed_in("support"))]
BillingVisit = Annotated[Visit, Depends(signed_in("billing", "support"))]
TrainingVisit = Annotated[Visit, Depends(signed_in("training", "support"))]
MentorOrSupport = Annotated[Visit, Depends(signed_in("mentor", "support"))]
ClosingVisit = Annotated[Visit, Depends(signed_in("billing"))]
FileVisit = Annotated[Visit, Depends(signed_in("mentor", "support", "training"))]
StaffVisit = Annotated[Visit, Depends(signed_in("mentor", "support", "training", "billing"))]


def sign_in_address(visit: Visit) -> str:
    return (
        f"/connexion?suite={quote(visit.request.url.path, safe='/')}" if visit.request.method == "GET" else "/connexion"
    )
