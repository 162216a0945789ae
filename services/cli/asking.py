"""Asking the API of a running Relais."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from services.chassis.settings import Settings
from services.cli.failing import fail
from services.cli.running_stack import access_token, url_of

TIMEOUT_S = 15.0
READER = "support@example.org"


def api_client(settings: Settings) -> httpx.Client:
    """A client of the running Relais, signed in as support (or with RELAIS_TOKEN)."""
    token = access_token(settings, "support", READER)
    return httpx.Client(
        base_url=url_of(settings),
        timeout=TIMEOUT_S,
        trust_env=False,
        headers={"Authorization": f"Bearer {token}", "Accept-Language": "fr"},
    )


def get_or_fail(client: httpx.Client, path: str, parameters: Iterable[tuple[str, str]] = ()) -> Mapping[str, Any]:
    """The JSON at ``path``; ends the command with the problem's own sentence where it is refused."""
    return _answer_or_fail(client, client.build_request("GET", path, params=list(parameters)))


def post_or_fail(client: httpx.Client, path: str, body: object, *, idempotency_key: str) -> Mapping[str, Any]:
    """The JSON that answers a command; ends ours with the problem's own sentence where it is refused."""
    headers = {"Idempotency-Key": idempotency_key}
    return _answer_or_fail(client, client.build_request("POST", path, json=body, headers=headers))


def _answer_or_fail(client: httpx.Client, request: httpx.Request) -> Mapping[str, Any]:
    try:
        answer = client.send(request)
    except httpx.TransportError:
        fail(
            f"Relais ne répond pas à {client.base_url} : est-il lancé ?\n"
            f"Relais does not answer at {client.base_url}: is it running?"
        )
    if not answer.is_success:
        fail(refusal_of(answer))
    found: Mapping[str, Any] = answer.json()
    return found


@contextmanager
def lines_or_fail(client: httpx.Client, path: str) -> Iterator[Iterator[bytes]]:
    """The lines of a long answer as they come; ends the command where it is refused or breaks off."""
    try:
        with client.stream("GET", path) as answer:
            if not answer.is_success:
                answer.read()
                fail(refusal_of(answer))
            yield _lines(answer.iter_bytes())
    except httpx.TransportError as error:
        fail(f"Relais ne répond plus à {client.base_url} : {error}\nRelais no longer answers.")


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def refusal_of(answer: httpx.Response) -> str:
    """The sentence of a problem+json."""
    try:
        problem = answer.json()
        return f"{problem['detail']} ({answer.status_code} {problem['code']})"
    except (ValueError, KeyError, TypeError):
        return f"Relais a répondu {answer.status_code} à {answer.request.url.path}."
