"""The session: an encrypted, authenticated cookie (JWE, A256GCM) with the person's tokens. Nothing is kept here."""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self, get_args

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from starlette.requests import Request
from starlette.responses import Response

from services.portal.edges.oidc import SIGNING_IN_WITHIN_S, Pending

LIFETIME_S: Final = 8 * 3600
COOKIE: Final = "relais_session"
SIGNING_IN_COOKIE: Final = "relais_signing_in"
SECURE_PREFIX: Final = "__Host-"
MAX_COOKIE_CHARS: Final = 3_800
MAX_PARTS: Final = 4
"""A browser keeps 4,096 bytes a cookie; providers' tokens may be longer, so the session is cut into parts."""
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
    """``csrf`` binds forms to this browser, before sign-in too; ``expires_at`` is in seconds since 1970.

    ``refresh_token`` renews the person's token, which ends at ``token_expires_at``.
    """

    csrf: str
    expires_at: int
    person: Person | None = None
    refresh_token: str | None = None
    token_expires_at: int | None = None

    @classmethod
    def fresh(
        cls, person: Person | None = None, *, refresh_token: str | None = None, token_expires_at: int | None = None
    ) -> Self:
        return cls(
            csrf=secrets.token_urlsafe(24),
            expires_at=int(time.time()) + LIFETIME_S,
            person=person,
            refresh_token=refresh_token,
            token_expires_at=token_expires_at,
        )


class SessionCookies:
    """Reads and writes the cookies. Whatever does not decrypt, or is over, is none.

    ``secure``: people come over https, whatever the last hop to this process is.
    """

    def __init__(self, key: bytes, *, secure: bool = False) -> None:
        self._key = OctKey.import_key(key)
        self._secure = secure

    def read(self, request: Request) -> Session | None:
        name = self._name(request, COOKIE)
        parts = [request.cookies.get(_part(name, number), "") for number in range(MAX_PARTS)]
        content = self._open("".join(parts))
        try:
            person = content.pop("person")
            session = Session(person=Person(**person) if person else None, **content)
        except (TypeError, KeyError, AttributeError):
            return None
        return session if session.expires_at > time.time() else None

    def write(self, request: Request, response: Response, session: Session) -> None:
        sealed = self._seal(asdict(session))
        lasts_s = max(0, session.expires_at - int(time.time()))
        if len(sealed) > MAX_PARTS * MAX_COOKIE_CHARS:
            raise ValueError("the provider's tokens are too long for cookies")
        name = self._name(request, COOKIE)
        for number in range(MAX_PARTS):
            part = sealed[number * MAX_COOKIE_CHARS : (number + 1) * MAX_COOKIE_CHARS]
            if part:
                self._set(request, response, _part(name, number), part, lasts_s)
            elif _part(name, number) in request.cookies:
                self._delete(request, response, _part(name, number))

    def forget(self, request: Request, response: Response) -> None:
        name = self._name(request, COOKIE)
        for number in range(MAX_PARTS):
            if number == 0 or _part(name, number) in request.cookies:
                self._delete(request, response, _part(name, number))

    def read_pending(self, request: Request) -> Pending | None:
        """The sign-in that this browser began."""
        content = self._open(request.cookies.get(self._name(request, SIGNING_IN_COOKIE), ""))
        try:
            return Pending(**content)
        except TypeError:
            return None

    def write_pending(self, request: Request, response: Response, pending: Pending) -> None:
        name = self._name(request, SIGNING_IN_COOKIE)
        self._set(request, response, name, self._seal(asdict(pending)), SIGNING_IN_WITHIN_S)

    def forget_pending(self, request: Request, response: Response) -> None:
        self._delete(request, response, self._name(request, SIGNING_IN_COOKIE))

    def _seal(self, content: Mapping[str, Any]) -> str:
        return jwe.encrypt_compact(_HEADER, json.dumps(content).encode(), self._key)

    def _open(self, sealed: str) -> dict[str, Any]:
        if not sealed:
            return {}
        try:
            content = json.loads(jwe.decrypt_compact(sealed, self._key, algorithms=["dir", "A256GCM"]).plaintext or b"")
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            return {}
        return content if isinstance(content, dict) else {}

    def _set(self, request: Request, response: Response, name: str, value: str, lasts_s: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=lasts_s,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self.is_secure(request),
        )

    def _delete(self, request: Request, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=self.is_secure(request))

    def _name(self, request: Request, name: str) -> str:
        return SECURE_PREFIX + name if self.is_secure(request) else name

    def is_secure(self, request: Request) -> bool:
        return self._secure or request.url.scheme == "https"


def _part(name: str, number: int) -> str:
    return name if number == 0 else f"{name}.{number}"
