"""Bodies, headers and addresses that no form of ours and no honest program sends: refused, and everybody goes on."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conftest import RunningRelais
from tests.security.conftest import Hostile, Tried
from tests.security.test_requests import paths_of_forms
from tests.signed_in import signed_in, token_of

REFUSED = (400, 401, 403, 404, 405, 413, 414, 415, 422, 429, 431)
CUT_OFF = (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError)
COMMANDS = (
    "/sessions", "/sessions/{session}/cancellation", "/sessions/{session}/correction", "/students/{student}/transfer",
    "/students/{student}/comments", "/mentors/{mentor}/absences", "/statements/2024-01/close",
)  # fmt: skip
JSON_TYPE: Mapping[str, str] = {"Content-Type": "application/json"}


def hostile_bodies() -> dict[str, tuple[bytes, Mapping[str, str]]]:
    deep = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    return {
        "nothing": (b"", JSON_TYPE),
        "not JSON": (b"{'a': 1}", JSON_TYPE),
        "cut": (b'{"status": "he', JSON_TYPE),
        "a list": (b"[]", JSON_TYPE),
        "a number": (b"1e999", JSON_TYPE),
        "NaN": (b'{"starts_at": NaN, "duration_minutes": Infinity}', JSON_TYPE),
        "a number of 5,000 digits": (b'{"duration_minutes": ' + b"9" * 5_000 + b"}", JSON_TYPE),
        "half a character": (rb'{"text": "\ud800", "note": "\ud800", "reason": "other"}', JSON_TYPE),
        "not UTF-8": (b'{"text": "\xff\xfe"}', JSON_TYPE),
        "nested": (deep, JSON_TYPE),
        "100,000 names": (json.dumps({f"n{number}": 1 for number in range(100_000)}).encode(), JSON_TYPE),
        "a name of 900,000 characters": (b'{"' + b"a" * 900_000 + b'": 1}', JSON_TYPE),
        "prototype": (b'{"__proto__": {"role": "support"}, "constructor": {}}', JSON_TYPE),
        "XML": (
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
            {"Content-Type": "application/xml"},
        ),
        "a form": (b"status=held&why=x", {"Content-Type": "application/x-www-form-urlencoded"}),
        "compressed": (gzip.compress(b"0" * 10_000_000), {**JSON_TYPE, "Content-Encoding": "gzip"}),
    }


def status_of(send: Callable[[], httpx.Response]) -> int:
    try:
        return send().status_code
    except CUT_OFF:
        return 413  # Closed on us in the middle of it: refused too.


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_is_read_from_a_hostile_body(
    relais: RunningRelais, hostile: Hostile, tried: Tried, command: str
) -> None:
    path = command.format(
        session=hostile.session["session_id"],
        student=hostile.student["student_id"],
        mentor=hostile.mentor["mentor_id"],
    )
    role = "billing" if command.startswith("/statements") else "support"
    own = {"Authorization": f"Bearer {relais.token(role, f'{role}@example.org')}"}
    with httpx.Client(base_url=f"{relais.url}/api", headers=own, timeout=60) as client:
        for name, (body, headers) in hostile_bodies().items():
            status = status_of(lambda body=body, headers=headers: client.post(path, content=body, headers=headers))  # type: ignore[misc]
            tried.note("bodies: hostile JSON and others", refused=status in REFUSED)
            assert status in REFUSED, f"{command} {name}: {status}"


def test_no_header_or_address_is_too_long(relais: RunningRelais, tried: Tried) -> None:
    own = {"Authorization": f"Bearer {relais.token('support', 'support@example.org')}"}
    body = {"student_id": "x", "starts_at": "x", "duration_minutes": 1}
    asked: dict[str, Callable[[], httpx.Response]] = {
        "Idempotency-Key": lambda: httpx.post(
            f"{relais.url}/api/sessions", json=body, headers={**own, "Idempotency-Key": "k" * 10_000}
        ),
        "a header of 200 kB": lambda: httpx.get(f"{relais.url}/api/sessions", headers={**own, "X": "x" * 200_000}),
        "2,000 headers": lambda: httpx.get(
            f"{relais.url}/api/sessions", headers={**own, **{f"X-{number}": "x" * 90 for number in range(2_000)}}
        ),
        "a cookie of 200 kB": lambda: httpx.get(relais.url, headers={"Cookie": "relais_session=" + "x" * 200_000}),
        "an address of 60 kB": lambda: httpx.get(f"{relais.url}/api/sessions?cursor=" + "x" * 60_000, headers=own),
        "a path of 60 kB and a header": lambda: httpx.get(
            f"{relais.url}/api/sessions/" + "x" * 60_000, headers={**own, "X": "x" * 6_000}
        ),
        "a long filter": lambda: httpx.get(f"{relais.url}/api/mentors?search=" + "x" * 5_000, headers=own),
        "a cursor of nobody's": lambda: httpx.get(f"{relais.url}/api/audit?cursor=%00%ff", headers=own),
        "1,000 ids": lambda: httpx.get(
            f"{relais.url}/api/students?" + "&".join(["id=01980a1c-0000-7000-8000-000000000001"] * 1_000), headers=own
        ),
    }
    for name, ask in asked.items():
        status = status_of(ask)
        tried.note("headers and addresses without end", refused=status in REFUSED)
        assert status in REFUSED, f"{name}: {status}"


def test_no_form_takes_a_file_or_fields_without_end(relais: RunningRelais, tried: Tried) -> None:
    browser = signed_in(relais, "support:")
    token = token_of(browser.get("/deconnecte"))
    forms = [path for path in paths_of_forms() if path != "/deconnexion"]
    for path in forms:
        for name, sent in uploads(token):
            status = status_of(lambda path=path, sent=sent: browser.post(path, follow_redirects=False, **sent))  # type: ignore[misc]
            tried.note("uploads to forms", refused=status in REFUSED)
            assert status in REFUSED, f"{path} {name}: {status}"
    assert browser.get("/").status_code == 200


def uploads(token: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "a file", {"data": {"csrf": token}, "files": {"../../x.py": ("../../x.py", b"import os", "text/x-python")}}
    yield "ten files", {"data": {"csrf": token}, "files": [(f"f{number}", b"x" * 1_000) for number in range(10)]}
    yield "fields without end", {"data": {"csrf": token, **{f"f{number}": "x" for number in range(200)}}}
    yield "a field of 2 MB", {"data": {"csrf": token, "text": "x" * 2_000_000}}
