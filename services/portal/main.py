"""Builds the portal: the only place that does."""

from fastapi import FastAPI

from services.chassis.auth import LocalIssuer
from services.chassis.clock import Clock, SystemClock, clock_for
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.portal.edges import docs, issuer, sign_in
from services.portal.edges.api_client import api_client
from services.portal.edges.app import create_pages
from services.portal.edges.language import CODES, Language
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
    help_requests,
    home,
    planning,
    search,
    session_commands,
    sessions,
    statements,
    students,
    support,
    timeline,
)

ROUTERS = (
    home.router,
    sign_in.router,
    issuer.router,
    docs.router,
    planning.router,
    session_commands.router,
    sessions.router,
    students.router,
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
)


def build(settings: Settings) -> Service:
    """The portal with the services that the settings name, and the local issuer where its key is in the data folder."""
    return Service(
        name="portal",
        api=create_portal(
            upstreams=Upstreams(
                {
                    **{service: settings.service_url(service) for service in API_SERVICES},
                    "mail": settings.mail_url or "",
                }
            ),
            issuer=_local_issuer(settings),
            key=session_key(settings),
            school_zone=settings.timezone,
            support_email=settings.support_email,
            url=settings.portal_url,
            clock=clock_for(settings.sandbox_clock_file),
        ),
    )


def create_portal(
    *,
    upstreams: Upstreams,
    issuer: LocalIssuer | None,
    key: bytes,
    school_zone: str,
    support_email: str,
    url: str,
    clock: Clock | None = None,
) -> FastAPI:
    """The whole front: the proxy outermost, the pages behind it."""
    languages = {code: Language(code, school_zone) for code in CODES}
    app = create_pages(
        Portal(
            client=api_client(),
            upstreams=upstreams,
            cookies=SessionCookies(key),
            languages=languages,
            renderer=Renderer(languages),
            issuer=issuer,
            clock=clock or SystemClock(),
            school_zone=school_zone,
            support_email=support_email,
            url=url,
        ),
        ROUTERS,
    )
    app.add_middleware(Front, upstreams=upstreams)
    return app


def _local_issuer(settings: Settings) -> LocalIssuer | None:
    """Only where tokens are checked against the local issuer and its key was made: never beside a real provider."""
    directory = settings.data_dir / "issuer"
    if settings.oidc_issuer is not None or not (directory / "key.json").exists():
        return None
    return LocalIssuer(directory)
