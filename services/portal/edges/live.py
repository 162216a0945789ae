"""Live parts of a page, as server-sent events: a part again whenever it has changed, until all of it is there.

A stream holds a connection, so everything about it has a limit: its time, how many one person has, how many there are.
It ends when the browser leaves and when the portal stops. Without JavaScript nobody opens one.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import Gauge
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.portal.edges.api_client import Problem

PER_PERSON: Final = 6
AT_ONCE: Final = 100  # Below what a process has in hand at most, so that pages are never kept out by streams.
LASTS_S: Final = 60.0
HEARTBEAT_S: Final = 10.0
AGAIN_AFTER_MS: Final = 3_000
RETRY_AFTER_S: Final = 30

OPEN = Gauge("relais_portal_streams", "Live parts of pages that browsers have open.")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page as it is now. ``complete``: nothing more will come."""

    html: str
    complete: bool = False


class Streams:
    """The streams of this process."""

    def __init__(
        self, *, per_person: int = PER_PERSON, at_once: int = AT_ONCE, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._per_person = per_person
        self._at_once = at_once
        self.heartbeat_s = heartbeat_s
        self._open: Counter[str] = Counter()
        self.stopping = asyncio.Event()

    async def close_when(self, stop: asyncio.Event) -> None:
        """Ends all of them once the process is to stop; browsers come back by themselves, to the next one."""
        await stop.wait()
        self.stopping.set()

    def enter(self, person: str) -> int:
        """0, or the status that refuses: 429 for too many of one person, 503 for too many of all."""
        if self._open.total() >= self._at_once or self.stopping.is_set():
            return 503
        if self._open[person] >= self._per_person:
            return 429
        self._open[person] += 1
        OPEN.inc()
        return 0

    def leave(self, person: str) -> None:
        self._open[person] -= 1
        self._open += Counter()  # Whoever has none is forgotten.
        OPEN.dec()


class Live(Response):
    """A stream: ``look`` is asked every ``every_s`` what the part of the page is now."""

    def __init__(
        self,
        streams: Streams,
        person: str,
        look: Callable[[], Awaitable[Part]],
        *,
        every_s: float,
        lasts_s: float = LASTS_S,
    ) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )
        del self.headers["content-length"]
        self._streams = streams
        self._person = person
        self._look = look
        self._every_s = every_s
        self._lasts_s = lasts_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._streams.enter(self._person)
        if refused:
            await Response(status_code=refused, headers={"retry-after": str(RETRY_AFTER_S)})(scope, receive, send)
            return
        try:
            await self._stream(receive, send)
        finally:
            self._streams.leave(self._person)

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.create_task(self._write(send))
        gone = asyncio.create_task(_until_gone(receive))
        stopping = asyncio.create_task(self._streams.stopping.wait())
        tasks = (writing, gone, stopping)
        try:
            await asyncio.wait(tasks, timeout=self._lasts_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not writing.cancelled() and (error := writing.exception()) is not None and not isinstance(error, Problem):
            raise error
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        """Ends with the part that is complete. A Problem ends it too: the browser asks again, and a reload says why."""
        loop = asyncio.get_running_loop()
        shown, quiet_since_s = "", loop.time()
        await _send(send, f"retry: {AGAIN_AFTER_MS}\n\n")
        while True:
            part = await self._look()
            if part.html != shown:
                shown, quiet_since_s = part.html, loop.time()
                await _send(send, _event("part", part.html))
            elif loop.time() - quiet_since_s >= self._streams.heartbeat_s:
                quiet_since_s = loop.time()
                await _send(send, ":\n\n")
            if part.complete:
                await _send(send, _event("complete", ""))
                return
            await asyncio.sleep(self._every_s)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _event(name: str, data: str) -> str:
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in data.splitlines() or [""]) + "\n"
