"""Live parts of a page, as server-sent events: a part again whenever it has changed, until all of it is there.

A stream holds a connection, so everything about it has a limit: its time, how many one person has, how many there are.
It ends when the browser leaves and when the portal stops. Without JavaScript nobody opens one.

A browser asks again after a stream that ended, never after another status than 200. So where there is no room now, the
stream is one that ends at once and says when to come back; only what stays refused (401, 403, 404) has its status.
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

PER_PERSON: Final = 4  # A browser has six connections to an origin, for all of its tabs: two are left for pages.
AT_ONCE: Final = 100  # Below what a process has in hand at most, so that pages are never kept out by streams.
LASTS_S: Final = 60.0
HEARTBEAT_S: Final = 10.0
AGAIN_AFTER_MS: Final = 3_000
AGAIN_LATER_MS: Final = 30_000
BRISK_FOR_S: Final = 5.0  # What people wait for is there by then, or takes long.
THEN_EVERY_S: Final = 2.0
HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}

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
        """Ends all of them once the process is to stop; browsers come back by themselves."""
        await stop.wait()
        self.stopping.set()

    def enter(self, person: str) -> bool:
        """False where there is no room: too many of this person, too many of all, or the portal stops."""
        full = self._open.total() >= self._at_once or self._open[person] >= self._per_person
        if full or self.stopping.is_set():
            return False
        self._open[person] += 1
        OPEN.inc()
        return True

    def leave(self, person: str) -> None:
        self._open[person] -= 1
        self._open += Counter()  # Whoever has none is forgotten.
        OPEN.dec()


class Live(Response):
    """A stream: ``look`` is asked every ``every_s`` what the part of the page is now; after a while, less often.

    ``once``: when its time is over the browser does not ask again, complete or not.
    """

    def __init__(
        self,
        streams: Streams,
        person: str,
        look: Callable[[], Awaitable[Part]],
        *,
        every_s: float,
        lasts_s: float = LASTS_S,
        brisk_for_s: float = BRISK_FOR_S,
        once: bool = False,
    ) -> None:
        super().__init__(media_type="text/event-stream", headers=HEADERS)
        del self.headers["content-length"]
        self._streams = streams
        self._person = person
        self._look = look
        self._every_s = every_s
        self._lasts_s = lasts_s
        self._brisk_for_s = brisk_for_s
        self._once = once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._streams.enter(self._person):
            await later()(scope, receive, send)
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
            done, _ = await asyncio.wait(tasks, timeout=self._lasts_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not writing.cancelled() and (error := writing.exception()) is not None and not isinstance(error, Problem):
            raise error
        if self._once and not done:
            await _send(send, _event("complete", ""))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send) -> None:
        """Ends with the part that is complete. A Problem ends it too: the browser asks again, and a reload says why."""
        loop = asyncio.get_running_loop()
        shown, began_s = "", loop.time()
        quiet_since_s = began_s
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
            brisk = loop.time() - began_s < self._brisk_for_s
            await asyncio.sleep(self._every_s if brisk else max(self._every_s, THEN_EVERY_S))


def later() -> Response:
    """A stream that ends at once: the browser asks again in half a minute."""
    return Response(f"retry: {AGAIN_LATER_MS}\n\n", media_type="text/event-stream", headers=HEADERS)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _event(name: str, data: str) -> str:
    return f"event: {name}\n" + "".join(f"data: {line}\n" for line in data.splitlines() or [""]) + "\n"
