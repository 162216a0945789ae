"""An OpenID Connect provider that is not ours, over real HTTP; it can be told to lie."""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from fastapi import FastAPI, Request
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.responses import JSONResponse, RedirectResponse

KEY = RSAKey.generate_key(2048, auto_kid=True)
OTHER_KEY = RSAKey.generate_key(2048, auto_kid=True)
CLIENT_ID, SECRET = "portal-of-the-school", "a secret: 100%"


@dataclass
class OtherProvider:
    """``lies`` replaces claims of the ID token, and a few things more, by name."""

    url: str = ""
    lies: dict[str, Any] = field(default_factory=dict)
    token_ttl_s: int = 3600
    role: str = "support"
    revoked: bool = False
    rotates: bool = False
    """Each refresh token is good once."""
    away: bool = False
    """It renews nothing: behind its proxy it restarts."""
    used: set[str] = field(default_factory=set)
    renewed_count: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def access_token(self, **changed: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": "relais", "sub": "7", "email": "Sam@School.example", "name": "Sam",
            "roles": ["employee", self.role], "iat": now, "exp": now + self.token_ttl_s,
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": KEY.kid}, claims | changed, KEY, algorithms=["RS256"])

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "sub": "7", "nonce": nonce, "iat": now, "exp": now + 60}
        claims |= {name: value for name, value in self.lies.items() if name in ("iss", "aud", "nonce", "exp", "azp")}
        claims = {name: value for name, value in claims.items() if value is not None}
        match self.lies.get("signed"):
            case "with another key":
                return jwt.encode({"alg": "RS256", "kid": KEY.kid}, claims, OTHER_KEY, algorithms=["RS256"])
            case "with the public key":
                return signed_with_a_secret({"alg": "HS256", "kid": KEY.kid}, claims, KEY.as_pem(private=False))
            case "with nothing":
                return jwt.encode({"alg": "none"}, claims, OctKey.import_key("x" * 32), algorithms=["none"])
            case _:
                return jwt.encode({"alg": "RS256", "kid": KEY.kid}, claims, KEY, algorithms=["RS256"])


def application(here: OtherProvider) -> FastAPI:
    app = FastAPI()

    @app.get("/.well-known/openid-configuration")
    def discovery() -> dict[str, Any]:
        return {
            "issuer": here.lies.get("issuer", here.url),
            "authorization_endpoint": f"{here.url}/authorize",
            "token_endpoint": f"{here.url}/token",
            "end_session_endpoint": here.lies.get("end_session_endpoint", f"{here.url}/logout"),
            "jwks_uri": f"{here.url}/keys",
        }

    @app.get("/keys")
    def keys() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    @app.get("/authorize")
    def authorize(request: Request) -> RedirectResponse:
        asked = dict(request.query_params)
        assert asked["scope"].split()[0] == "openid"
        code = secrets.token_urlsafe(8)
        here.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": here.url} | here.lies.get("answer", {})
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        sent = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        told = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {told}":
            return JSONResponse({"error": "invalid_client"}, 401)
        body: dict[str, Any] = {
            "access_token": here.lies.get("access_token") or here.access_token(),
            "token_type": "Bearer",
            "expires_in": here.token_ttl_s,
            "refresh_token": secrets.token_urlsafe(8) + here.lies.get("padding", ""),
        }
        if sent["grant_type"] == "refresh_token":
            here.renewed_count += 1
            if here.away:
                return JSONResponse({}, 502)
            is_over = here.revoked or (here.rotates and sent["refresh_token"] in here.used)
            here.used.add(sent["refresh_token"])
            return JSONResponse({"error": "invalid_grant"}, 400) if is_over else JSONResponse(body)
        asked = here.codes.pop(sent["code"], None)
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != sent["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if not here.lies.get("no_id_token"):
            body["id_token"] = here.id_token(asked["nonce"])
        return JSONResponse(body)

    return app


def signed_with_a_secret(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """HS256 by hand: a library does not take a public key for a secret."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in (header, claims)]
    digest = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(digest).rstrip(b"=")]).decode()


@contextmanager
def running_provider() -> Iterator[OtherProvider]:
    here = OtherProvider()
    listener = socket.create_server(("127.0.0.1", 0))
    here.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(application(here), log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield here
    finally:
        server.should_exit = True
        thread.join(10)
