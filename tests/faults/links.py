"""The connections between brokers, apart from those to their clients.

Each broker's listeners for the others are reached through a proxy of ours, so that one broker can be cut off from the
others while clients still reach it.

Bytes are passed on as they are. Who connects is told by the process that owns the other end of the connection; a broker
that speaks to itself is never cut off from itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from deploy.local import KafkaBroker
from deploy.local.ports import HOST, free_ports
from tests.faults.proxy import ProxyHouse

CHUNK = 256 * 1024
BROKER, CONTROLLER = "BROKER", "CONTROLLER"


@dataclass(eq=False)
class Link:
    """One connection to the broker at place ``server``. ``is_open`` is cleared for as long as it is silent."""

    server: int
    client_port: int
    writers: list[asyncio.StreamWriter]
    is_open: asyncio.Event = field(default_factory=asyncio.Event)


class Links:
    """All connections between the ``brokers``. Made before they start, since it tells them where the others are."""

    def __init__(self, house: ProxyHouse, brokers: Sequence[KafkaBroker]) -> None:
        self._house = house
        self._brokers = brokers
        self._links: set[Link] = set()
        self._victim: int | None = None
        self._is_silent = False
        inner = free_ports(len(brokers))
        through = {
            name: [house.run(self._listen(place, port)) for place, port in enumerate(ports)]
            for name, ports in ((BROKER, inner), (CONTROLLER, [broker.node.controller_port for broker in brokers]))
        }
        for place, broker in enumerate(brokers):
            broker.overrides = self._properties(place, inner[place], through)

    def _properties(self, place: int, inner_port: int, through: Mapping[str, Sequence[int]]) -> Mapping[str, object]:
        broker = self._brokers[place]
        clients = f"PLAINTEXT://{broker.address}"
        return {
            "listeners": f"{clients},{BROKER}://{HOST}:{inner_port},{CONTROLLER}://{HOST}:{broker.node.controller_port}",
            "advertised.listeners": ",".join(
                [clients, *(f"{name}://{HOST}:{ports[place]}" for name, ports in through.items())]
            ),
            "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,{BROKER}:PLAINTEXT,{CONTROLLER}:PLAINTEXT",
            "inter.broker.listener.name": BROKER,
            "controller.quorum.voters": ",".join(
                f"{other.node.node_id}@{HOST}:{port}"
                for other, port in zip(self._brokers, through[CONTROLLER], strict=True)
            ),
        }

    def isolate(self, victim: int, *, in_silence: bool) -> None:
        """Cuts one broker off from the others, both ways. ``in_silence``, nothing is refused or broken: bytes stay on
        the way, as in a network that loses them, and arrive when it heals."""

        async def cut() -> None:
            self._victim, self._is_silent = victim, in_silence
            for link in list(self._links):
                if self._crosses(link):
                    self._cut(link)

        self._house.run(cut())

    def heal(self) -> None:
        async def mend() -> None:
            self._victim = None
            for link in self._links:
                link.is_open.set()

        self._house.run(mend())

    def _cut(self, link: Link) -> None:
        if self._is_silent:
            link.is_open.clear()
            return
        for writer in link.writers:
            writer.transport.abort()

    def _crosses(self, link: Link) -> bool:
        return (link.server == self._victim) != self._is_from_victim(link.client_port)

    def _is_from_victim(self, port: int) -> bool:
        if self._victim is None or (pid := self._brokers[self._victim].pid) is None:
            return False
        with suppress(psutil.NoSuchProcess):
            return any(each.laddr.port == port for each in psutil.Process(pid).net_connections("tcp"))
        return False

    async def _listen(self, place: int, port: int) -> int:
        server = await asyncio.start_server(self._serving(place, port), HOST, 0)
        number: int = server.sockets[0].getsockname()[1]
        return number

    def _serving(
        self, place: int, port: int
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            link = Link(place, writer.get_extra_info("peername")[1], [writer])
            link.is_open.set()
            self._links.add(link)
            try:
                if self._victim is not None and self._crosses(link):
                    self._cut(link)
                await link.is_open.wait()
                from_server, to_server = await asyncio.open_connection(HOST, port)
                link.writers.append(to_server)
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pass_on(link, reader, to_server))
                    group.create_task(_pass_on(link, from_server, writer))
            except* (OSError, asyncio.IncompleteReadError):
                pass  # One side has gone, so the other goes too.
            except* asyncio.CancelledError:
                pass  # The house closes.
            finally:
                self._links.discard(link)
                for end in link.writers:
                    end.transport.abort()

        return serve


async def _pass_on(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        await link.is_open.wait()
        writer.write(chunk)
        await writer.drain()
    raise asyncio.IncompleteReadError(b"", None)
