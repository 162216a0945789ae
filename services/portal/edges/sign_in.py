"""Signing in at the school's provider and coming back, signing out, and the language."""

import asyncio
import logging
import secrets
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import Response

from services.chassis.auth import Principal, Unauthenticated
from services.chassis.refusal import Unavailable
from services.portal.edges.api_client import Problem
from services.portal.edges.oidc import Pending, ProviderAway, SignInFailed, Tokens
from services.portal.edges.session_cookie import ROLES, Person, Role, Session
from services.portal.edges.visit import AnyVisit, Visit

router = APIRouter()
log = logging.getLogger("relais.sign_in")

OWN_ACCOUNT: Final = {"mentor": ("/api/mentors/me", "mentor_id"), "student": ("/api/students/me", "student_id")}


@router.get("/connexion")
async def begin(visit: AnyVisit, suite: str = "") -> Response:
    """Sends the person to the provider; at the address that the provider knows, whose cookies it will be."""
    portal_url = visit.portal.portal_url
    if visit.request.headers.get("host") != urlsplit(portal_url).netloc:
        return visit.redirect(f"{portal_url}/connexion")
    if visit.portal.provider is None:
        return visit.page(
            "signing_in.html",
            title=visit.say("Connexion"),
            sentence=visit.say(
                "La connexion passe par le fournisseur d'identité de l'école. Il n'est pas relié à ce portail."
            ),
            again=False,
        )
    pending = Pending.begun(inside(suite))
    try:
        address = await visit.portal.provider.address(pending)
    except ProviderAway as away:
        return _away(visit, away)
    response = visit.redirect(address)
    visit.portal.cookies.write_pending(visit.request, response, pending)
    return response


@router.get("/connexion/retour")
async def come_back(visit: AnyVisit) -> Response:
    """The provider sends the browser back: with a code, for which it gives the tokens to us alone."""
    pending = visit.portal.cookies.read_pending(visit.request)
    provider = visit.portal.provider
    if provider is None:
        return visit.redirect("/connexion")
    try:
        tokens = await provider.finish(pending, visit.request.query_params)
        person = await _person(visit, tokens)
    except (SignInFailed, Unauthenticated) as failure:
        log.warning("sign-in refused", extra={"why": failure.why})
        response = visit.page(
            "signing_in.html",
            status=403,
            title=visit.say("La connexion n'a pas abouti"),
            sentence=visit.say("Elle a peut-être duré trop longtemps, ou a commencé dans une autre fenêtre."),
            again=True,
        )
    except (ProviderAway, Unavailable, Problem) as away:
        response = _away(visit, away)
    else:
        if person is None:
            response = visit.page(
                "signing_in.html",
                status=403,
                title=visit.say("Vous n'avez pas de compte ici"),
                sentence=visit.say(
                    "Le fournisseur d'identité vous connaît, mais pas Relais sous cette adresse. Demandez au support."
                ),
                again=True,
            )
        else:
            assert pending is not None
            await _note(visit, person)
            response = visit.redirect(inside(pending.back_to))
            session = Session.fresh(person, refresh_token=tokens.refresh, token_expires_at=tokens.expires_at)
            visit.portal.cookies.write(visit.request, response, session)
    visit.portal.cookies.forget_pending(visit.request, response)
    return response


@router.post("/deconnexion")
async def sign_out(visit: AnyVisit) -> Response:
    """Ends the session here, and at the provider where it says how."""
    await visit.form()
    provider = visit.portal.provider
    elsewhere = await provider.sign_out_address(f"{visit.portal.portal_url}/connexion") if provider else None
    response = visit.redirect(elsewhere or "/deconnecte")
    visit.portal.cookies.forget(visit.request, response)
    return response


@router.get("/deconnecte")
async def signed_out(visit: AnyVisit) -> Response:
    return visit.page(
        "signing_in.html",
        title=visit.say("Vous êtes déconnecté"),
        sentence=visit.say("À bientôt."),
        again=True,
    )


@router.post("/langue")
async def choose_language(visit: AnyVisit) -> Response:
    form = await visit.form()
    response = visit.redirect(inside(form.get("suite", "")))
    visit.speak(response, form.get("langue", ""))
    return response


async def _person(visit: Visit, tokens: Tokens) -> Person | None:
    """Whom the access token names, with their id; None where Relais has no such account."""
    principal = await asyncio.to_thread(visit.portal.authenticator.authenticate, tokens.access)
    role = _role(principal)
    if role is None:
        return None
    person = Person(role, principal.email, principal.name, None, tokens.access)
    if role not in OWN_ACCOUNT:
        return person
    path, id_name = OWN_ACCOUNT[role]
    try:
        account = await visit.apis_with(tokens.access).get(path)
    except Problem as problem:
        if problem.status in (403, 404):
            return None
        raise
    return replace(person, person_id=str(account[id_name]), name=str(account["name"]))


async def _note(visit: Visit, person: Person) -> None:
    """For the audit log. Where support's service is away, our own log has it alone: people can work all the same."""
    log.info("signed in", extra={"person": f"{person.role}:{person.email}"})
    try:
        await visit.apis_with(person.token).post("/api/audit/sign-ins", {}, idempotency_key=secrets.token_urlsafe(16))
    except Problem as problem:
        log.warning("sign-in not in the audit log", extra={"why": str(problem)})


def _role(principal: Principal) -> Role | None:
    """The first of the person's roles for which the portal has pages."""
    return next((ours for given in principal.roles for ours in ROLES if ours == given), None)


def _away(visit: Visit, error: Exception) -> Response:
    log.warning("sign-in not possible", extra={"why": str(error)})
    return visit.page(
        "signing_in.html",
        status=503,
        title=visit.say("La connexion n'est pas possible pour le moment"),
        sentence=visit.say("Un service ne répond pas. Réessayez dans un instant."),
        again=True,
    )


def inside(address: str) -> str:
    """Only a path of ours: a link from elsewhere must not send people away after they signed in."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith(("//", "/\\")):
        return "/"
    return address
