"""A TCP proxy of the tests, in front of PostgreSQL, Kafka and SMTP: it delays, cuts, and stops at a moment of the wire.

A moment is a request that has arrived and is not passed on yet (``BEFORE``: nothing has happened), or a reply that has
arrived and is not passed on yet (``AFTER``: it has happened, and the client does not know).
"""

import asyncio
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal, Protocol, TypeVar

from psycopg.conninfo import conninfo_to_dict, make_conninfo

T = TypeVar("T")
When = Literal["before", "after"]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HOST = "127.0.0.1"
READ_LIMIT = 64 * 1024 * 1024
KAFKA_NAMES = {0: "Produce", 1: "Fetch", 8: "OffsetCommit", 11: "JoinGroup", 14: "SyncGroup"}


class Trap:
    """One moment at which the proxy stops. The test sees it sprung, does its harm, and lets go or cuts."""

    def __init__(self, what: str, when: When, nth: int, loop: asyncio.AbstractEventLoop) -> None:
        self.what = what
        self.when = when
        self.left = nth
        self.sprung = threading.Event()
        self._loop = loop
        self._passes: asyncio.Future[bool] = loop.create_future()

    def let_go(self) -> None:
        self._decide(True)

    def cut(self) -> None:
        self._decide(False)

    def _decide(self, passes: bool) -> None:
        self._loop.call_soon_threadsafe(lambda: None if self._passes.done() else self._passes.set_result(passes))

    async def hold(self) -> bool:
        """Whether what was stopped goes on."""
        self.sprung.set()
        return await self._passes


class Wire(Protocol):
    """What a protocol's messages are called, for one connection."""

    async def read_request(self, reader: asyncio.StreamReader) -> bytes: ...
    async def read_reply(self, reader: asyncio.StreamReader) -> bytes: ...
    def request(self, message: bytes) -> str | None: ...
    def reply(self, message: bytes) -> str | None: ...


class PostgresWire:
    """A request is called by its statement, also where that was prepared before; a reply is all up to 'ready'."""

    def __init__(self) -> None:
        self._has_begun = False
        self._prepared: dict[bytes, bytes] = {}
        self._asked: bytes | None = None

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        if self._has_begun:
            return await _typed(reader)
        self._has_begun = True
        head = await reader.readexactly(4)
        return head + await reader.readexactly(int.from_bytes(head) - 4)

    async def read_reply(self, reader: asyncio.StreamReader) -> bytes:
        reply = await _typed(reader)
        while self._asked is not None and not reply.endswith((b"Z\0\0\0\5I", b"Z\0\0\0\5T", b"Z\0\0\0\5E")):
            reply += await _typed(reader)
        return reply

    def request(self, message: bytes) -> str | None:
        kind, body = message[:1], message[5:]
        if kind == b"P":
            name, statement, _ = body.split(b"\0", 2)
            self._prepared[name] = statement
        elif kind == b"B":
            self._asked = self._prepared.get(body.split(b"\0", 2)[1], b"")
            return self._asked.decode()
        elif kind == b"Q":
            self._asked = body.rstrip(b"\0")
            return self._asked.decode()
        return None

    def reply(self, message: bytes) -> str | None:
        asked, self._asked = self._asked, None
        return None if asked is None else asked.decode()


class KafkaWire:
    """Requests and replies go by the name of their API. Brokers' addresses in replies become those of their proxies."""

    def __init__(self, addresses: Mapping[int, int]) -> None:
        self._ports = {_address(port): _address(proxy) for port, proxy in addresses.items()}
        self._asked: dict[bytes, str] = {}

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(4)
        return head + await reader.readexactly(int.from_bytes(head))

    async def read_reply(self, reader: asyncio.StreamReader) -> bytes:
        reply = await self.read_request(reader)
        for address, proxy in self._ports.items():
            reply = reply.replace(address, proxy)
        return reply

    def request(self, message: bytes) -> str | None:
        name = KAFKA_NAMES.get(int.from_bytes(message[4:6]))
        if name is not None:
            self._asked[message[8:12]] = name
        return name

    def reply(self, message: bytes) -> str | None:
        return self._asked.pop(message[4:8], None)


class SmtpWire:
    """A line is called by its first word, the end of a message '.'."""

    def __init__(self) -> None:
        self._asked: str | None = None

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        return await reader.readuntil(b"\r\n")

    read_reply = read_request

    def request(self, message: bytes) -> str | None:
        self._asked = message.split()[0].decode("ascii", "replace") if message.strip() else None
        return self._asked

    def reply(self, message: bytes) -> str | None:
        return self._asked


class Proxy:
    """One address of our own in front of one server's. ``delay_s`` is put before each message, both ways."""

    def __init__(self, house: "ProxyHouse", server: str | int, wire: Callable[[], Wire]) -> None:
        self.delay_s = 0.0
        self.port = 0
        self._house = house
        self._server = server
        self._wire = wire
        self._traps: list[Trap] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut_off = False

    def trap(self, what: str, when: When, nth: int = 1) -> Trap:
        """Stops at the ``nth`` moment from now at which a message whose name contains ``what`` comes by."""

        async def set_trap() -> Trap:
            trap = Trap(what, when, nth, asyncio.get_running_loop())
            self._traps.append(trap)
            return trap

        return self._house.run(set_trap())

    def cut(self) -> None:
        """Breaks all connections that are open; new ones are let through."""

        async def abort() -> None:
            for writer in list(self._open):
                writer.transport.abort()

        self._house.run(abort())

    def cut_off(self) -> None:
        """Breaks all connections and refuses new ones."""
        self._is_cut_off = True
        self.cut()

    def heal(self) -> None:
        self._is_cut_off = False

    async def listen(self) -> None:
        server = await asyncio.start_server(self._serve, HOST, 0, limit=READ_LIMIT)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._is_cut_off:
                return
            from_server, upstream = await self._connect()
            self._open.add(upstream)
            wire = self._wire()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(wire, reader, upstream))
                group.create_task(self._replies(wire, from_server, writer))
        except* (OSError, asyncio.IncompleteReadError, _Cut):
            pass  # One side has gone, so the other goes too.
        except* asyncio.CancelledError:
            pass  # The house closes. Raised on, asyncio would report it as an error of the callback.
        finally:
            for end in filter(None, (writer, upstream)):
                self._open.discard(end)
                end.transport.abort()

    async def _connect(self) -> Streams:
        if isinstance(self._server, int):
            return await asyncio.open_connection(HOST, self._server, limit=READ_LIMIT)
        return await asyncio.open_unix_connection(self._server, limit=READ_LIMIT)

    async def _requests(self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            message = await wire.read_request(reader)
            await self._pass_on(message, wire.request(message), "before", writer)

    async def _replies(self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            message = await wire.read_reply(reader)
            await self._pass_on(message, wire.reply(message), "after", writer)

    async def _pass_on(self, message: bytes, name: str | None, when: When, writer: asyncio.StreamWriter) -> None:
        if name is not None:
            for trap in self._traps:
                if trap.when == when and trap.what in name and not trap.sprung.is_set():
                    trap.left -= 1
                    if trap.left == 0 and not await trap.hold():
                        raise _Cut
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        writer.write(message)
        await writer.drain()


class _Cut(Exception):
    pass


class ProxyHouse:
    """All proxies of a test, in one event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def postgres(self, database_url: str) -> tuple[Proxy, str]:
        """A proxy in front of the server's unix socket, and the URL that leads through it."""
        folder = conninfo_to_dict(database_url)["host"]
        proxy = self._listening(Proxy(self, f"{folder}/.s.PGSQL.5432", PostgresWire))
        return proxy, make_conninfo(database_url, host=HOST, port=proxy.port, sslmode="disable", gssencmode="disable")

    def kafka(self, bootstrap_servers: str) -> tuple[list[Proxy], str]:
        """A proxy in front of each broker, and the addresses that lead through them."""
        addresses: dict[int, int] = {}
        proxies = []
        for address in bootstrap_servers.split(","):
            port = int(address.rpartition(":")[2])
            proxies.append(self._listening(Proxy(self, port, lambda: KafkaWire(addresses))))
            addresses[port] = proxies[-1].port
        return proxies, ",".join(f"{HOST}:{proxy.port}" for proxy in proxies)

    def smtp(self, port: int) -> Proxy:
        return self._listening(Proxy(self, port, SmtpWire))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        with suppress(TimeoutError):
            self.run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _listening(self, proxy: Proxy) -> Proxy:
        self.run(proxy.listen())
        return proxy


@contextmanager
def proxies() -> Iterator[ProxyHouse]:
    house = ProxyHouse()
    try:
        yield house
    finally:
        house.close()


async def _typed(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:]) - 4)


def _address(port: int) -> bytes:
    """How a broker's address stands in a reply: as long before as after, so no length around it changes."""
    return HOST.encode() + struct.pack(">i", port)
