"""The services' APIs, asked in parallel and with the person's own token: the portal may see what the person may see."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from services.portal.edges.proxy import AWAY
from services.portal.edges.routes import Upstreams, owner_of
from services.portal.edges.upstream import KEEPALIVE_S

log = logging.getLogger(__name__)
T = TypeVar("T")

TIMEOUT_S: Final = 8.0
DOWNLOAD_TIMEOUT_S: Final = 120.0
CONNECT_TIMEOUT_S: Final = 1.0
CATCH_UP_S: Final = 1.0
CATCH_UP_STEP_S: Final = 0.05
PAGE_LIMIT: Final = 200
PAGES_AT_MOST: Final = 10


class Problem(Exception):
    """What a service said no to (RFC 9457), or that it is away (503). ``detail`` is a sentence for the person."""

    def __init__(self, status: int, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)


def api_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(max_connections=64, keepalive_expiry=KEEPALIVE_S),
        trust_env=False,
    )


def path(*parts: str) -> str:
    """A path below /api, each part quoted: an id that a person typed stays one part."""
    return "/api/" + "/".join(quote(part, safe="") for part in parts)


class Apis:
    """The services' APIs as one person sees them, answering in that person's language."""

    def __init__(
        self, client: httpx.AsyncClient, upstreams: Upstreams, *, token: str, language: str, of_staff: bool = False
    ) -> None:
        """``of_staff``: the person may read lists of people."""
        self.of_staff = of_staff
        self._client = client
        self._upstreams = upstreams
        self._headers = {"authorization": f"Bearer {token}", "accept-language": language}
        self._language = language

    async def get(self, path: str, /, **params: object) -> Any:
        """The JSON answer; raises Problem. A list is asked for as a parameter that comes again."""
        response = await self._send(
            "GET", path, params={k: _asked(v) for k, v in params.items() if v not in (None, "")}
        )
        return response.json()

    async def get_or_none(self, path: str, /, **params: object) -> Any | None:
        """Like get, with None for 404."""
        try:
            return await self.get(path, **params)
        except Problem as problem:
            if problem.status == httpx.codes.NOT_FOUND:
                return None
            raise

    async def all_items(self, path: str, /, **params: object) -> list[Any]:
        """Every item of a list, following its cursor through at most PAGES_AT_MOST pages."""
        items: list[Any] = []
        cursor: str | None = None
        for _ in range(PAGES_AT_MOST):
            page = await self.get(path, limit=PAGE_LIMIT, cursor=cursor, **params)
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                break
        return items

    async def at_version(self, path: str, version: int | None) -> Any:
        """The resource once it has reached the version of the command that the person just sent, within a second."""
        deadline = asyncio.get_running_loop().time() + CATCH_UP_S
        while True:
            found = await self.get_or_none(path)
            reached = found is not None and found.get("version", 0) >= (version or 0)
            if reached or not version or asyncio.get_running_loop().time() > deadline:
                if found is None:
                    return await self.get(path)
                return found
            await asyncio.sleep(CATCH_UP_STEP_S)

    async def post(
        self, path: str, body: Mapping[str, Any], *, idempotency_key: str, seen_version: str | None = None
    ) -> Any:
        """Sends a command; the same key again gets the same answer and does nothing twice.

        With ``seen_version`` it is refused (412) where what the person saw has changed since.
        """
        headers = {"idempotency-key": idempotency_key} | ({"if-match": f'"{seen_version}"'} if seen_version else {})
        response = await self._send("POST", path, json=dict(body), headers=headers)
        return response.json() if response.content else {}

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        response = await self._send("PUT", path, json=dict(body))
        return response.json() if response.content else {}

    async def delete(self, path: str) -> None:
        await self._send("DELETE", path)

    async def stream(self, path: str, /, **params: object) -> AsyncIterator[bytes]:
        """An answer of any size, handed on as it comes. Raises Problem before its first part."""
        service = owner_of(path)
        base_url = self._upstreams.base_url(service) if service else None
        if base_url is None:
            raise Problem(503, "service_unavailable", AWAY[self._language])
        request = self._client.build_request(
            "GET",
            base_url + path,
            headers=self._headers,
            params={k: _asked(v) for k, v in params.items() if v not in (None, "")},
            timeout=httpx.Timeout(DOWNLOAD_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            log.warning("service away", extra={"owner": service, "path": path, "error": repr(error)})
            raise Problem(503, "service_unavailable", AWAY[self._language]) from error
        if not response.is_success:
            await response.aread()
            await response.aclose()
            raise _problem(response, self._language)
        return _parts(response)

    async def download(self, path: str) -> httpx.Response:
        """An answer as it is (CSV), to hand on."""
        return await self._send("GET", path)

    async def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        service = owner_of(path)
        base_url = self._upstreams.base_url(service) if service else None
        if base_url is None:
            raise Problem(503, "service_unavailable", AWAY[self._language])
        try:
            response = await self._client.request(
                method, base_url + path, headers={**self._headers, **(headers or {})}, **options
            )
        except httpx.HTTPError as error:
            log.warning("service away", extra={"owner": service, "path": path, "error": repr(error)})
            raise Problem(503, "service_unavailable", AWAY[self._language]) from error
        if response.is_success:
            return response
        raise _problem(response, self._language)


async def or_problem(asked: Awaitable[T]) -> T | Problem:
    """For a part of a page that may fail on its own: its answer, or what to say in its place."""
    try:
        return await asked
    except Problem as problem:
        return problem


async def _parts(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in response.aiter_bytes():
            yield part
    finally:
        await response.aclose()


def _asked(value: object) -> str | list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else str(value)


def _problem(response: httpx.Response, language: str) -> Problem:
    try:
        body = response.json()
        return Problem(
            response.status_code,
            str(body.get("code", "")),
            str(body.get("detail") or body.get("title") or AWAY[language]),
            tuple(error for error in body.get("errors") or () if isinstance(error, dict)),
        )
    except (ValueError, AttributeError):
        return Problem(response.status_code, "", AWAY[language])
