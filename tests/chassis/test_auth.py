"""Access tokens: the good one opens, every bad one is refused with nothing said about why."""

import base64
import hashlib
import hmac
import json
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from services.chassis.auth import (
    AUDIENCE,
    LOCAL_ISSUER,
    Authenticator,
    LocalIssuer,
    OidcKeys,
    Principal,
    StaticKeys,
    Unauthenticated,
)
from services.chassis.refusal import Forbidden, Unavailable
from services.chassis.settings import Settings

KEY = ECKey.generate_key("P-256", auto_kid=True)
OTHER_KEY = ECKey.generate_key("P-256", {"kid": str(KEY.kid)})
RSA_KEY = RSAKey.generate_key(2048, auto_kid=True)
ED_KEY = OKPKey.generate_key("Ed25519", auto_kid=True)
ENCRYPTION_KEY = ECKey.generate_key("P-256", auto_kid=True)
SECRET = OctKey.generate_key(256, auto_kid=True)
JWKS = {
    "keys": [
        *(key.as_dict(private=False) for key in (KEY, RSA_KEY, ED_KEY)),
        {**ENCRYPTION_KEY.as_dict(private=False), "use": "enc"},
        SECRET.as_dict(private=True),  # An issuer that publishes a shared secret by mistake is not to be believed.
    ]
}


def claims(**changed: object) -> dict[str, Any]:
    now = int(time.time())
    whole: dict[str, Any] = {
        "iss": LOCAL_ISSUER,
        "aud": AUDIENCE,
        "sub": "alice@example.org",
        "email": "alice@example.org",
        "name": "Alice",
        "role": "mentor",
        "iat": now,
        "exp": now + 600,
    } | changed
    return {name: value for name, value in whole.items() if value is not ...}


def signed(changed: Mapping[str, object] | None = None, *, key: Any = KEY, alg: str = "ES256", **header: object) -> str:
    whole = {"alg": alg, "kid": key.kid, **header}
    return jwt.encode(
        {name: value for name, value in whole.items() if value is not ...},
        claims(**(changed or {})),
        key,
        algorithms=[alg],
    )


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_hand(header: Mapping[str, object], signature: str | None = None) -> str:
    whole = f"{part(header)}.{part(claims())}"
    return f"{whole}.{signature or ''}"


def public_key_as_secret() -> str:
    """The oldest trick: HS256 with the public key, which everybody has, as the shared secret."""
    whole = f"{part({'alg': 'HS256', 'kid': KEY.kid, 'typ': 'JWT'})}.{part(claims())}"
    mac = hmac.new(KEY.as_pem(private=False), whole.encode(), hashlib.sha256).digest()
    return f"{whole}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def with_other_claims() -> str:
    header, _, signature = signed().split(".")
    return f"{header}.{part(claims(role='support'))}.{signature}"


def twice() -> str:
    """Signed by our own issuer, with two roles: readers would differ in which one holds."""
    payload = json.dumps(claims())[:-1] + ', "role": "support"}'
    return jws.serialize_compact({"alg": "ES256", "kid": KEY.kid}, payload.encode(), KEY, algorithms=["ES256"])


NOW = int(time.time())
BAD_TOKENS: Mapping[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "garbage": lambda: "garbage",
    "two dots": lambda: "..",
    "not base64": lambda: "é.é.é",
    "four parts": lambda: signed() + ".x",
    "the whole is an object": lambda: json.dumps({"payload": "x"}),
    "alg none": lambda: by_hand({"alg": "none"}),
    "alg None": lambda: by_hand({"alg": "None", "kid": KEY.kid}),
    "alg none with a kid": lambda: by_hand({"alg": "none", "kid": KEY.kid}),
    "no alg": lambda: by_hand({"kid": KEY.kid}),
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "signature cut": lambda: signed()[:-8],
    "signature of other claims": with_other_claims,
    "public key as shared secret": public_key_as_secret,
    "shared secret of the JWKS": lambda: signed(key=SECRET, alg="HS256"),
    "another key under our kid": lambda: signed(key=OTHER_KEY),
    "unknown kid": lambda: signed(kid="nobody"),
    "key inside the header": lambda: signed(key=OTHER_KEY, jwk=OTHER_KEY.as_dict(private=False)),
    "key meant for encryption": lambda: signed(key=ENCRYPTION_KEY),
    "alg of another key type": lambda: by_hand({"alg": "RS256", "kid": KEY.kid}, "AAAA"),
    "unknown critical header": lambda: by_hand({"alg": "ES256", "kid": KEY.kid, "crit": ["x"], "x": 1}, "AAAA"),
    "wrong issuer": lambda: signed({"iss": "https://elsewhere.example.org"}),
    "no issuer": lambda: signed({"iss": ...}),
    "wrong audience": lambda: signed({"aud": "another"}),
    "audience of others": lambda: signed({"aud": ["another", "third"]}),
    "no audience": lambda: signed({"aud": ...}),
    "expired": lambda: signed({"exp": NOW - 60}),
    "no expiry": lambda: signed({"exp": ...}),
    "expiry as text": lambda: signed({"exp": "9999999999"}),
    "expiry true": lambda: signed({"exp": True}),
    "expiry that is no number": lambda: signed({"exp": float("nan")}),
    "not yet valid": lambda: signed({"nbf": NOW + 3600}),
    "issued in the future": lambda: signed({"iat": NOW + 3600}),
    "no subject": lambda: signed({"sub": ...}),
    "no e-mail": lambda: signed({"email": ...}),
    "e-mail that is a list": lambda: signed({"email": ["alice@example.org"]}),
    "e-mail without @": lambda: signed({"email": "alice"}),
    "no role": lambda: signed({"role": ...}),
    "role of nobody": lambda: signed({"role": "admin"}),
    "role that is an object": lambda: signed({"role": {"name": "support"}}),
    "another's keys by address": lambda: signed(key=OTHER_KEY, jku="https://evil.example/keys"),
    "a certificate by address": lambda: signed(key=OTHER_KEY, x5u="https://evil.example/cert"),
    "a kid that is a path": lambda: signed(kid="../../../../dev/null"),
    "a kid that is SQL": lambda: signed(kid="' OR '1'='1"),
    "a kid that is a list": lambda: by_hand({"alg": "ES256", "kid": [KEY.kid]}, "AAAA"),
    "a claim that stands twice": twice,
    "e-mail with a line break": lambda: signed({"email": "alice@example.org\r\nBcc: x@evil.example"}),
    "name with a line break": lambda: signed({"name": "Alice\r\nX: 1"}),
    "roles none of ours": lambda: signed({"roles": ["admin", "root"]}),
    "far too long": lambda: signed({"name": "x" * 10_000}),
    "deeply nested header": lambda: base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".e30.AAAA",
}


@pytest.fixture
def authenticator() -> Authenticator:
    return Authenticator(StaticKeys(LOCAL_ISSUER, JWKS))


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_bad_token_is_refused(authenticator: Authenticator, name: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        authenticator.authenticate(BAD_TOKENS[name]())
    assert refused.value.status == 401
    assert refused.value.en == "Your sign-in is not valid or has expired: sign in again."


@pytest.mark.parametrize(("key", "alg"), [(KEY, "ES256"), (RSA_KEY, "RS256"), (RSA_KEY, "PS256"), (ED_KEY, "Ed25519")])
def test_a_good_token_says_who_is_asking(authenticator: Authenticator, key: Any, alg: str) -> None:
    principal = authenticator.authenticate(signed({"email": "Alice@Example.org"}, key=key, alg=alg))
    assert principal == Principal(role="mentor", email="alice@example.org", name="Alice", roles=("mentor",))
    assert principal.actor == "mentor:alice@example.org"


def test_an_audience_among_others_is_ours_too(authenticator: Authenticator) -> None:
    assert authenticator.authenticate(signed({"aud": ["another", AUDIENCE]})).email == "alice@example.org"


def test_a_token_that_expired_this_second_passes_within_the_leeway_only(authenticator: Authenticator) -> None:
    now = int(time.time())
    assert authenticator.authenticate(signed({"exp": now - 2})).role == "mentor"
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(signed({"exp": now - 7}))


def test_a_person_with_two_roles_acts_in_the_one_that_is_allowed(authenticator: Authenticator) -> None:
    person = authenticator.authenticate(signed({"roles": ["mentor", "support", "nonsense"]}))
    assert person.acting_as(("support",)).actor == "support:alice@example.org"
    assert person.acting_as(()).role == "mentor"
    with pytest.raises(Forbidden):
        person.acting_as(("billing",))


def test_the_local_issuer_keeps_its_key_to_itself(tmp_path: Path) -> None:
    issuer = LocalIssuer(tmp_path / "issuer")
    assert stat.S_IMODE((tmp_path / "issuer" / "key.json").stat().st_mode) == 0o600
    assert "d" not in issuer.jwks()["keys"][0]
    again = LocalIssuer(tmp_path / "issuer")
    assert again.jwks() == issuer.jwks()
    token = again.mint("support", "Sam@Example.org", "Sam")
    assert issuer.authenticator().authenticate(token).actor == "support:sam@example.org"
    with pytest.raises(ValueError, match="no role"):
        issuer.mint("admin", "sam@example.org")


def test_of_issuers_that_start_at_once_one_key_wins(tmp_path: Path) -> None:
    found: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: found.append(LocalIssuer(tmp_path).jwks())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(jwks == found[0] for jwks in found)


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    LocalIssuer(tmp_path)
    (tmp_path / "key.json").chmod(0o644)
    with pytest.raises(PermissionError, match="mode to 600"):
        LocalIssuer(tmp_path)


def test_a_service_that_starts_before_its_issuer_is_unavailable_and_then_well(tmp_path: Path) -> None:
    clock = [0.0]
    settings = Settings(data_dir=tmp_path, oidc_issuer=(tmp_path / "issuer").as_uri())
    authenticator = Authenticator.from_settings(settings)
    authenticator._monotonic = lambda: clock[0]
    with pytest.raises(Unavailable):
        authenticator.authenticate(signed())
    token = LocalIssuer(tmp_path / "issuer").mint("mentor", "alice@example.org")
    clock[0] += 1.1
    assert authenticator.authenticate(token).role == "mentor"


class _Issuer(BaseHTTPRequestHandler):
    """An OpenID provider as small as can be."""

    jwks: Mapping[str, Any] = {}
    says_it_is: str = ""
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        url = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        discovery = {"issuer": type(self).says_it_is or url, "jwks_uri": f"{url}/jwks"}
        body = json.dumps(type(self).jwks if self.path == "/jwks" else discovery).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def issuer_url() -> Iterator[str]:
    _Issuer.jwks, _Issuer.says_it_is, _Issuer.asked = JWKS, "", 0
    server = HTTPServer(("127.0.0.1", 0), _Issuer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_keys_are_found_by_discovery_and_asked_for_again_when_a_new_one_appears(issuer_url: str) -> None:
    clock = [100.0]
    authenticator = Authenticator(OidcKeys(issuer_url), monotonic=lambda: clock[0])
    assert authenticator.authenticate(signed({"iss": issuer_url})).role == "mentor"
    assert _Issuer.asked == 2
    for _ in range(20):
        authenticator.authenticate(signed({"iss": issuer_url}))
        with pytest.raises(Unauthenticated):
            authenticator.authenticate(signed({"iss": issuer_url}, kid="unknown"))
    assert _Issuer.asked == 2  # An unknown key id asks again, but a flood of them does not.

    fresh = ECKey.generate_key("P-256", auto_kid=True)
    _Issuer.jwks = {"keys": [fresh.as_dict(private=False)]}
    clock[0] += 6
    assert authenticator.authenticate(signed({"iss": issuer_url}, key=fresh)).role == "mentor"
    with pytest.raises(Unauthenticated):  # The withdrawn key is no longer good.
        authenticator.authenticate(signed({"iss": issuer_url}))


def test_an_issuer_that_says_it_is_another_is_not_believed(issuer_url: str) -> None:
    _Issuer.says_it_is = "https://elsewhere.example.org"
    with pytest.raises(Unavailable):
        Authenticator(OidcKeys(issuer_url)).authenticate(signed({"iss": issuer_url}))


def test_keys_that_were_once_found_serve_while_the_issuer_is_away(issuer_url: str) -> None:
    clock = [0.0]
    authenticator = Authenticator(OidcKeys(issuer_url), monotonic=lambda: clock[0])
    authenticator.authenticate(signed({"iss": issuer_url}))
    _Issuer.jwks = {"keys": "nonsense"}
    clock[0] += 3600
    assert authenticator.authenticate(signed({"iss": issuer_url})).role == "mentor"
