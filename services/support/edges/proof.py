"""HTTP: the proof of the audit log, and all of it as JSON lines, so that whoever may read it can verify it alone."""

from collections.abc import Iterator
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from services.chassis.auth import Principal
from services.chassis.database import Database
from services.chassis.http import require
from services.support.domain.proof import ENTRY_FIELDS
from services.support.views import audit_log

MEDIA_TYPE: Final = "application/x-ndjson"
LINES_A_CHUNK: Final = 500

# One instant for entries and heads; a reader that is slow holds one connection and nothing else.
ONE_INSTANT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class AuditHead(BaseModel):
    """The last entry of a chain. Kept elsewhere, it vouches for all entries before it."""

    topic: str
    partition: int
    number: int
    digest: str


class AuditHeads(BaseModel):
    """The heads of all chains; there is one for each partition of a topic."""

    items: list[AuditHead]


def proof_router(database: Database) -> APIRouter:
    """Routes ``/audit/heads`` and ``/audit/export``, for support."""
    router = APIRouter(prefix="/audit", tags=["audit"])

    @router.get("/heads")
    def audit_heads(principal: Annotated[Principal, require("support")]) -> AuditHeads:
        """The last number and digest of each chain."""
        with database.connection() as connection:
            return AuditHeads(items=[AuditHead(**head.as_json()) for head in audit_log.heads(connection)])

    @router.get("/export", response_class=Response)
    def audit_export(principal: Annotated[Principal, require("support")]) -> StreamingResponse:
        """Every entry with its digest, chain by chain, one JSON object a line; then each chain's head: ``{"head": …}``.

        A digest is the SHA-256 of the digest before it (32 zero bytes at first) and the entry without its digest, as
        JSON in UTF-8 with sorted names and no spaces. An export that does not end with the heads is not whole.
        """
        return StreamingResponse(_chunks(database), media_type=MEDIA_TYPE)

    return router


def _chunks(database: Database) -> Iterator[bytes]:
    chunk: list[bytes] = []
    for line in _lines(database):
        chunk.append(line)
        if len(chunk) == LINES_A_CHUNK:
            yield b"".join(chunk)
            chunk.clear()
    yield b"".join(chunk)


def _lines(database: Database) -> Iterator[bytes]:
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS
    with database.transaction() as connection:
        connection.execute(ONE_INSTANT)
        for row in audit_log.in_order(connection):
            yield orjson.dumps({name: row[name] for name in (*ENTRY_FIELDS, "digest")}, option=options)
        for head in audit_log.heads(connection):
            yield orjson.dumps({"head": head.as_json()}, option=options)
