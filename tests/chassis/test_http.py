"""The HTTP edge: who may ask, what is read, and that every error is a problem with a code and a sentence."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import psycopg
import psycopg_pool
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from services.chassis.auth import LOCAL_ISSUER, Authenticator, LocalIssuer, Principal, StaticKeys
from services.chassis.commands import CommandRequest
from services.chassis.event_store import NewerEvent
from services.chassis.http import (
    Instant,
    Limit,
    Page,
    command_request,
    create_api,
    decode_cursor,
    encode_cursor,
    require,
)
from services.chassis.middleware import MAX_BODY_BYTES, MAX_IMPORT_BODY_BYTES, RequestFrame
from services.chassis.problem import Sentence, language_of
from services.chassis.rate_limit import RateLimit
from services.chassis.refusal import Conflict, NotFound, Refused, Stale, Unavailable

THING = "/api/things/01980a1c-0000-7000-8000-000000000001"
NOW = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)

Ask = Callable[..., httpx.Response]


class NewThing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=10)
    starts_at: Instant
    minutes: int = Field(ge=1, le=240)


class FixedClock:
    def now(self) -> datetime:
        return NOW


FAILURES: dict[str, Exception] = {
    "refused": Refused("too_late", "C’est trop tard.", "It is too late.", [{"field": "x", "fr": "Non", "en": "No"}]),
    "conflict": Conflict("taken", "Déjà pris.", "Taken already."),
    "not-found": NotFound("thing_unknown", "Cela n’existe pas.", "There is no such thing."),
    "stale": Stale("version_stale", "Trop vieux.", "Too old."),
    "unavailable": Unavailable("unavailable", "Plus tard.", "Later.", retry_after_s=7),
    "database": psycopg.OperationalError("server closed the connection; host=secret"),
    "pool": psycopg_pool.PoolTimeout("no connection in 5 s"),
    "newer": NewerEvent("transfers.LanguageChosen.v1, version 3 of a student"),
    "data": psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
    "bug": ZeroDivisionError("a secret of ours"),
}


def things() -> APIRouter:
    router = APIRouter()

    @router.post("/things/import")
    def take_many(body: list[str], person: Annotated[Principal, require("directory")]) -> int:
        return len(body)

    @router.post("/things/{thing_id}", status_code=201)
    def make(
        thing_id: UUID, body: NewThing, request: Annotated[CommandRequest, command_request("mentor", "support")]
    ) -> dict[str, Any]:
        return {
            "starts_at": body.starts_at,
            "actor": request.context.actor,
            "now": request.context.now,
            "correlation_id": request.context.correlation_id,
            "traceparent": request.context.traceparent,
            "key": request.idempotency_key,
            "if_match": request.if_match,
            "language": request.language,
            "fingerprint": request.fingerprint,
        }

    @router.get("/things")
    def list_things(person: Annotated[Principal, require()], cursor: str | None = None, limit: Limit = 2) -> Page[int]:
        first = int((decode_cursor(cursor) or {"after": 0})["after"]) + 1
        items = list(range(first, min(first + limit, 6)))
        return Page[int](items=items, next_cursor=encode_cursor({"after": items[-1]}) if items[-1] < 5 else None)

    @router.get("/failures/{name}")
    def fail(name: str, person: Annotated[Principal, require("support")]) -> None:
        raise FAILURES[name]

    return router


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> LocalIssuer:
    return LocalIssuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture(scope="module")
def app(issuer: LocalIssuer) -> FastAPI:
    return create_api(
        "Things",
        service="things",
        auth=issuer.authenticator(),
        routers=[things()],
        ready=lambda: {"database": "ok"},
        clock=FixedClock(),
    )


@pytest.fixture(scope="module")
def ask(app: FastAPI, issuer: LocalIssuer) -> Ask:
    return asker(app, issuer)


def asker(app: FastAPI, issuer: LocalIssuer) -> Ask:
    """``ask(method, path, role=…)``: a request as a person of that role, or as nobody."""

    def ask(method: str, path: str, *, role: str | None = "mentor", **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {issuer.mint(role, 'alice@example.org', 'Alice')}"

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://relais") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(once())

    return ask


def thing(**changed: object) -> dict[str, object]:
    return {"name": "x", "starts_at": "2026-11-03T18:00:00+01:00", "minutes": 45} | changed


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["type"] == f"urn:relais:problem:{code}"
    assert problem["title"]
    assert problem["detail"].endswith(".")
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    return problem


def test_a_command_knows_who_when_and_as_part_of_what(ask: Ask) -> None:
    answer = ask(
        "POST",
        THING,
        json=thing(),
        headers={
            "Idempotency-Key": "k-1",
            "If-Match": '"3"',
            "Accept-Language": "en-GB,en;q=0.9,fr;q=0.8",
            "X-Correlation-Id": "01980a1c-0000-7000-8000-0000000000aa",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    )
    assert answer.status_code == 201
    said = answer.json()
    assert said.pop("fingerprint")
    assert said == {
        "starts_at": "2026-11-03T17:00:00Z",
        "actor": "mentor:alice@example.org",
        "now": "2026-11-03T17:00:00Z",
        "correlation_id": "01980a1c-0000-7000-8000-0000000000aa",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "key": "k-1",
        "if_match": 3,
        "language": "en",
    }
    assert answer.headers["x-correlation-id"] == said["correlation_id"]


def test_ids_that_make_no_sense_are_not_taken_over(ask: Ask) -> None:
    said = ask("POST", THING, json=thing(), headers={"X-Correlation-Id": "x", "traceparent": "00-0-0-0"}).json()
    assert UUID(said["correlation_id"]).version == 7
    assert said["traceparent"] is None


def test_the_fingerprint_tells_bodies_and_addresses_apart(ask: Ask) -> None:
    def fingerprint(path: str, body: dict[str, object]) -> str:
        return str(ask("POST", path, json=body).json()["fingerprint"])

    first = fingerprint(THING, thing())
    assert fingerprint(THING, thing()) == first
    assert fingerprint(THING, thing(name="y")) != first
    assert fingerprint(THING[:-1] + "2", thing()) != first


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_an_idempotency_key_is_visible_and_short(ask: Ask, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    assert_problem(ask("POST", THING, json=thing(), headers=headers), 400, "not_parsable")


@pytest.mark.parametrize(("given", "expected"), [("*", None), ('W/"7"', 7), ("7", 7)])
def test_if_match_gives_a_version(ask: Ask, given: str, expected: int | None) -> None:
    assert ask("POST", THING, json=thing(), headers={"If-Match": given}).json()["if_match"] == expected


def test_if_match_that_is_no_version_is_not_parsable(ask: Ask) -> None:
    assert_problem(ask("POST", THING, json=thing(), headers={"If-Match": '"abc"'}), 400, "not_parsable")


def test_without_a_token_401_says_how_to_sign_in(ask: Ask) -> None:
    answer = ask("POST", THING, json=thing(), role=None)
    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="relais"'


@pytest.mark.parametrize("given", ["Bearer", "Bearer x", "Basic YTpi", "bearer  ", "Bearer é"])
def test_with_something_else_401_says_that_it_is_not_valid(ask: Ask, given: str) -> None:
    answer = ask("POST", THING, json=thing(), role=None, headers={"Authorization": given.encode("latin-1")})
    assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="relais", error="invalid_token"'


def test_another_role_is_403_before_the_body_is_looked_at(ask: Ask) -> None:
    assert_problem(ask("GET", "/api/failures/bug", role="mentor"), 403, "forbidden")
    assert_problem(ask("POST", THING, json=thing(), role="student"), 403, "forbidden")


def test_a_route_that_asks_for_no_role_stops_the_service_from_starting(issuer: LocalIssuer) -> None:
    router = APIRouter()
    router.add_api_route("/open", lambda: {"all": "welcome"})
    with pytest.raises(ValueError, match="/api/open asks for no role"):
        create_api("Open", service="open", auth=issuer.authenticator(), routers=[router], ready=dict)


@pytest.mark.parametrize(
    "content",
    [b"{", b"", b"\xff\xfe", b"[" * 20_000, b'{"name": "x",}'],
    ids=["cut", "empty", "bytes", "deep", "comma"],
)
def test_a_body_that_is_not_json_is_refused(ask: Ask, content: bytes) -> None:
    answer = ask("POST", THING, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code, "not_parsable" if content else "invalid_body")


@pytest.mark.parametrize(
    ("changed", "field", "french"),
    [
        ({"name": 1}, "name", "Un texte est attendu."),
        ({"name": "x" * 11}, "name", "Ce texte est trop long (au plus 10 caractères)."),
        ({"minutes": 0}, "minutes", "Cette valeur doit être au moins 1."),
        ({"minutes": "many"}, "minutes", "Un nombre entier est attendu."),
        ({"minutes": 1e400}, "minutes", None),
        ({"starts_at": "tomorrow"}, "starts_at", None),
        ({"starts_at": "2026-11-03T18:00:00"}, "starts_at", None),
        ({"more": 1}, "more", "Ce champ n’est pas prévu ici."),
    ],
)
def test_an_invalid_field_is_named_with_its_reason(
    ask: Ask, changed: dict[str, object], field: str, french: str | None
) -> None:
    import json

    answer = ask("POST", THING, content=json.dumps(thing(**changed)), headers={"Content-Type": "application/json"})
    (error,) = assert_problem(answer, 422, "invalid_body")["errors"]
    assert error["field"] == field
    assert error["message"].endswith(".")
    if french is not None:
        assert error["message"] == french


@pytest.mark.parametrize(
    "given", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_that_is_no_json_by_its_own_word_is_415(ask: Ask, given: str) -> None:
    assert_problem(
        ask("POST", THING, content=b"name=x", headers={"Content-Type": given}), 415, "media_type_not_accepted"
    )


def test_what_was_sent_is_not_repeated(ask: Ask) -> None:
    assert "alice-private" not in ask("POST", THING, json=thing(minutes="alice-private")).text


def test_a_wrong_parameter_is_named(ask: Ask) -> None:
    (error,) = assert_problem(ask("GET", "/api/things?limit=201"), 422, "invalid_parameter")["errors"]
    assert error["field"] == "limit"
    assert_problem(ask("POST", "/api/things/x", json=thing()), 422, "invalid_parameter")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("refused", 422, "too_late"),
        ("conflict", 409, "taken"),
        ("not-found", 404, "thing_unknown"),
        ("stale", 412, "version_stale"),
        ("unavailable", 503, "unavailable"),
        ("database", 503, "unavailable"),
        ("pool", 503, "unavailable"),
        ("data", 422, "invalid_body"),
        ("bug", 500, "internal"),
    ],
)
def test_every_failure_is_a_problem(ask: Ask, name: str, status: int, code: str) -> None:
    answer = ask("GET", f"/api/failures/{name}", role="support")
    assert_problem(answer, status, code)
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_the_sentence_is_in_the_language_asked_for(ask: Ask) -> None:
    french = ask("GET", "/api/failures/refused", role="support").json()
    english = ask("GET", "/api/failures/refused", role="support", headers={"Accept-Language": "en"}).json()
    assert (french["detail"], french["errors"]) == ("C’est trop tard.", [{"field": "x", "message": "Non"}])
    assert (english["detail"], english["errors"]) == ("It is too late.", [{"field": "x", "message": "No"}])


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "fr"),
        ("", "fr"),
        ("de", "fr"),
        ("en", "en"),
        ("EN-us", "en"),
        ("fr;q=0.5, en;q=0.9", "en"),
        ("en;q=0.5, fr;q=0.9", "fr"),
        ("de, en;q=0.1", "en"),
        ("en;q=x", "fr"),
        ("*", "fr"),
    ],
)
def test_the_language_follows_the_header(header: str | None, language: str) -> None:
    assert language_of(header) == language


def test_unknown_addresses_and_methods_are_problems_too(ask: Ask) -> None:
    assert_problem(ask("GET", "/api/nowhere"), 404, "not_found")
    assert_problem(ask("GET", "/nowhere", role=None), 404, "not_found")
    answer = ask("DELETE", "/api/things")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


def test_a_body_over_the_limit_is_refused_announced_or_not(ask: Ask) -> None:
    json_type = {"Content-Type": "application/json"}
    assert_problem(ask("POST", THING, content=b" " * (MAX_BODY_BYTES + 1), headers=json_type), 413, "body_too_large")

    async def pieces() -> Any:
        for _ in range(5):
            yield b" " * (MAX_BODY_BYTES // 4)

    assert_problem(ask("POST", THING, content=pieces(), headers=json_type), 413, "body_too_large")
    whole = b"[" + b" " * MAX_BODY_BYTES + b"]"
    assert ask("POST", "/api/things/import", content=whole, headers=json_type, role="directory").json() == 0
    too_much = b" " * (MAX_IMPORT_BODY_BYTES + 1)
    assert_problem(ask("POST", "/api/things/import", content=too_much, headers=json_type), 413, "body_too_large")


def test_a_list_is_read_page_by_page(ask: Ask) -> None:
    read: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = ask("GET", "/api/things", params={"cursor": cursor} if cursor else {}).json()
        read += page["items"]
        cursor = page["next_cursor"]
    assert read == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("cursor", ["x", "é", "bnVsbA", "W10", "=" * 40])
def test_a_cursor_that_is_not_ours_is_refused(ask: Ask, cursor: str) -> None:
    assert_problem(ask("GET", "/api/things", params={"cursor": cursor}), 400, "invalid_cursor")


def test_answers_carry_the_security_headers(ask: Ask) -> None:
    headers = ask("GET", "/api/things").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_health_is_open_and_ready_says_what_is_missing(issuer: LocalIssuer, ask: Ask) -> None:
    assert ask("GET", "/health/live", role=None).json() == {"status": "ok"}
    assert ask("GET", "/health/ready", role=None).json() == {"status": "ok", "checks": {"database": "ok"}}

    def fail() -> dict[str, str]:
        raise psycopg.OperationalError("away")

    broken = create_api("Broken", service="broken", auth=issuer.authenticator(), routers=[], ready=fail)
    answer = asker(broken, issuer)("GET", "/health/ready", role=None)
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "checks": {"check": "OperationalError"}}


def test_metrics_count_by_route_and_not_by_id(ask: Ask) -> None:
    ask("POST", THING, json=thing())
    text = ask("GET", "/metrics", role=None).text
    assert 'relais_http_request_seconds_count{method="POST",route="/api/things/{thing_id}",service="things"' in text
    assert THING not in text


def test_the_document_is_openapi_3_1_and_its_page_loads_nothing(ask: Ask) -> None:
    document = ask("GET", "/openapi.json", role=None).json()
    assert document["openapi"].startswith("3.1")
    assert "application/problem+json" in document["paths"]["/api/things"]["get"]["responses"]["default"]["content"]
    page = ask("GET", "/docs", role=None).text
    assert "/api/things/{thing_id}" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_an_issuer_without_keys_yet_is_503(tmp_path: Path, issuer: LocalIssuer) -> None:
    from services.chassis.auth import Authenticator, LocalKeys

    app = create_api("T", service="t", auth=Authenticator(LocalKeys(tmp_path)), routers=[things()], ready=dict)
    answer = asker(app, issuer)("GET", "/api/things")
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]


def test_whoever_asks_too_fast_waits_and_others_do_not(tmp_path: Path) -> None:
    issuer = LocalIssuer(tmp_path / "issuer")
    router = APIRouter()

    @router.get("/things")
    def things(_: Annotated[Principal, require("mentor")]) -> list[str]:
        return []

    now = [0.0]
    auth = Authenticator(StaticKeys(LOCAL_ISSUER, issuer.jwks()), limit=RateLimit(2, monotonic=lambda: now[0]))
    client = TestClient(create_api("x", service="sessions", auth=auth, routers=[router], ready=dict))

    def asks(email: str) -> httpx.Response:
        answer: httpx.Response = client.get(
            "/api/things", headers={"Authorization": f"Bearer {issuer.mint('mentor', email)}"}
        )
        return answer

    assert [asks("alice@example.org").status_code for _ in range(4)] == [200] * 4
    refused = asks("alice@example.org")
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
        429,
        "too_many_requests",
        "1",
    )
    assert asks("bruno@example.org").status_code == 200
    now[0] += 0.5
    assert [asks("alice@example.org").status_code for _ in range(2)] == [200, 429]


def test_the_limit_leaves_room_for_two_hundred_commands_a_second() -> None:
    now = [0.0]
    limit = RateLimit(monotonic=lambda: now[0])
    for _ in range(200 * 60):
        now[0] += 1 / 200
        limit.admit("load@example.org")
    nobody = RateLimit(0)
    for _ in range(10_000):
        nobody.admit("load@example.org")


class Hanging:
    """An application that answers only once it ``may``, within the frame of every request."""

    def __init__(self, **limits: Any) -> None:
        self.may = asyncio.Event()
        self._frame = RequestFrame(self._application, service="things", **limits)
        self._running: list[asyncio.Task[None]] = []

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/health/live":
            await self.may.wait()
        await PlainTextResponse("done")(scope, receive, send)

    def ask(self, path: str) -> asyncio.Future[int]:
        """The status, as soon as the answer is whole: what was asked for may go on behind it."""
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        status = 0

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                assert status == 200 or any(name == b"retry-after" for name, _ in message["headers"])
            else:
                answered.set_result(status)  # Raises where it is answered twice.

        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        self._running.append(asyncio.create_task(self._frame(scope, receive, send)))
        return answered

    async def end(self) -> None:
        self.may.set()
        await asyncio.gather(*self._running)


def test_a_request_that_hangs_is_told_so_in_time_and_goes_on() -> None:
    async def run() -> list[int]:
        hanging = Hanging(deadline_s=0.1, max_in_hand=1)
        late = await hanging.ask("/slow")
        full = await hanging.ask("/slow")  # The first still holds what it needs.
        alive = await hanging.ask("/health/live")
        await hanging.end()
        return [late, full, alive, await hanging.ask("/slow")]

    assert asyncio.run(run()) == [503, 503, 200, 200]


def test_an_application_may_word_what_its_frame_refuses() -> None:
    def in_own_words(scope: Scope, status: int, sentence: Sentence, headers: Mapping[str, str]) -> Response:
        assert (scope["path"], status, sentence[0]) == ("/slow", 503, "unavailable")
        return PlainTextResponse("own words", status_code=299, headers=headers)

    async def run() -> list[int]:
        hanging = Hanging(deadline_s=0.1, max_in_hand=1, answer=in_own_words)
        late = await hanging.ask("/slow")
        full = await hanging.ask("/slow")
        await hanging.end()
        return [late, full]

    assert asyncio.run(run()) == [299, 299]


@pytest.mark.parametrize(("path_bytes", "status"), [(65_535, 200), (65_536, 200), (65_537, 431)])
def test_an_address_counts_with_its_path(path_bytes: int, status: int) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("done")(scope, receive, send)

    async def answer() -> int:
        told: list[int] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            told.append(message.get("status", 0))

        path = "/" + "x" * (path_bytes - 1)
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
        await RequestFrame(application, service="things")(scope | {"headers": [], "query_string": b""}, receive, send)
        return told[0]

    assert asyncio.run(answer()) == status


def test_more_requests_than_a_process_holds_are_refused_at_once() -> None:
    async def run() -> list[int]:
        hanging = Hanging(max_in_hand=2)
        asked = [hanging.ask("/slow") for _ in range(5)]
        refused, _ = await asyncio.wait(asked, timeout=0.1)
        assert len(refused) == 3
        await hanging.end()
        return [await answer for answer in asked]

    assert asyncio.run(run()) == [200, 200, 503, 503, 503]


def test_health_and_metrics_answer_while_the_database_hangs(issuer: LocalIssuer) -> None:
    hanging = threading.Event()

    def hang() -> Mapping[str, str]:
        hanging.wait()
        return {"database": "ok"}

    app = create_api(
        "Things",
        service="things",
        auth=issuer.authenticator(),
        routers=[things()],
        ready=hang,
        before_metrics=lambda: dict(hang()).clear(),
    )

    async def run() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://relais") as client:
            paths = ["/health/ready"] * 10 + ["/metrics", "/health/live"]
            try:
                return [answer.status_code for answer in await asyncio.gather(*map(client.get, paths))]
            finally:
                hanging.set()

    assert asyncio.run(run()) == [503] * 10 + [200, 200]


def test_what_a_newer_version_stored_is_for_another_process_to_answer(ask: Ask) -> None:
    answer = ask("GET", "/api/failures/newer", role="support")
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]
