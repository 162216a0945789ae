"""Signing in by OpenID Connect: authorization code with PKCE (S256), state and nonce, against any provider.

The provider is asked over HTTP for what it publishes (discovery, keys) and for tokens. What it answers is checked:
the issuer that the document names, the ID token's signature (algorithms pinned), ``iss``, ``aud``, ``azp``, ``exp``,
``nonce``. The access token is for the services; ``auth.Authenticator`` says whom it names, as it does there.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from services.chassis.auth import ALGORITHMS

SIGNING_IN_WITHIN_S: Final = 600
LEEWAY_S: Final = 30
RENEW_BEFORE_S: Final = 60
METADATA_FRESH_FOR_S: Final = 600.0
TIMEOUT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 262_144
MAX_RENEWED: Final = 1_024
SCOPE: Final = "openid profile email"


class SignInFailed(Exception):
    """The provider, or whoever answered in its place, did not sign the person in. ``why`` is for our log."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class ProviderAway(Exception):
    """The provider can't be reached, or answers what no provider answers."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in that was begun in this browser; kept in its cookie until it comes back."""

    state: str
    nonce: str
    verifier: str
    back_to: str
    expires_at: int

    @classmethod
    def begun(cls, back_to: str) -> "Pending":
        return cls(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            back_to=back_to,
            expires_at=int(time.time()) + SIGNING_IN_WITHIN_S,
        )

    @property
    def challenge(self) -> str:
        """RFC 7636, 4.2."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Tokens:
    """``expires_at`` is the access token's end, in seconds since 1970, as far as the provider says it."""

    access: str
    refresh: str | None
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Client:
    """How the provider knows the portal; without a secret it is a public client, which PKCE protects."""

    client_id: str
    client_secret: str | None
    portal_url: str

    @property
    def redirect_uri(self) -> str:
        return self.portal_url + "/connexion/retour"


class Provider:
    """One OpenID Connect provider. ``discovery_url`` is where its document stands; it must name ``issuer``."""

    def __init__(self, http: httpx.AsyncClient, client: Client, *, issuer: str, discovery_url: str) -> None:
        self._http = http
        self._client = client
        self._issuer = issuer
        self._discovery_url = discovery_url
        self._metadata: Mapping[str, Any] = {}
        self._keys: KeySet | None = None
        self._loaded_at = float("-inf")
        self._renewing: dict[str, asyncio.Task[Tokens]] = {}

    @property
    def origin(self) -> str:
        return _origin(self._issuer)

    async def address(self, pending: Pending) -> str:
        """Where the person signs in. Raises ProviderAway."""
        metadata = await self._known()
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": SCOPE,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": pending.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(metadata["authorization_endpoint"])
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(asked)

    async def finish(self, pending: Pending | None, answer: Mapping[str, str]) -> Tokens:
        """The tokens for what the provider sent the browser back with. Raises SignInFailed, ProviderAway."""
        if pending is None or pending.expires_at < time.time():
            raise SignInFailed("no sign-in was begun in this browser, or too long ago")
        if not secrets.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
            raise SignInFailed("the state is not that of this browser")
        if answer.get("iss", self._issuer) != self._issuer:  # RFC 9207: mixed up with another provider.
            raise SignInFailed("another issuer answered")
        if "error" in answer:
            raise SignInFailed(f"the provider says {answer['error'][:100]}")
        if not answer.get("code"):
            raise SignInFailed("there is no code")
        body = await self._token(
            grant_type="authorization_code",
            code=answer["code"],
            redirect_uri=self._client.redirect_uri,
            code_verifier=pending.verifier,
        )
        await self._check_id_token(body.get("id_token"), nonce=pending.nonce)
        return _tokens(body)

    async def renew(self, refresh_token: str) -> Tokens:
        """Fresh tokens. Requests of one person that come at once share one answer: a provider may rotate the token."""
        key = hashlib.sha256(refresh_token.encode()).hexdigest()
        task = self._renewing.get(key)
        if task is None or (task.done() and not _still_good(task)):
            while len(self._renewing) >= MAX_RENEWED:
                self._renewing.pop(next(iter(self._renewing)))
            task = self._renewing[key] = asyncio.create_task(self._renewed(refresh_token))
        return await asyncio.shield(task)

    async def sign_out_address(self, back_to: str) -> str | None:
        """Where the provider's own session ends; None where it says none, or none that our forms may lead to."""
        try:
            endpoint = (await self._known()).get("end_session_endpoint")
        except ProviderAway:
            return None
        if not isinstance(endpoint, str) or _origin(endpoint) not in (_origin(self._issuer), self._client.portal_url):
            return None
        asked = {"client_id": self._client.client_id, "post_logout_redirect_uri": back_to}
        return endpoint + ("&" if "?" in endpoint else "?") + urlencode(asked)

    async def _renewed(self, refresh_token: str) -> Tokens:
        fresh = _tokens(await self._token(grant_type="refresh_token", refresh_token=refresh_token))
        return Tokens(fresh.access, fresh.refresh or refresh_token, fresh.expires_at)

    async def _token(self, **asked: str) -> Mapping[str, Any]:
        metadata = await self._known()
        secret = self._client.client_secret
        auth = None
        if secret is None:
            asked["client_id"] = self._client.client_id
        else:
            auth = httpx.BasicAuth(self._client.client_id, secret)
        answer = await self._ask("POST", str(metadata["token_endpoint"]), data=asked, auth=auth)
        if answer.status_code >= 500:
            raise ProviderAway(f"{answer.status_code} from the token endpoint")
        body = _json(answer)
        if not answer.is_success:
            raise SignInFailed(f"the token endpoint says {answer.status_code} {str(body.get('error'))[:100]}")
        return body

    async def _check_id_token(self, token: object, *, nonce: str) -> None:
        if not isinstance(token, str):
            raise SignInFailed("there is no ID token")
        await self._known()
        assert self._keys is not None
        claims_wanted = JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = jwt.decode(token, self._keys, algorithms=list(ALGORITHMS)).claims
            claims_wanted.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            self._loaded_at = float("-inf")  # The keys may have changed: the next sign-in reads them anew.
            raise SignInFailed(f"the ID token: {type(error).__name__}: {error}") from error
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", self._client.client_id if not several else None) != self._client.client_id:
            raise SignInFailed("the ID token is for another client")

    async def _known(self) -> Mapping[str, Any]:
        """The provider's document and keys, read again from time to time."""
        if time.monotonic() - self._loaded_at > METADATA_FRESH_FOR_S:
            metadata = _json(await self._ask("GET", self._discovery_url))
            if metadata.get("issuer") != self._issuer:
                raise ProviderAway(f"{self._discovery_url} names another issuer")
            try:
                jwks = _json(await self._ask("GET", str(metadata["jwks_uri"])))
                public = [key for key in jwks["keys"] if key.get("kty") != "oct" and key.get("use") in (None, "sig")]
                self._keys = KeySet.import_key_set({"keys": public})
                _ = metadata["authorization_endpoint"], metadata["token_endpoint"]
            except (KeyError, TypeError, AttributeError, ValueError, JoseError) as error:
                raise ProviderAway("the provider's document or keys are not usable") from error
            self._metadata, self._loaded_at = metadata, time.monotonic()
        return self._metadata

    async def _ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, url, timeout=TIMEOUT_S, follow_redirects=False, **options)
        except httpx.HTTPError as error:
            raise ProviderAway(f"{_origin(url)} can't be reached") from error
        if len(answer.content) > MAX_ANSWER_BYTES:
            raise ProviderAway(f"{url} answers more than {MAX_ANSWER_BYTES} bytes")
        return answer


def _still_good(done: asyncio.Task[Tokens]) -> bool:
    if done.cancelled() or done.exception() is not None:
        return False
    expires_at = done.result().expires_at
    return expires_at is None or expires_at - RENEW_BEFORE_S > time.time()


def _tokens(body: Mapping[str, Any]) -> Tokens:
    access, refresh, expires_in = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    if not isinstance(access, str) or str(body.get("token_type", "")).lower() != "bearer":
        raise SignInFailed("there is no bearer token")
    lasts = isinstance(expires_in, int) and not isinstance(expires_in, bool)
    return Tokens(
        access,
        refresh if isinstance(refresh, str) else None,
        int(time.time()) + expires_in if lasts and isinstance(expires_in, int) else None,
    )


def _json(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise ProviderAway(f"{answer.url.path} answers no JSON") from error
    if not isinstance(body, dict):
        raise ProviderAway(f"{answer.url.path} answers no JSON object")
    return body


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
