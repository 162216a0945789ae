"""Who is asking: access tokens (JWT, RFC 9068 manner) checked against their issuer's public keys.

Claims: ``iss``, ``aud`` (ours: "relais"), ``sub``, ``exp``, ``email``, ``name``, ``role`` (one of ROLES).
Algorithms are pinned to public-key ones, so a token signed with nothing, or with a public key taken for a shared
secret, is refused.
"""

import json
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, get_args
from typing import Literal as L
from urllib.parse import unquote, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from services.chassis.rate_limit import RateLimit
from services.chassis.refusal import Forbidden, Refused, Unavailable
from services.chassis.settings import Settings

Role = L["mentor", "student", "support", "billing", "training", "directory"]
ROLES: tuple[str, ...] = get_args(Role)
ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
AUDIENCE = "relais"
LOCAL_ISSUER = "urn:relais:local-issuer"

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PUBLIC_KEY_TYPES = ("EC", "RSA", "OKP")
_LEEWAY_S = 5
_MAX_TOKEN_CHARS = 8_192
_MAX_JWKS_BYTES = 262_144
_KEYS_FRESH_FOR_S = 600.0
_REFRESH_AT_MOST_EVERY_S = 5.0
_FETCH_TIMEOUT_S = 5.0
_MAX_REMEMBERED = 1_024


class Unauthenticated(Refused):
    """No access token, or not a valid one. Says no more than that, so that it can't be used to probe."""

    status = 401

    def __init__(self, *, why: str, token_given: bool) -> None:
        super().__init__(
            "unauthenticated",
            "Votre connexion n'est pas valable ou a expiré : reconnectez-vous.",
            "Your sign-in is not valid or has expired: sign in again.",
        )
        self.why = why  # For our log, never for the answer.
        self.token_given = token_given


@dataclass(frozen=True, slots=True)
class Principal:
    """The person (or the school's account system) whom a valid token names. ``role`` is the first of ``roles``."""

    role: str
    email: str
    name: str
    roles: tuple[str, ...]

    @property
    def actor(self) -> str:
        """As events record it: ``mentor:alice@example.org``."""
        return f"{self.role}:{self.email}"

    def acting_as(self, allowed: tuple[str, ...]) -> Self:
        """With the first of the person's roles that is allowed; refused where there is none. Empty: any role."""
        for role in self.roles:
            if not allowed or role in allowed:
                return type(self)(role=role, email=self.email, name=self.name, roles=self.roles)
        raise Forbidden(
            "forbidden",
            "Vous n'avez pas le droit de faire cela. Le support peut vous aider.",
            "You are not allowed to do this. Support can help you.",
        )


class KeySource(Protocol):
    """Where an issuer's name and public keys come from. ``load`` may block; it raises OSError or ValueError."""

    def load(self) -> tuple[str, Mapping[str, Any]]:
        """The issuer (as tokens name it in ``iss``) and its JWKS."""
        ...


class Authenticator:
    """Verifies tokens. Keys are fetched at the first one, so that services start before their issuer does."""

    def __init__(
        self,
        source: KeySource,
        *,
        audience: str = AUDIENCE,
        limit: RateLimit | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit or RateLimit()
        self._source = source
        self._audience = audience
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._claims = JWTClaimsRegistry()
        self._loaded_at = self._tried_at = float("-inf")
        self._remembered: dict[str, tuple[Principal, float]] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The issuer of ``oidc_issuer``: by discovery, or a local one's folder (``file://…``, or in ``data_dir``)."""
        url = settings.oidc_issuer
        keys: KeySource
        if url is None:
            keys = LocalKeys(settings.data_dir / "issuer")
        elif url.startswith("file:"):
            keys = LocalKeys(Path(unquote(urlsplit(url).path)))
        else:
            keys = OidcKeys(url)
        return cls(keys, audience=settings.oidc_audience, limit=RateLimit(settings.requests_per_s))

    def needs_keys(self, token: str) -> bool:
        """Whether ``authenticate`` would load keys for this token, which may block."""
        now = self._monotonic()
        if now - self._tried_at <= _REFRESH_AT_MOST_EVERY_S:
            return False
        return now - self._loaded_at > _KEYS_FRESH_FOR_S or not (token in self._remembered or self._knows(token))

    def authenticate(self, token: str) -> Principal:
        """Who ``token`` names. Raises Unauthenticated, or Unavailable where the issuer was never reached.

        A token that was good stays so until it expires or the keys are loaded again: its signature is checked once.
        """
        if len(token) > _MAX_TOKEN_CHARS:
            raise Unauthenticated(why="the token is too long", token_given=True)
        if self.needs_keys(token):
            self._refresh()
        remembered = self._remembered  # Before the keys: what old ones verified must not outlive them.
        principal, expires_at = remembered.get(token, (None, 0.0))
        if principal is not None and time.time() < expires_at:
            return principal
        if self._keys is None:
            raise Unavailable(
                "unavailable",
                "La connexion ne peut pas être vérifiée pour le moment. Réessayez dans un instant.",
                "Your sign-in can't be checked right now. Try again in a moment.",
            )
        try:
            claims = jwt.decode(token, self._keys, algorithms=list(ALGORITHMS), decoder_cls=_EachOnce).claims
            self._claims.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Unauthenticated(why=f"{type(error).__name__}: {error}", token_given=True) from error
        principal = _principal(claims)
        if len(remembered) >= _MAX_REMEMBERED:
            remembered.clear()
        remembered[token] = principal, float(claims["exp"]) + _LEEWAY_S
        return principal

    def _knows(self, token: str) -> bool:
        kid = _key_id(token)
        return self._keys is not None and any(key.kid == kid for key in self._keys.keys)

    def _refresh(self) -> None:
        """Loads the keys; where that fails, those that we have go on serving."""
        with self._lock:
            if self._monotonic() - self._tried_at <= _REFRESH_AT_MOST_EVERY_S:
                return
            self._tried_at = self._monotonic()
            try:
                issuer, jwks = self._source.load()
                public = [
                    key
                    for key in jwks["keys"]
                    if key.get("kty") in _PUBLIC_KEY_TYPES and key.get("use") in (None, "sig")
                ]
                keys = KeySet.import_key_set({"keys": public})
            except (OSError, ValueError, KeyError, TypeError, AttributeError, JoseError):
                if self._keys is None:  # Nothing yet: the issuer may still be starting.
                    self._tried_at += 1.0 - _REFRESH_AT_MOST_EVERY_S
                return
            self._claims = JWTClaimsRegistry(
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": issuer},
                aud={"essential": True, "value": self._audience},
                exp={"essential": True},
                sub={"essential": True},
                email={"essential": True},
            )
            self._keys, self._loaded_at, self._remembered = keys, self._monotonic(), {}


class _EachOnce(json.JSONDecoder):
    """Refuses an object that names a claim twice (RFC 7519, 4): readers differ in which of them they believe."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim stands twice")
    return found


def _key_id(token: str) -> str | None:
    """The ``kid`` that a token claims, not yet verified; None where there is none to read."""
    try:
        header = _header(token)
    except (ValueError, RecursionError):
        return None
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


def _header(token: str) -> dict[str, Any]:
    """The unverified header of a compact JWS; ValueError where it is none."""
    header = json.loads(urlsafe_b64decode(token.partition(".")[0].encode("ascii")))
    if not isinstance(header, dict):
        raise ValueError("the header is not an object")
    return header


def _principal(claims: Mapping[str, Any]) -> Principal:
    named = claims.get("roles", claims.get("role"))
    roles = tuple(role for role in (named if isinstance(named, list) else [named]) if role in ROLES)
    email, name = claims["email"], claims.get("name") or claims["email"]
    if not roles or not isinstance(email, str) or not isinstance(name, str):
        raise Unauthenticated(why="the claims name no role or no e-mail of ours", token_given=True)
    if "@" not in email or len(email) > 254 or _BREAKS.search(email) or _BREAKS.search(name):
        raise Unauthenticated(why="the claims name no e-mail or name as people have them", token_given=True)
    return Principal(role=roles[0], email=email.lower(), name=name[:200], roles=roles)


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """Keys given once, for tests and for an issuer whose keys are configured."""

    issuer: str
    jwks: Mapping[str, Any]

    def load(self) -> tuple[str, Mapping[str, Any]]:
        return self.issuer, self.jwks


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """The public keys that a LocalIssuer keeps beside its private one."""

    directory: Path

    def load(self) -> tuple[str, Mapping[str, Any]]:
        jwks: Mapping[str, Any] = json.loads((self.directory / "jwks.json").read_text(encoding="utf-8"))
        return LOCAL_ISSUER, jwks


@dataclass(frozen=True, slots=True)
class OidcKeys:
    """Keys by OpenID Connect discovery. The document must name the very issuer that was asked (OIDC Discovery, 4.3)."""

    issuer: str

    def load(self) -> tuple[str, Mapping[str, Any]]:
        import httpx  # Here: 4 MB that a service with a local issuer never needs.

        try:
            with httpx.Client(timeout=_FETCH_TIMEOUT_S, follow_redirects=False) as client:
                document = self._get(client, self.issuer.rstrip("/") + "/.well-known/openid-configuration")
                if document.get("issuer") != self.issuer:
                    raise ValueError(f"{self.issuer} says that it is {document.get('issuer')!r}")
                return self.issuer, self._get(client, document["jwks_uri"])
        except httpx.HTTPError as error:
            raise OSError(f"{self.issuer} can't be reached") from error

    @staticmethod
    def _get(client: Any, url: str) -> Mapping[str, Any]:
        with client.stream("GET", url) as answer:
            answer.raise_for_status()
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > _MAX_JWKS_BYTES:
                    raise ValueError(f"{url} answers more than {_MAX_JWKS_BYTES} bytes")
        document: Mapping[str, Any] = json.loads(body)
        return document


class LocalIssuer:
    """An issuer of our own for one machine (``relais up``, tests): a key in a folder, readable by its owner only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = self._open_key()

    def mint(
        self,
        role: str,
        email: str,
        name: str | None = None,
        ttl_s: int = 3_600,
        *,
        audience: str = AUDIENCE,
        nonce: str | None = None,
    ) -> str:
        """A token for ``role`` (one of ROLES) and ``email``, valid for ``ttl_s`` seconds: an access token, unless it
        is for another ``audience`` than ours."""
        if role not in ROLES:
            raise ValueError(f"there is no role {role!r}; roles are {', '.join(ROLES)}")
        now = int(time.time())
        claims = {
            "iss": LOCAL_ISSUER,
            "aud": audience,
            "sub": email.lower(),
            "email": email.lower(),
            "name": name or email,
            "role": role,
            "iat": now,
            "exp": now + ttl_s,
            **({"nonce": nonce} if nonce is not None else {}),
        }
        return jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key, algorithms=["ES256"])

    def claims_of(self, token: str, *, audience: str) -> Mapping[str, Any] | None:
        """What a token of this issuer says, where it is valid for ``audience``."""
        wanted = JWTClaimsRegistry(
            iss={"essential": True, "value": LOCAL_ISSUER},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )
        try:
            claims = jwt.decode(token, self._key, algorithms=["ES256"]).claims
            wanted.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return claims

    def jwks(self) -> dict[str, Any]:
        """The public keys, as ``/jwks`` publishes them."""
        return {"keys": [{**self._key.as_dict(private=False), "use": "sig", "alg": "ES256"}]}

    def authenticator(self) -> Authenticator:
        """One that accepts this issuer's tokens."""
        return Authenticator(StaticKeys(LOCAL_ISSUER, self.jwks()))

    def _open_key(self) -> ECKey:
        """The key of the folder, made where there is none; of several processes that start at once, one wins."""
        path = self._directory / "key.json"
        if not path.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            fresh = ECKey.generate_key("P-256", auto_kid=True)
            _write_whole(path, json.dumps(fresh.as_dict(private=True)), mode=0o600, replace=False)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise PermissionError(f"{path} can be read by others; set its mode to 600")
        key = ECKey.import_key(json.loads(path.read_text(encoding="utf-8")))
        self._key = key
        _write_whole(self._directory / "jwks.json", json.dumps(self.jwks()), mode=0o644, replace=True)
        return key


def _write_whole(path: Path, text: str, *, mode: int, replace: bool) -> None:
    """Writes ``path`` so that a reader sees all of it or none; without ``replace``, the first writer wins."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    if replace:
        part.replace(path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink()
