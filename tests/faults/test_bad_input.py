"""Row 11: bad input changes nothing: every route of every service, by its own description, asked wrongly."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import psycopg
import pytest

from services.chassis.auth import ROLES
from tests.faults.oracle import Verdict
from tests.faults.stream import Stream
from tests.faults.table import Results

SHORT_EACH = 4
LONG_EACH = 40
QUIET_S = 20.0
WRITES = ("post", "put", "patch", "delete")
NOTED = "/comments"
"""Whoever reads private comments is noted: asked as it may be, this look writes an event."""
REFUSED = range(400, 500)
TABLES = """
SELECT schemaname, tablename FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2
"""

NOT_JSON = (b"", b"{", b"\xff\xfe", b"[" * 20_000, b'{"a": 1', b"NaN", b'{"a": 1}{"a": 1}', b"<xml/>", b"\x00")
WRONG_JSON: tuple[object, ...] = (None, [], [{}], 0, -1, 1e308, "text", True, {"\0": 1}, {"no_such_field": 1})
WRONG_VALUES: tuple[object, ...] = (
    *(
        None,
        {"no": "object"},
        [["no"]],
        True,
        -(10**30),
        1.5,
        "",
        "\0",
        "x" * 100_000,
        "\ud800",
        "0001-01-01T00:00:00Z",
    ),
    *("9999-12-31T23:59:59.999999Z", "2026-13-45", "0000", "' OR 1=1 --", "${7*7}", "<script>", "../../etc/passwd"),
)
WRONG_PARTS = ("x", "0", "-1", "\0", "%", "..", "'", "é" * 200, "x" * 3_000, str(uuid4()), "{}", " ", "2026-99", "a/b")
WRONG_HEADERS: tuple[dict[str, str], ...] = (
    {"Idempotency-Key": "x" * 300},
    {"If-Match": "no version"},
    {"If-Match": "9" * 40},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"Accept-Language": "x" * 2_000},
    {"traceparent": "00-no"},
    {"X-Correlation-Id": "no"},
    {"Authorization": "Bearer no.token.at-all"},
    {"Authorization": "Basic eDp5"},
)


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]
    is_bad: bool
    """Certainly so: answered by 4xx, as every write here. A look that is only strange may be answered, never by 5xx."""

    def __str__(self) -> str:
        return f"{self.method} {self.path[:200]} {dict(self.headers)} {(self.body or b'')[:200]!r}"


@dataclass
class Route:
    """One operation of the description, and how to ask it wrongly."""

    method: str
    path: str
    operation: Mapping[str, Any]
    schemas: Mapping[str, Any]
    choice: random.Random
    known: list[str] = field(default_factory=list)
    """Ids that exist."""

    def wrong(self) -> Asked:
        kinds = [self._wrong_headers]
        if self._only_looks():
            kinds.append(self._wrong_query)
        if "{" in self.path:
            kinds.append(self._wrong_path)
        if self._body_schema() is not None:
            kinds += [self._not_json, self._wrong_json, self._wrong_field] * 2
        return self.choice.choice(kinds)()

    def _only_looks(self) -> bool:
        return self.method == "get" and not self.path.endswith(NOTED)

    def _wrong_path(self) -> Asked:
        return self._asked(path=self._path(self.choice.choice(WRONG_PARTS)), body=self._some_body(), is_bad=False)

    def _wrong_query(self) -> Asked:
        declared = [p["name"] for p in self.operation.get("parameters", ()) if p["in"] == "query"] or ["unknown"]
        value = self.choice.choice(WRONG_PARTS)
        query = f"?{self.choice.choice(declared)}={quote(value, safe='')}"
        return self._asked(path=self._path() + query, body=self._some_body(), is_bad=False)

    def _wrong_headers(self) -> Asked:
        """A command without a body is all right but for a token that is none."""
        harmless = self._only_looks() or self._body_schema() is not None
        headers = self.choice.choice([each for each in WRONG_HEADERS if harmless or "Authorization" in each])
        return self._asked(headers=headers, body=self._some_body(), is_bad="Authorization" in headers)

    def _not_json(self) -> Asked:
        return self._asked(body=self.choice.choice(NOT_JSON[1:]))

    def _wrong_json(self) -> Asked:
        return self._asked(body=json.dumps(self.choice.choice(WRONG_JSON)).encode())

    def _wrong_field(self) -> Asked:
        """Some fields, one of them with something that no field takes, or one that nobody knows."""
        properties = dict(self._resolved(self._body_schema() or {}).get("properties", {}))
        body = {name: self.choice.choice(WRONG_VALUES) for name in properties if self.choice.random() < 0.7}
        body["no_such_field" if not properties or self.choice.random() < 0.3 else "x-" + "y" * 10] = 1
        return self._asked(body=json.dumps(body).encode())

    def _some_body(self) -> bytes | None:
        return b'{"no_such_field": 1}' if self._body_schema() is not None else None

    def _asked(
        self,
        *,
        path: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_bad: bool = True,
    ) -> Asked:
        always = {"Content-Type": "application/json"} if body is not None else {}
        return Asked(self.method.upper(), path or self._path(), body, {**always, **(headers or {})}, is_bad)

    def _path(self, wrong: str | None = None) -> str:
        filled, parts = self.path, [p["name"] for p in self.operation.get("parameters", ()) if p["in"] == "path"]
        at_fault = self.choice.choice(parts) if parts and wrong is not None else None
        for name in parts:
            good = "2026-10" if name == "month" else self.choice.choice(self.known)
            value = wrong if name == at_fault and wrong is not None else good
            filled = filled.replace("{" + name + "}", quote(value, safe=""))
        return filled

    def _body_schema(self) -> Mapping[str, Any] | None:
        content = self.operation.get("requestBody", {}).get("content", {})
        schema: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
        return schema

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        return self.schemas.get(str(reference).rpartition("/")[2], {}) if reference else schema


def routes(document: Mapping[str, Any], known: list[str], choice: random.Random) -> Iterator[Route]:
    schemas = document["components"].get("schemas", {})
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            # The sandbox's clock takes what it is told; test_clock_jumps.py tells it.
            if method in (*WRITES, "get") and "/sandbox/" not in path:
                yield Route(method, path, operation, schemas, choice, known)


def rows(database_url: str) -> dict[str, int]:
    """The rows of every table of every service."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return {
            f"{schema}.{name}": (connection.execute(f'SELECT count(*) FROM "{schema}"."{name}"').fetchone() or (0,))[0]
            for schema, name in connection.execute(TABLES).fetchall()
        }


def quiet_rows(database_url: str) -> dict[str, int]:
    """The same once nothing changes any more."""
    deadline = time.monotonic() + QUIET_S
    found = rows(database_url)
    while True:
        time.sleep(0.5)
        again = rows(database_url)
        if again == found:
            return found
        assert time.monotonic() < deadline, "the services come to rest"
        found = again


@pytest.mark.timeout(1800)
def test_every_route_refuses_what_is_wrong_and_writes_nothing(
    stream: Stream, runs: int | None, seed: int, results: Results
) -> None:
    choice = random.Random(seed)
    known = [stream.students[0]["student_id"], stream.students[0]["mentor_id"], str(uuid4())]
    document = httpx.get(f"{stream.relais.url}/openapi.json", timeout=30).json()
    assert document["x-unavailable"] == []
    tokens = [stream.relais.token(role, f"{role}@example.org") for role in sorted(ROLES, reverse=True)]
    problems: list[str] = []
    with (
        results.line(11, "every route × bodies, paths, queries and headers that are wrong", seed) as line,
        httpx.Client(base_url=stream.relais.url, timeout=30) as client,
    ):
        before = quiet_rows(stream.relais.database_url)
        found = list(routes(document, known, choice))
        for route in found:
            for _ in range(LONG_EACH if runs else SHORT_EACH):
                asked = route.wrong()
                answer = ask(client, asked, tokens)
                line.faults += 1
                if (problem := what_is_wrong_with(answer, asked)) is not None:
                    problems.append(f"{problem}: {asked}")
        verdict = Verdict(faults=problems)
        verdict.compare("rows", before.items(), quiet_rows(stream.relais.database_url).items())
        line.note = f"{len(found)} routes; no row of any of {len(before)} tables changed"
        line.add(verdict, faults=0)


def ask(client: httpx.Client, asked: Asked, tokens: list[str]) -> httpx.Response:
    """As whoever may ask here: the one it was before, or else the next who is not turned away at the door."""
    for _ in tokens:
        headers = {"Authorization": f"Bearer {tokens[0]}", **asked.headers}
        answer = client.request(asked.method, asked.path, content=asked.body, headers=headers)
        if answer.status_code != 403:
            break
        tokens.append(tokens.pop(0))
    return answer


def what_is_wrong_with(answer: httpx.Response, asked: Asked) -> str | None:
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code in REFUSED and "code" not in answer.text:
        return f"{answer.status_code} without a code: {answer.text[:100]}"
    if (asked.is_bad or asked.method != "GET") and answer.status_code not in REFUSED:
        return f"{answer.status_code} for what is wrong"
    return None
