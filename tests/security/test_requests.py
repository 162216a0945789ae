"""Requests that nobody of ours sends: forged tokens, paths that climb, bodies without end."""

import base64
import http.client
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey

from services.chassis.auth import LOCAL_ISSUER
from services.portal.main import ROUTERS
from tests.conftest import RunningRelais
from tests.portal.provider import signed_with_a_secret
from tests.security.conftest import Hostile, Tried
from tests.signed_in import signed_in

SERVICES = (
    "sessions",
    "absences",
    "statement-lines?event_id=01980a1c-0000-7000-8000-000000000001",
    "continuity",
    "emails",
    "audit",
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": re.compile("no-referrer|same-origin"),
    "content-security-policy": re.compile(r"default-src 'none'.*frame-ancestors 'none'"),
}


def forged(relais: RunningRelais) -> Mapping[str, str]:
    """Tokens of somebody who knows everything that is public, and some that our own issuer would have to regret."""
    key = ECKey.import_key(json.loads((relais.data_dir / "issuer" / "key.json").read_text()))
    other = ECKey.generate_key("P-256", {"kid": str(key.kid)})
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": LOCAL_ISSUER, "aud": "relais", "sub": "x", "email": "x@example.org", "name": "X", "role": "support",
        "iat": now, "exp": now + 600,
    }  # fmt: skip

    def signed(changed: Mapping[str, Any] | None = None, by: ECKey = key, **header: Any) -> str:
        claims = {name: value for name, value in {**good, **(changed or {})}.items() if value is not ...}
        return jwt.encode({"alg": "ES256", "kid": key.kid, **header}, claims, by, algorithms=["ES256"])

    def raw(header: Mapping[str, Any], claims: Mapping[str, Any] | None = None, signature: str = "") -> str:
        parts = [
            base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in (header, claims or good)
        ]
        return ".".join([*parts, signature])

    def shared(secret: bytes) -> str:
        return signed_with_a_secret({"alg": "HS256", "kid": key.kid}, good, secret)

    twice = json.dumps(good)[:-1] + ', "role": "billing"}'
    head, _, tail = signed().split(".")
    return {
        "alg none": raw({"alg": "none"}),
        "alg NONE": raw({"alg": "NONE", "kid": key.kid}),
        "alg nOnE with our signature": raw({"alg": "nOnE"}, signature=tail),
        "no alg": raw({"kid": key.kid}, signature=tail),
        "HS256 with the public key (PEM)": shared(key.as_pem(private=False)),
        "HS256 with the public key (DER)": shared(key.as_der(private=False)),
        "HS256 with the JWKS' JSON": shared(json.dumps(key.as_dict(private=False)).encode()),
        "HS256 with nothing": shared(b""),
        "another key under our kid": signed(by=other),
        "another key in the header": signed(by=other, jwk=other.as_dict(private=False)),
        "another key by jku": signed(by=other, jku="https://evil.example/jwks"),
        "another key by x5u": signed(by=other, x5u="https://evil.example/x5u"),
        "kid traversal": signed(kid="../../../../dev/null"),
        "kid SQL": signed(kid="x' UNION SELECT 'key"),
        "unknown kid": signed(kid="nobody"),
        "crit": raw({"alg": "ES256", "kid": key.kid, "crit": ["exp"]}, signature=tail),
        "payload changed": ".".join([head, raw({}, {**good, "role": "directory"}).split(".")[1], tail]),
        "signature empty": f"{head}.{signed().split('.')[1]}.",
        "signature zeros": f"{head}.{signed().split('.')[1]}.{'A' * 86}",
        "wrong iss": signed({"iss": "https://evil.example"}),
        "no iss": signed({"iss": ...}),
        "wrong aud": signed({"aud": "relais-portal"}),
        "refresh token": signed({"aud": "relais-refresh"}),
        "no aud": signed({"aud": ...}),
        "expired": signed({"exp": now - 60}),
        "no exp": signed({"exp": ...}),
        "exp as text": signed({"exp": str(now + 600)}),
        "not yet": signed({"nbf": now + 600}),
        "issued in the future": signed({"iat": now + 600}),
        "no sub": signed({"sub": ...}),
        "e-mail list": signed({"email": ["x@example.org"]}),
        "e-mail with CRLF": signed({"email": "x@example.org\r\nX: 1"}),
        "role of nobody": signed({"role": "admin"}),
        "role object": signed({"role": {"support": True}}),
        "role twice": jws.serialize_compact({"alg": "ES256", "kid": key.kid}, twice, key, algorithms=["ES256"]),
        "huge": signed({"name": "x" * 20_000}),
        "JSON, not a token": json.dumps(good),
        "nested": base64.urlsafe_b64encode(b"[" * 3_000).decode() + ".e30.AAAA",
        "empty": "",
        "two tokens": f"{signed()} {signed()}",
    }  # fmt: skip


def test_no_forged_token_opens_any_service(relais: RunningRelais, tried: Tried) -> None:
    for name, token in forged(relais).items():
        for resource in SERVICES:
            try:
                answer = httpx.get(
                    f"{relais.url}/api/{resource}", headers={"Authorization": f"Bearer {token}"}, timeout=30
                )
            except (httpx.LocalProtocolError, ValueError):  # Not even a header.
                continue
            tried.note("bad access tokens", refused=answer.status_code in (401, 431))
            assert answer.status_code in (401, 431), f"{name} {resource}: {answer.status_code}"


PARTS = {"service": "billing", "parked_id": "1"}


def _part(braces: re.Match[str]) -> str:
    return PARTS.get(braces[1].partition(":")[0], "01980a1c-0000-7000-8000-000000000001")


def paths_of_forms() -> list[str]:
    return sorted(
        {
            re.sub(r"\{([^}]+)\}", _part, str(getattr(route, "path", "")))
            for router in ROUTERS
            for route in router.routes
            if "POST" in getattr(route, "methods", set())
        }
    )


FORMS_REFUSED_AS_SUCH: set[str] = set()


@pytest.mark.parametrize("role", ["support", "billing", "training", "mentor", "student"])
def test_no_form_is_taken_that_did_not_come_from_our_own_page(
    relais: RunningRelais, hostile: Hostile, tried: Tried, role: str
) -> None:
    ids = {"mentor": hostile.mentor["mentor_id"], "student": hostile.student["student_id"]}
    person = f"{role}:{ids.get(role, '')}"
    mine, others = signed_in(relais, person), signed_in(relais, person)
    foreign = re.search(r'name="csrf" value="([^"]+)"', others.get("/deconnecte").text)
    own = re.search(r'name="csrf" value="([^"]+)"', mine.get("/deconnecte").text)
    assert foreign
    assert own
    assert paths_of_forms()
    for path in paths_of_forms():
        attempts: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
            ({}, {}),
            ({"csrf": ""}, {}),
            ({"csrf": foreign[1]}, {}),
            ({"csrf": own[1]}, {"sec-fetch-site": "cross-site"}),
            ({"csrf": own[1]}, {"sec-fetch-site": "same-site"}),
        )
        for fields, headers in attempts:
            answer = mine.post(path, data=fields, headers=headers)
            tried.note("CSRF: forms", refused=answer.status_code == 403)
            assert answer.status_code == 403, f"{path} {fields}"
            if "formulaire" in answer.text:  # And not only since the page is another role's.
                FORMS_REFUSED_AS_SUCH.add(path)
    assert mine.get("/", follow_redirects=False).status_code in (200, 303)


def test_each_form_was_refused_by_its_token_to_somebody_whose_form_it_is() -> None:
    assert set(paths_of_forms()) - FORMS_REFUSED_AS_SUCH == set()


CLIMBS = (
    "/static/../main.py", "/static/..%2fmain.py", "/static/%2e%2e/main.py", "/static/%2e%2e%2fmain.py",
    "/static/....//main.py", "/static/..\\main.py", "/static//etc/passwd", "/static/%00", "/static/portal.css%00.html",
    "/api/../health/live", "/api/sessions/../../metrics", "/api/sessions/%2e%2e/%2e%2e/metrics",
    "//evil.example/%2e%2e",
    "/issuer/../api/sessions", "/mail/../../etc/passwd", "/mail/%2e%2e/%2e%2e/etc/passwd", "/etudiants/..%2f..%2fetc",
    "/api/mentors/..%2fme/statements/2026-11.csv",
    "/api/students/%2e%2e/attendance.csv",
    "/api/mentors/01980a1c-0000-7000-8000-000000000001/statements/..%2f..%2fetc%2fpasswd.csv",
    "/static/%252e%252e/main.py", "/static/%c0%ae%c0%ae/main.py", "/static/..;/main.py",
    "/static/portal.css/../../main.py",
    "/static/file:///etc/passwd", "/facturation/..%2f..%2fetc/2026-11", "/facturation/%2e%2e/2026-11/csv",
    "/facturation/export?mois=..%2f..%2fetc%2fpasswd", "/facturation/export?mois=2026-11&forme=..%2f..%2fpasswd",
    "/dossiers/..%2f..%2fetc%2fpasswd/attestation?du=2026-11-01&au=2026-11-30",
    "/dossiers/export?forme=%2fetc%2fpasswd",
    "/chronologie/..%2f..%2fsessions/x", "/a-une-date/%2e%2e/%2e%2e", "/journal/..%2faudit",
    "/e-mails/..%2f..%2fparked",
    "/mis-de-cote/..%2fbilling/1", "/mis-de-cote/support/..%2f1", "/sessions/..%2f..%2faudit%2fexport",
    "/agenda/..%2f..%2fapi%2femails.ics", "/agenda/%2e%2e.ics",
)  # fmt: skip


def raw_get(relais: RunningRelais, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(relais.url).netloc, timeout=30)
    try:
        connection.putrequest("GET", path, skip_accept_encoding=True)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", CLIMBS)
def test_no_path_climbs(relais: RunningRelais, tried: Tried, path: str) -> None:
    status, body = raw_get(relais, path)
    safe = b"root:" not in body and b"import " not in body and b"relais_" not in body and status != 500
    tried.note("paths that climb", refused=safe and status >= 300)
    assert safe, f"{status} {body[:200]!r}"
    assert status in (303, 307, 400, 401, 404, 422), status


def test_nobody_sends_without_end(relais: RunningRelais, tried: Tried) -> None:
    token = relais.token("support", "sam@example.org")
    api = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    browser = signed_in(relais, "support:")

    def chunks() -> Any:
        for _ in range(80):
            yield b"x" * 65_536

    sends: dict[str, Callable[[], httpx.Response]] = {
        "API body": lambda: httpx.post(f"{relais.url}/api/sessions", content=b"x" * 2_000_000, headers=api, timeout=60),
        "API chunks": lambda: httpx.post(f"{relais.url}/api/sessions", content=chunks(), headers=api, timeout=60),
        "import": lambda: httpx.post(
            f"{relais.url}/api/students/import", content=b"x" * 5_000_000, headers=api, timeout=60
        ),
        "form": lambda: browser.post("/langue", data={"langue": "x" * 2_000_000}),
        "form fields": lambda: browser.post("/langue", data={f"f{number}": "x" for number in range(1_000)}),
        "upload": lambda: browser.post("/langue", files={"file": b"x" * 2_000_000}),
        "token request": lambda: browser.post("/issuer/token", content=b"x" * 100_000),
        "nested JSON": lambda: httpx.post(
            f"{relais.url}/api/sessions", content=b"[" * 200_000, headers=api, timeout=60
        ),
    }
    for name, send in sends.items():
        try:
            status = send().status_code
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            status = 413  # Closed on us in the middle of it: refused too.
        tried.note("bodies without end", refused=status in (400, 403, 413, 422))
        assert status in (400, 403, 413, 422), f"{name}: {status}"
    assert httpx.get(f"{relais.url}/health/live").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/connexion",
        "/deconnecte",
        "/nothing",
        "/docs",
        "/static/portal.css",
        "/api/sessions",
        "/api/none",
        "/issuer/jwks",
    ],
)
def test_every_answer_says_what_browsers_may_do_with_it(relais: RunningRelais, tried: Tried, path: str) -> None:
    answer = httpx.get(relais.url + path)
    for name, wanted in HEADERS.items():
        given = answer.headers.get(name, "")
        well = bool(wanted.search(given)) if isinstance(wanted, re.Pattern) else given == wanted
        tried.note("security headers", refused=well)
        assert well, f"{path} {name}: {given!r}"
    assert "unsafe" not in answer.headers["content-security-policy"]
