"""Builds the portal: the only place that does."""

from dataclasses import dataclass
from typing import Final

import httpx
from fastapi import FastAPI

from services.chassis.auth import LOCAL_ISSUER, Authenticator, LocalIssuer
from services.chassis.clock import Clock, SystemClock, clock_for
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.portal.edges import docs
from services.portal.edges import issuer as local_issuer
from services.portal.edges import sign_in as signing_in
from services.portal.edges.api_client import api_client
from services.portal.edges.app import create_pages
from services.portal.edges.language import CODES, Language
from services.portal.edges.live import Streams
from services.portal.edges.oidc import Client, Provider
from services.portal.edges.proxy import Front
from services.portal.edges.rendering import Renderer
from services.portal.edges.routes import API_SERVICES, Upstreams
from services.portal.edges.session_cookie import SessionCookies
from services.portal.edges.settings import session_key
from services.portal.edges.visit import Portal
from services.portal.pages import (
    absence_students,
    absences,
    account,
    as_of,
    billing,
    continuity,
    correction,
    disputes,
    files,
    help_requests,
    home,
    lag,
    parked,
    planning,
    rebuilds,
    search,
    session_commands,
    sessions,
    statements,
    students,
    support,
    timeline,
    transfer_effects,
)

ROUTERS = (
    home.router,
    signing_in.router,
    docs.router,
    planning.router,
    session_commands.router,
    sessions.router,
    students.router,
    transfer_effects.router,
    absences.router,
    absence_students.router,
    account.router,
    billing.router,
    statements.router,
    support.router,
    search.router,
    timeline.router,
    as_of.router,
    correction.router,
    help_requests.router,
    continuity.router,
    files.router,
    parked.router,
    lag.router,
    rebuilds.router,
    disputes.router,
)


WELL_KNOWN: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in: at the provider ``issuer``, whose document stands at ``discovery_url``; None: nowhere."""

    client: Client
    issuer: str
    discovery_url: str | None

    def provider(self, http: httpx.AsyncClient) -> Provider | None:
        if self.discovery_url is None:
            return None
        return Provider(http, self.client, issuer=self.issuer, discovery_url=self.discovery_url)


def build(settings: Settings) -> Service:
    """The portal with the services that the settings name, and the local issuer where its key is in the data folder."""
    streams = Streams()
    return Service(
        name="portal",
        beside_api=(streams.close_when,),
        api=create_portal(
            upstreams=Upstreams(
                {
                    **{service: settings.service_url(service) for service in API_SERVICES},
                    "mail": settings.mail_url or "",
                }
            ),
            issuer=_local_issuer(settings),
            sign_in=_sign_in(settings),
            authenticator=Authenticator.from_settings(settings),
            key=session_key(settings),
            school_zone=settings.timezone,
            support_email=settings.support_email,
            clock=clock_for(settings.sandbox_clock_file),
            streams=streams,
        ),
    )


def create_portal(
    *,
    upstreams: Upstreams,
    issuer: LocalIssuer | None,
    sign_in: SignIn,
    authenticator: Authenticator,
    key: bytes,
    school_zone: str,
    support_email: str,
    clock: Clock | None = None,
    streams: Streams | None = None,
) -> FastAPI:
    """The whole front: the proxy outermost, the pages behind it."""
    languages = {code: Language(code, school_zone) for code in CODES}
    client = api_client()
    app = create_pages(
        Portal(
            client=client,
            upstreams=upstreams,
            cookies=SessionCookies(key, secure=sign_in.client.portal_url.startswith("https://")),
            languages=languages,
            renderer=Renderer(languages),
            issuer=issuer,
            provider=sign_in.provider(client),
            oidc=sign_in.client,
            streams=streams or Streams(),
            authenticator=authenticator,
            clock=clock or SystemClock(),
            school_zone=school_zone,
            support_email=support_email,
        ),
        (*ROUTERS, local_issuer.issuer_router()),
    )
    app.add_middleware(Front, upstreams=upstreams)
    return app


def _sign_in(settings: Settings) -> SignIn:
    """The school's provider; else the local one, which this very portal is, where it has one."""
    secret = settings.oidc_client_secret
    client = Client(
        settings.oidc_client_id, secret.get_secret_value() if secret else None, settings.portal_url.rstrip("/")
    )
    issuer = settings.oidc_issuer
    if issuer is not None and not issuer.startswith("file:"):
        return SignIn(client, issuer, issuer.rstrip("/") + WELL_KNOWN)
    if _local_issuer(settings) is not None:
        return SignIn(client, LOCAL_ISSUER, f"http://127.0.0.1:{settings.port}/issuer{WELL_KNOWN}")
    return SignIn(client, LOCAL_ISSUER, None)


def _local_issuer(settings: Settings) -> LocalIssuer | None:
    """Only where tokens are checked against the local issuer and its key was made: never beside a real provider."""
    directory = settings.data_dir / "issuer"
    if settings.oidc_issuer is not None or not (directory / "key.json").exists():
        return None
    return LocalIssuer(directory)
