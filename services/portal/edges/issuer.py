"""The local issuer of ``relais up``: a small OpenID Connect provider, whose sign-in page is a choice of a person.

Discovery, keys, authorization code with PKCE (S256 alone), refresh, sign-out. It exists only where tokens are checked
against the local issuer's key; with a school's own provider every route here is 404.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from services.chassis.auth import LOCAL_ISSUER, LocalIssuer
from services.portal.edges.api_client import Apis, Problem, or_problem, path
from services.portal.edges.language import sort_key
from services.portal.edges.session_cookie import LIFETIME_S, Role
from services.portal.edges.shapes import Mentor, Student
from services.portal.edges.visit import AnyVisit, NotForYou, Visit

STUDENTS_SHOWN: Final = 12
SEARCH_CHARS: Final = 100
TEAMS: Final[dict[str, Role]] = {"support": "support", "billing": "billing", "training": "training"}
TOKEN_TTL_S: Final = 900
CODE_TTL_S: Final = 60
MAX_CODES: Final = 1_000
MAX_TOKEN_REQUEST_BYTES: Final = 16_384
REFRESH_AUDIENCE: Final = "relais-refresh"
ASKED: Final = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code stands for, once and for a minute."""

    role: Role
    email: str
    name: str
    redirect_uri: str
    nonce: str | None
    challenge: str
    expires_at: float


class Codes:
    """The codes that are given out and not used yet, of this process."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def give(self, grant: Grant) -> str:
        while len(self._grants) >= MAX_CODES:
            self._grants.pop(next(iter(self._grants)))
        code = secrets.token_urlsafe(32)
        self._grants[code] = grant
        return code

    def take(self, code: str) -> Grant | None:
        """What the code stands for; never twice, and not after its time."""
        grant = self._grants.pop(code, None)
        return grant if grant is not None and time.monotonic() < grant.expires_at else None


def local(visit: AnyVisit) -> LocalIssuer:
    if visit.portal.issuer is None:
        raise HTTPException(404)
    return visit.portal.issuer


Local = Annotated[LocalIssuer, Depends(local)]


def issuer_router() -> APIRouter:
    """Routes below ``/issuer``."""
    router = APIRouter(prefix="/issuer")
    codes = Codes()

    @router.get("/.well-known/openid-configuration")
    async def discovery(visit: AnyVisit, _: Local) -> JSONResponse:
        """What people use is at the portal's address, what programs use where they asked."""
        here, there = str(visit.request.base_url).rstrip("/"), visit.portal.portal_url
        return JSONResponse(
            {
                "issuer": LOCAL_ISSUER,
                "authorization_endpoint": f"{there}/issuer/authorize",
                "token_endpoint": f"{here}/issuer/token",
                "end_session_endpoint": f"{there}/issuer/sign-out",
                "jwks_uri": f"{here}/issuer/jwks",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "subject_types_supported": ["public"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    @router.get("/jwks")
    async def jwks(issuer: Local) -> JSONResponse:
        return JSONResponse(issuer.jwks())

    @router.get("/authorize")
    async def choose(visit: AnyVisit, _: Local, q: str = "") -> Response:
        """The page on which a person of the school is chosen."""
        asked = _asked(visit)
        if asked["response_type"] != "code" or asked["code_challenge_method"] != "S256" or not asked["code_challenge"]:
            return _back(visit, asked, error="invalid_request")
        apis = _directory(visit)
        mentors, students = await asyncio.gather(
            or_problem(apis.all_items(path("mentors"))),
            or_problem(apis.get(path("students"), search=q.strip()[:SEARCH_CHARS], limit=STUDENTS_SHOWN)),
        )
        known_mentors = [] if isinstance(mentors, Problem) else [Mentor.model_validate(item) for item in mentors]
        page = {"items": [], "next_cursor": None} if isinstance(students, Problem) else students
        return visit.page(
            "sign_in.html",
            asked=asked,
            mentors=sorted(known_mentors, key=lambda mentor: sort_key(mentor.name)),
            students=[Student.model_validate(item) for item in page["items"]],
            more=page["next_cursor"] is not None,
            q=q,
            away=next((part for part in (mentors, students) if isinstance(part, Problem)), None),
        )

    @router.post("/authorize")
    async def chosen(visit: AnyVisit, _: Local) -> Response:
        form = await visit.form()
        asked = _asked(visit)
        kind, person_id = (form.get("person", "") + ":").split(":")[:2]
        role, email, name = await _person(visit, kind, person_id)
        grant = Grant(
            role=role,
            email=email,
            name=name,
            redirect_uri=asked["redirect_uri"],
            nonce=asked["nonce"] or None,
            challenge=asked["code_challenge"],
            expires_at=time.monotonic() + CODE_TTL_S,
        )
        return _back(visit, asked, code=codes.give(grant))

    @router.post("/token")
    async def token(request: Request, visit: AnyVisit, issuer: Local) -> JSONResponse:
        asked = await _token_request(request)
        if asked.get("client_id") != visit.portal.client_id:
            return _refused("invalid_client", 401)
        match asked.get("grant_type"):
            case "authorization_code":
                grant = codes.take(asked.get("code", ""))
                if (
                    grant is None
                    or grant.redirect_uri != asked.get("redirect_uri")
                    or not secrets.compare_digest(
                        grant.challenge.encode(), _challenge(asked.get("code_verifier", "")).encode()
                    )
                ):
                    return _refused("invalid_grant")
                body = _tokens(issuer, grant.role, grant.email, grant.name)
                body["id_token"] = issuer.mint(
                    grant.role,
                    grant.email,
                    grant.name,
                    TOKEN_TTL_S,
                    audience=visit.portal.client_id,
                    nonce=grant.nonce,
                )
            case "refresh_token":
                claims = issuer.claims_of(asked.get("refresh_token", ""), audience=REFRESH_AUDIENCE)
                if claims is None:
                    return _refused("invalid_grant")
                body = _tokens(issuer, claims["role"], claims["email"], claims["name"])
            case _:
                return _refused("unsupported_grant_type")
        return JSONResponse(body, headers={"cache-control": "no-store"})

    @router.get("/sign-out")
    async def sign_out(visit: AnyVisit, _: Local, post_logout_redirect_uri: str = "") -> Response:
        """There is no session here that could end; back to the portal, and nowhere else."""
        known = f"{visit.portal.portal_url}/connexion"
        return visit.redirect(known if post_logout_redirect_uri == known else "/")

    return router


def _asked(visit: Visit) -> dict[str, str]:
    """The request for a sign-in. One of a client or an address that is not ours leads nowhere, not even back."""
    query = visit.request.query_params
    asked = {name: query.get(name, "") for name in ASKED}
    if asked["client_id"] != visit.portal.client_id or asked["redirect_uri"] != visit.portal.redirect_uri:
        raise HTTPException(400)
    return asked


def _back(visit: Visit, asked: Mapping[str, str], **answer: str) -> Response:
    return visit.redirect(
        asked["redirect_uri"] + "?" + urlencode({**answer, "state": asked["state"], "iss": LOCAL_ISSUER})
    )


def _tokens(issuer: LocalIssuer, role: str, email: str, name: str) -> dict[str, Any]:
    return {
        "access_token": issuer.mint(role, email, name, TOKEN_TTL_S),
        "refresh_token": issuer.mint(role, email, name, LIFETIME_S, audience=REFRESH_AUDIENCE),
        "token_type": "Bearer",
        "expires_in": TOKEN_TTL_S,
    }


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.6."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _refused(error: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": error}, status_code=status, headers={"cache-control": "no-store"})


async def _token_request(request: Request) -> dict[str, str]:
    body = await request.body()
    if len(body) > MAX_TOKEN_REQUEST_BYTES:
        raise HTTPException(413)
    try:
        return {name: values[0] for name, values in parse_qs(body.decode("ascii"), max_num_fields=20).items()}
    except (UnicodeDecodeError, ValueError):
        return {}


async def _person(visit: Visit, kind: str, person_id: str) -> tuple[Role, str, str]:
    if kind == "mentor":
        mentor = Mentor.model_validate(await _directory(visit).get(path("mentors", person_id)))
        return "mentor", mentor.email, mentor.name
    if kind == "student":
        student = Student.model_validate(await _directory(visit).get(path("students", person_id)))
        return "student", student.email, student.name
    if kind in TEAMS and not person_id:
        names = {
            "support": visit.say("Équipe support"),
            "billing": visit.say("Équipe facturation"),
            "training": visit.say("Administration de la formation"),
        }
        return TEAMS[kind], f"{kind}@ecole.example.org", names[kind]
    raise NotForYou


def _directory(visit: Visit) -> Apis:
    """The people of the school, read as its account system: nobody is signed in yet."""
    issuer = visit.portal.issuer
    assert issuer is not None
    return visit.apis_with(issuer.mint("directory", "portal@ecole.example.org", "Portal", ttl_s=60))
