"""The session: an encrypted, authenticated cookie (JWE, A256GCM) with the person's token. Nothing is kept here."""

import json
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Final, Literal, Self, get_args

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.requests import Request
from starlette.responses import Response

LIFETIME_S: Final = 8 * 3600
COOKIE: Final = "relais_session"
SECURE_COOKIE: Final = "__Host-relais_session"
_HEADER: Final = {"alg": "dir", "enc": "A256GCM"}

Role = Literal["mentor", "student", "support", "billing", "training"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in. ``person_id`` is the mentor's or student's id; the teams have none."""

    role: Role
    email: str
    name: str
    person_id: str | None
    token: str


@dataclass(frozen=True, slots=True)
class Session:
    """``csrf`` binds forms to this browser, before sign-in too; ``expires_at`` is in seconds since 1970."""

    csrf: str
    expires_at: int
    person: Person | None = None

    @classmethod
    def fresh(cls, person: Person | None = None) -> Self:
        return cls(csrf=secrets.token_urlsafe(24), expires_at=int(time.time()) + LIFETIME_S, person=person)


class SessionCookies:
    """Reads and writes the session's cookie. Whatever does not decrypt, or is over, is no session."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)

    def read(self, request: Request) -> Session | None:
        sealed = request.cookies.get(_name(request))
        if not sealed:
            return None
        try:
            opened = jwe.decrypt_compact(sealed, self._key, algorithms=["dir", "A256GCM"])
            content = json.loads(opened.plaintext or b"null")
            person = content.pop("person")
            session = Session(person=Person(**person) if person else None, **content)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return session if session.expires_at > time.time() else None

    def write(self, request: Request, response: Response, session: Session) -> None:
        sealed = jwe.encrypt_compact(_HEADER, json.dumps(asdict(session)).encode(), self._key)
        response.set_cookie(
            _name(request),
            sealed,
            max_age=max(0, session.expires_at - int(time.time())),
            path="/",
            httponly=True,
            samesite="lax",
            secure=_secure(request),
        )

    def forget(self, request: Request, response: Response) -> None:
        response.delete_cookie(_name(request), path="/", httponly=True, samesite="lax", secure=_secure(request))


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _name(request: Request) -> str:
    return SECURE_COOKIE if _secure(request) else COOKIE
