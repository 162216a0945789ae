"""The front hands requests on unchanged: against a real server behind it, and one that leaves in the middle."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from services.portal.edges.proxy import Front
from services.portal.edges.routes import Upstreams, owner_of


class Server:
    """An application on a free port, in a thread of its own."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", forwarded_allow_ips=""
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)


async def echo(request: Request) -> Response:
    try:
        body = await request.body()
    except ClientDisconnect:
        return Response()
    seen = {
        "method": request.method,
        "path": request.scope["raw_path"].decode(),
        "query": request.url.query,
        "headers": dict(request.headers),
        "bytes": len(body),
        "begins": body[:20].decode("latin-1"),
    }
    headers = {"x-own": "1", "etag": '"3"', "connection": "keep-alive"}
    return JSONResponse(seen, status_code=201 if request.method == "POST" else 200, headers=headers)


async def refusing(_: Request) -> Response:
    problem = {"status": 422, "code": "capacity_full", "detail": "Complet."}
    return Response(json.dumps(problem), status_code=422, media_type="application/problem+json")


async def slowly(_: Request) -> Response:
    async def parts() -> object:
        for number in range(3):
            yield f"{number}\n"
            await asyncio.sleep(0.3)

    return StreamingResponse(parts())  # type: ignore[arg-type]


async def large(_: Request) -> Response:
    return PlainTextResponse("é" * 3_000_000)


async def early(_: Request) -> Response:
    return PlainTextResponse("too large", status_code=413)


@pytest.fixture(scope="module")
def front() -> Iterator[str]:
    service = Server(
        Starlette(
            routes=[
                Route("/api/sessions/refusing", refusing, methods=["POST"]),
                Route("/api/sessions/slowly", slowly),
                Route("/api/sessions/large", large),
                Route("/api/sessions/early", early, methods=["POST"]),
                Route("/api/sessions/{rest:path}", echo, methods=["GET", "POST", "PUT", "DELETE"]),
            ]
        )
    )
    pages = Starlette(routes=[Route("/", lambda _: PlainTextResponse("a page"))])
    gone = socket.create_server(("127.0.0.1", 0))
    away = f"http://127.0.0.1:{gone.getsockname()[1]}"
    gone.close()
    server = Server(Front(pages, Upstreams({"sessions": service.url, "transfers": away})))
    yield server.url
    server.stop()
    service.stop()


def test_method_path_query_headers_and_body_arrive_as_they_were_sent(front: str) -> None:
    answer = httpx.post(
        f"{front}/api/sessions/a%2Fb%20c?x=1&x=2&y=%C3%A9",
        content=b'{"a": 1}',
        headers={"Authorization": "Bearer t", "Idempotency-Key": "k", "If-Match": '"3"', "Accept-Language": "en"},
    )
    seen = answer.json()
    assert answer.status_code == 201
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/api/sessions/a%2Fb%20c", "x=1&x=2&y=%C3%A9")
    assert (seen["bytes"], seen["begins"]) == (8, '{"a": 1}')
    sent = seen["headers"]
    assert (sent["authorization"], sent["idempotency-key"], sent["if-match"]) == ("Bearer t", "k", '"3"')
    assert sent["x-forwarded-host"] == front.removeprefix("http://")
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert answer.headers["etag"] == '"3"'
    assert answer.headers["x-own"] == "1"


def test_hop_by_hop_headers_and_the_cookie_stay_here(front: str) -> None:
    headers = {
        "Connection": "keep-alive, x-secret",
        "X-Secret": "1",
        "Keep-Alive": "5",
        "TE": "trailers",
        "Proxy-Authorization": "x",
        "Cookie": "relais_session=abc",
        "X-Forwarded-For": "1.2.3.4",
    }
    answer = httpx.get(f"{front}/api/sessions/x", headers=headers)
    sent = answer.json()["headers"]
    assert not sent.keys() & {"x-secret", "keep-alive", "te", "proxy-authorization", "cookie"}
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert "keep-alive" not in answer.headers


def test_a_body_of_unknown_length_arrives_whole(front: str) -> None:
    parts = (b"0123456789" * 10_000 for _ in range(9))
    assert httpx.post(f"{front}/api/sessions/x", content=parts).json()["bytes"] == 900_000


def test_naming_the_length_in_connection_does_not_smuggle_a_second_request(front: str) -> None:
    inner = b"GET /api/sessions/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    headers = {"Connection": "content-length"}
    assert httpx.post(f"{front}/api/sessions/x", content=inner, headers=headers).json()["bytes"] == len(inner)
    assert httpx.get(f"{front}/api/sessions/y").json()["path"] == "/api/sessions/y"


def test_a_large_answer_arrives_whole_even_when_read_slowly(front: str) -> None:
    with httpx.stream("GET", f"{front}/api/sessions/large") as answer:
        total = 0
        for number, chunk in enumerate(answer.iter_raw()):
            total += len(chunk)
            if number < 5:
                time.sleep(0.02)
    assert total == 6_000_000


def test_an_answer_streams_as_it_comes(front: str) -> None:
    arrived = []
    with httpx.stream("GET", f"{front}/api/sessions/slowly") as answer:
        started = time.monotonic()
        for line in answer.iter_lines():
            arrived.append((line, time.monotonic() - started))
    assert [line for line, _ in arrived] == ["0", "1", "2"]
    assert arrived[0][1] < arrived[2][1] - 0.3


def test_a_problem_passes_as_it_is(front: str) -> None:
    answer = httpx.post(f"{front}/api/sessions/refusing", json={})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["code"] == "capacity_full"


def test_an_answer_that_comes_before_the_body_has_gone_is_passed_on(front: str) -> None:
    answer = httpx.post(f"{front}/api/sessions/early", content=b"x" * 5_000_000, timeout=10)
    assert answer.status_code == 413
    assert httpx.get(f"{front}/api/sessions/after").status_code == 200


def test_head_has_headers_and_no_body_and_the_next_answer_is_its_own(front: str) -> None:
    with httpx.Client() as client:
        assert client.head(f"{front}/api/sessions/large").content == b""
        assert client.get(f"{front}/api/sessions/z").json()["path"] == "/api/sessions/z"


@pytest.mark.parametrize(("language", "sentence"), [("fr", "ne répond pas"), ("en", "not answering")])
def test_a_service_that_is_away_is_a_503_in_the_reader_s_language(front: str, language: str, sentence: str) -> None:
    answer = httpx.get(f"{front}/api/students/x", headers={"Accept-Language": language})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "service_unavailable"
    assert sentence in answer.json()["detail"]


def test_what_no_service_owns_is_404_below_api_and_a_page_elsewhere(front: str) -> None:
    assert httpx.get(f"{front}/api/nothing").json()["code"] == "not_found"
    assert httpx.get(f"{front}/").text == "a page"


def test_many_at_once_each_get_their_own_answer(front: str) -> None:
    async def all_of_them() -> list[str]:
        async with httpx.AsyncClient(base_url=front, timeout=60) as client:
            answers = await asyncio.gather(*(client.get(f"/api/sessions/{number}") for number in range(300)))
            return [answer.json()["path"] for answer in answers]

    assert asyncio.run(all_of_them()) == [f"/api/sessions/{number}" for number in range(300)]


def test_a_service_that_dies_in_the_middle_breaks_the_answer_and_the_next_one_is_a_503() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def die_in_the_middle() -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            connection.close()
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.close()

    thread = threading.Thread(target=die_in_the_middle, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = Server(Front(Starlette(), Upstreams({"sessions": address})))
    try:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(f"{server.url}/api/sessions/x")
        assert httpx.get(f"{server.url}/api/sessions/x").status_code == 503
    finally:
        server.stop()
        listener.close()


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/mentors", "transfers"),
        ("/api/mentors/1/statements/2026-11.csv", "billing"),
        ("/api/mentors/1/statements", "billing"),
        ("/api/mentors/1/statementsx", "transfers"),
        ("/api/students/1/attendance.csv", "attendance"),
        ("/api/students/1/attendance", "attendance"),
        ("/api/students/1/transfer/check", "transfers"),
        ("/api/absences/1", "transfers"),
        ("/api/sessions/1/cancellation", "sessions"),
        ("/api/emails/1/resend", "notifier"),
        ("/api/audit/events/1/consequences", "support"),
        ("/mail", "mail"),
        ("/mail/1", "mail"),
        ("/mailbox", None),
        ("/api/sessionsx", None),
        ("/", None),
    ],
)
def test_each_resource_goes_to_its_owner(path: str, service: str | None) -> None:
    assert owner_of(path) == service
