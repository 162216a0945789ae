"""Accepting a command: decided on a loaded state, appended at its version, answered the same when it is repeated."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import orjson
from fastapi import Response
from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.auth import Principal
from services.chassis.context import Context
from services.chassis.event_store import Change, CommandRecord, DuplicateCommand, EventStore, VersionConflict
from services.chassis.ids import derived_id
from services.chassis.problem import MEDIA_TYPE, refusal_problem
from services.chassis.refusal import Refused, Stale, Unavailable

DECIDE_ATTEMPTS = 12
BACKOFF_MAX_S = 0.05

FIND_COMMAND = "SELECT fingerprint, status, answer FROM commands WHERE command_id = %b"


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command as it came in: who, with which Idempotency-Key, If-Match version and language.

    ``fingerprint`` is a digest of method, path and body: the same key with another one is refused (422).
    """

    context: Context
    idempotency_key: str | None
    fingerprint: str
    if_match: int | None
    language: Literal["fr", "en"]
    person: Principal


@dataclass(frozen=True, slots=True)
class Decision:
    """What an attempt came to: events to append (none: already so) and the JSON body that answers it."""

    changes: Sequence[Change]
    answer: Callable[[], Mapping[str, Any]]
    status: int = 200
    also: Callable[[Connection[DictRow]], None] | None = None


def kept_refusal(refused: Refused, changes: Sequence[Change], language: Literal["fr", "en"]) -> Decision:
    """A refusal that is an event itself: answered as any other, and kept under its Idempotency-Key with ``changes``."""
    return Decision(changes, lambda: orjson.loads(refusal_problem(refused, language).body), status=refused.status)


class Commands:
    """Runs commands against a service's event store."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def execute(self, request: CommandRequest, attempt: Callable[[], Decision]) -> Response:
        """Answers a repeated Idempotency-Key as before; otherwise decides and appends, again where somebody was faster.

        ``attempt`` loads, decides and raises ``Refused``: a refusal is not kept, so nothing at all is left of it
        (but of one that is an event itself: ``kept_refusal``).
        Raises ``Unavailable`` (503) where the aggregate stays contended.
        """
        command_id = _command_id(request)
        for tried in range(DECIDE_ATTEMPTS):
            if command_id is not None and (known := self._find(command_id, request.fingerprint)) is not None:
                return known
            decision = attempt()
            body = orjson.dumps(decision.answer(), option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
            record = (
                CommandRecord(command_id, request.fingerprint, decision.status, body)
                if command_id is not None
                else None
            )
            if not decision.changes and record is None and decision.also is None:
                return _response(decision.status, body)
            try:
                self._store.append(decision.changes, request.context, also=decision.also, command=record)
            except DuplicateCommand:
                continue
            except VersionConflict:
                time.sleep(random.uniform(0, BACKOFF_MAX_S * (tried + 1) / DECIDE_ATTEMPTS))  # noqa: S311
                continue
            return _response(decision.status, body)
        raise Unavailable(
            "contended",
            "Beaucoup de personnes modifient ceci en même temps ; réessayez dans un instant.",
            "Many people are changing this at the same moment; try again shortly.",
            retry_after_s=1,
        )

    def _find(self, command_id: UUID, fingerprint: str) -> Response | None:
        with self._store.database.connection() as connection:
            row = connection.execute(FIND_COMMAND, (command_id,), binary=True, prepare=True).fetchone()
        if row is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise Refused(
                "idempotency_key_reused",
                "Cette clé d’idempotence a déjà servi pour une autre demande ; utilisez-en une nouvelle.",
                "This Idempotency-Key was already used for another request; use a new one.",
            )
        return _response(row["status"], row["answer"])


def check_if_match(request: CommandRequest, version: int) -> None:
    """Raises ``Stale`` (412) where the caller's If-Match names another version than the aggregate's present one."""
    if request.if_match is not None and request.if_match != version:
        raise Stale(
            "version_stale",
            "Quelqu’un a modifié ceci entre-temps ; rechargez la page et recommencez.",
            f"This has changed meanwhile (it is at version {version}); read it again and retry.",
        )


def _command_id(request: CommandRequest) -> UUID | None:
    if request.idempotency_key is None:
        return None
    return derived_id("command", request.context.actor, request.idempotency_key)


def _response(status: int, body: bytes) -> Response:
    if status >= 400:
        return Response(content=body, status_code=status, media_type=MEDIA_TYPE)
    headers = {}
    version = orjson.loads(body).get("version")
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return Response(content=body, status_code=status, headers=headers, media_type="application/json")
