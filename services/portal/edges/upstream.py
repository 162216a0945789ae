"""Connections to the services, for the proxy alone: HTTP/1.1 as it comes and goes, on httptools' parser.

A client library builds request and response objects that a proxy never looks at: with httpx here, a request that was
passed on took 4.1 ms of a core, with this 0.9 ms (DECISIONS.md).
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final, cast

import httptools

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 60.0
# Below the services' own 75 s, so that we never send on a connection which the service is closing.
KEEPALIVE_S: Final = 30.0
MAX_CONNECTIONS: Final = 256
MAX_HEADERS: Final = 200
HIGH_WATER_BYTES: Final = 262_144

Headers = Sequence[tuple[bytes, bytes]]


class UpstreamAway(Exception):
    """The service can't be reached, or left before its whole answer had come."""


class Pool:
    """Keep-alive connections to one service, MAX_CONNECTIONS at most."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: deque[tuple[float, _Connection]] = deque()
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)

    async def send(self, head: bytes, body: AsyncIterator[bytes] | None, *, answers_with_body: bool) -> "Answer":
        """Sends a request; gives its answer as soon as the head of it has come. Raises UpstreamAway.

        Whoever gets an Answer must ``release`` it, read or not.
        """
        await self._places.acquire()
        connection = None
        try:
            connection = self._reusable() or await self._connected()
            await connection.send(head, body)
            async with asyncio.timeout(READ_TIMEOUT_S):
                await connection.head_came()
        except BaseException as error:
            if connection is not None:
                connection.close()
            self._places.release()
            if isinstance(error, OSError | TimeoutError):
                raise UpstreamAway(repr(error)) from error
            raise
        return Answer(self, connection, answers_with_body=answers_with_body)

    def take_back(self, connection: "_Connection", *, reusable: bool) -> None:
        if reusable:
            connection.reset()
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()
        self._places.release()

    def _reusable(self) -> "_Connection | None":
        while self._idle:
            since, connection = self._idle.pop()
            if not connection.is_closing and time.monotonic() - since < KEEPALIVE_S:
                return connection
            connection.close()
        return None

    async def _connected(self) -> "_Connection":
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return connection


class Answer:
    """Status and headers as they came; the body as it comes, without its transfer coding."""

    def __init__(self, pool: Pool, connection: "_Connection", *, answers_with_body: bool) -> None:
        self._pool, self._connection, self._has_body = pool, connection, answers_with_body
        self.status: int = connection.status
        self.headers: Headers = connection.headers

    async def body(self) -> AsyncIterator[bytes]:
        """Raises UpstreamAway where the service leaves in the middle."""
        while self._has_body:
            try:
                async with asyncio.timeout(READ_TIMEOUT_S):
                    chunk = await self._connection.next_chunk()
            except (OSError, TimeoutError) as error:
                raise UpstreamAway(repr(error)) from error
            if chunk is None:
                return
            yield chunk

    def release(self) -> None:
        self._pool.take_back(self._connection, reusable=self._connection.is_reusable)


class _Connection(asyncio.Protocol):
    """One connection; one exchange at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost: Exception | None = None
        self.reset()

    def reset(self) -> None:
        """Ready for the next exchange."""
        self._parser = httptools.HttpResponseParser(self)
        self._news = asyncio.Event()
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._head_complete = self._complete = self._keeps_alive = self._busy = self._spoilt = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    @property
    def is_closing(self) -> bool:
        return self._lost is not None or self._transport is None or self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        return self._complete and self._keeps_alive and not (self._chunks or self._spoilt or self.is_closing)

    async def send(self, head: bytes, body: AsyncIterator[bytes] | None) -> None:
        """Sends a request; not all of its body where the answer comes before (413): then nothing may follow here."""
        self._busy = True
        self._write(head)
        if body is None:
            return
        async for chunk in body:
            if self._head_complete or self._lost is not None:
                self._spoilt = True
                return
            self._write(chunk)
            await self._writable.wait()

    def _write(self, data: bytes) -> None:
        if self._lost is not None or self._transport is None:
            raise self._lost or ConnectionResetError
        self._transport.write(data)

    async def head_came(self) -> None:
        while not self._head_complete:
            await self._more()

    async def next_chunk(self) -> bytes | None:
        """A part of the body; None after the last."""
        while not self._chunks:
            if self._complete:
                return None
            await self._more()
        chunk = self._chunks.popleft()
        self._waiting_bytes -= len(chunk)
        if self._waiting_bytes < HIGH_WATER_BYTES and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return chunk

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def _more(self) -> None:
        if self._lost is not None:
            raise self._lost
        self._news.clear()
        await self._news.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._busy:  # Nobody asked: whatever this is, it must not be taken for the next answer.
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._lost = ConnectionAbortedError(f"not HTTP: {error}")
            self.close()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_complete and exc is None and not self._keeps_alive and not self._has_length():
            self._complete = True  # A body without a length ends with its connection.
        self._lost = self._lost or exc or ConnectionResetError("closed by the service")
        self._writable.set()
        self._news.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= MAX_HEADERS:
            raise ValueError("too many headers")
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._keeps_alive = self._parser.should_keep_alive()
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._waiting_bytes += len(body)
        if self._waiting_bytes >= HIGH_WATER_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        self._complete = True

    def _has_length(self) -> bool:
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
