"""Sending rows to a running Relais, in chunks: first all of them as a dry run, then for real."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

import httpx
import orjson

from services.chassis.ids import new_id
from services.cli.importing.accounts import Accounts, KnownMentor, KnownStudent
from services.cli.importing.rows import Placed, Problem

CHUNK_ROWS = 1_000
AT_ONCE = 4
"""Chunks of sessions on their way at a time: rows of one student may go in any order, each is a session of its own."""
TIMEOUT_S = 120.0
ATTEMPTS_FOR_S = 60.0
"""How long an absent server is waited for, and accounts that are still on their way to the sessions."""
PAUSE_S = 0.2
NOT_ARRIVED = {"student_unknown", "mentor_unknown"}

Endpoint = Literal["/api/students/import", "/api/sessions/import"]
T = TypeVar("T")
R = TypeVar("R")


class NotSent(Exception):
    """Relais can't be reached or refuses the whole call: a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Counts:
    created: int = 0
    changed: int = 0
    unchanged: int = 0

    @property
    def rows(self) -> int:
        return self.created + self.changed + self.unchanged

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.created + other.created, self.changed + other.changed, self.unchanged + other.unchanged)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of the chunk, by its place in it, and why Relais doesn't take it."""

    index: int
    code: str
    problem: Problem


class Destination(Protocol):
    """Where rows go; ``post`` gives the counts, or every refused row of the chunk (then nothing of it was written)."""

    def lookup(self, addresses: Iterable[str]) -> Accounts: ...

    def post(self, endpoint: Endpoint, chunk: Sequence[Placed], *, dry_run: bool) -> Counts | list[RefusedRow]: ...


class RunningRelais:
    """The bulk endpoints of the Relais at ``url``."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=url,
            timeout=TIMEOUT_S,
            trust_env=False,
            headers={"Authorization": f"Bearer {token}", "Accept-Language": "fr", "Content-Type": "application/json"},
        )

    def close(self) -> None:
        self._client.close()

    def now(self) -> datetime:
        """The present instant there: a sandbox has a clock of its own."""
        try:
            answer = self._client.get("/api/sandbox/clock")
            return datetime.fromisoformat(answer.json()["now"]) if answer.is_success else datetime.now(UTC)
        except httpx.TransportError as error:
            raise self._unreachable() from error

    def lookup(self, addresses: Iterable[str]) -> Accounts:
        """Asks which of the ``addresses`` have an account."""
        accounts = Accounts()
        for chunk in chunks(addresses, CHUNK_ROWS):
            found = self._send("/api/students/lookup", {"emails": chunk}, idempotency_key=None).json()
            for email, mentor in found["mentors"].items():
                accounts.mentors[email] = KnownMentor(UUID(mentor["mentor_id"]), mentor["timezone"])
            for email, student in found["students"].items():
                accounts.students[email] = KnownStudent(UUID(student["student_id"]), UUID(student["mentor_id"]))
        return accounts

    def post(self, endpoint: Endpoint, chunk: Sequence[Placed], *, dry_run: bool) -> Counts | list[RefusedRow]:
        """Sends the chunk, and again while accounts that were just written are still on their way."""
        body = {"dry_run": dry_run, "rows": [placed.row for placed in chunk]}
        key = None if dry_run else str(new_id())
        deadline = time.monotonic() + ATTEMPTS_FOR_S
        while True:
            answer = self._send(endpoint, body, idempotency_key=key)
            if answer.status_code == httpx.codes.OK:
                counted = answer.json()
                return Counts(counted["created"], counted["changed"], counted["unchanged"])
            refused = _refused_rows(answer.json(), chunk)
            on_their_way = all(row.code in NOT_ARRIVED for row in refused)
            if dry_run or not on_their_way or time.monotonic() >= deadline:
                return refused
            time.sleep(PAUSE_S)

    def _unreachable(self) -> NotSent:
        return NotSent(f"Relais ne répond pas à {self._client.base_url} : lancez-le (relais up), puis recommencez.")

    def _send(self, endpoint: str, body: Mapping[str, Any], *, idempotency_key: str | None) -> httpx.Response:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        content = orjson.dumps(body)
        deadline = time.monotonic() + ATTEMPTS_FOR_S
        while True:
            try:
                answer = self._client.post(endpoint, content=content, headers=headers)
            except httpx.TransportError as error:
                if time.monotonic() >= deadline:
                    raise self._unreachable() from error
            else:
                refused = answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
                if answer.is_success or (refused and answer.json().get("code") == "import_refused"):
                    return answer
                if answer.status_code not in (429, 502, 503, 504) or time.monotonic() >= deadline:
                    raise NotSent(_sentence(answer))
            time.sleep(PAUSE_S)


def in_order(call: Callable[[list[T]], R], rows: Iterable[list[T]], *, at_once: int) -> Iterator[tuple[list[T], R]]:
    """Calls with each chunk, up to ``at_once`` of them at a time, and gives what each came to, in their order.

    The next chunks are made while others are on their way; never more than these are in memory. Where the caller
    stops, what is on its way is waited for, and nothing more is sent.
    """
    waiting: deque[tuple[list[T], Future[R]]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for chunk in rows:
                waiting.append((chunk, pool.submit(call, chunk)))
                if len(waiting) >= at_once:
                    done, answer = waiting.popleft()
                    yield done, answer.result()
            while waiting:
                done, answer = waiting.popleft()
                yield done, answer.result()
        finally:
            pool.shutdown(cancel_futures=True)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """``items`` in lists of ``size``, the last one shorter; never all of them in memory."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def chunks_of_people(people: Iterable[Placed], size: int) -> Iterator[list[Placed]]:
    """``people`` in lists of about ``size``, a student never apart from their transfers.

    A mentor's places are counted when a chunk ends: a student who went on to another one must not be counted twice.
    """
    chunk: list[Placed] = []
    for student_id, rows in groupby(people, key=lambda placed: placed.row.get("student_id")):
        for group in ([row] for row in rows) if student_id is None else (list(rows),):
            if chunk and len(chunk) + len(group) > size:
                yield chunk
                chunk = []
            chunk += group
    if chunk:
        yield chunk


def _refused_rows(answer: Mapping[str, Any], chunk: Sequence[Placed]) -> list[RefusedRow]:
    refused = []
    for error in answer["errors"]:
        placed = chunk[error["row"]]
        sentence = error.get("detail") or error.get("message") or error["code"]
        problem = Problem(placed.file, placed.line, sentence, error.get("detail_en") or error["code"])
        refused.append(RefusedRow(error["row"], error["code"], problem))
    return refused


def _sentence(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['detail']} ({answer.status_code} {problem['code']})"
    except (ValueError, KeyError, TypeError):
        return f"Relais a répondu {answer.status_code} à {answer.request.url.path}."
