"""Live parts of pages: shown again when they changed, within limits, and ended by whoever leaves first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from services.portal.edges.api_client import Problem
from services.portal.edges.live import Live, Part, Streams

SCOPE = {"type": "http", "method": "GET", "path": "/"}
Look = Callable[[], Awaitable[Part]]


class Browser:
    """The other end of a stream."""

    def __init__(
        self,
        streams: Streams,
        look: Look,
        *,
        person: str = "mentor:a@example.org",
        lasts_s: float = 5.0,
        **options: Any,
    ) -> None:
        self.status = 0
        self.text = ""
        self.ended = False
        self._gone, self._heard = asyncio.Event(), asyncio.Event()
        live = Live(streams, person, look, every_s=0.01, lasts_s=lasts_s, **options)
        self.task = asyncio.create_task(live(SCOPE, self._receive, self._send))

    def leave(self) -> None:
        self._gone.set()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(5):
            while text not in self.text:
                self._heard.clear()
                await self._heard.wait()

    async def done(self) -> None:
        await asyncio.wait_for(self.task, 5)

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.text += message.get("body", b"").decode()
        self._heard.set()
        self.ended = message["type"] == "http.response.body" and not message.get("more_body", False)


COME_BACK_LATER = (200, True, "retry: 30000\n\n")
"""Browsers ask again after a stream that ended, never after another status than 200."""


def told(browser: Browser) -> tuple[int, bool, str]:
    return browser.status, browser.ended, browser.text


async def always() -> Part:
    return Part("<p>encore</p>")


def numbered(last: int) -> Look:
    number = 0

    async def look() -> Part:
        nonlocal number
        number = min(number + 1, 2 * last)
        return Part(f"<p>\n{number // 2}</p>", complete=number // 2 == last)

    return look


def test_a_part_is_sent_when_it_changed_and_the_stream_ends_when_it_is_complete() -> None:
    async def check() -> None:
        browser = Browser(Streams(), numbered(2))
        await browser.done()
        parts = [f"event: part\ndata: <p>\ndata: {number}</p>\n\n" for number in (0, 1, 2)]
        assert (browser.status, browser.ended) == (200, True)
        assert browser.text == "retry: 3000\n\n" + "".join(parts) + "event: complete\ndata: \n\n"

    asyncio.run(check())


def test_where_nothing_changes_the_heart_beats() -> None:
    async def check() -> None:
        browser = Browser(Streams(heartbeat_s=0.05), always)
        await browser.until("\n\n:\n\n:\n\n")
        browser.leave()
        await browser.done()
        assert browser.text.count("event: part") == 1

    asyncio.run(check())


def test_a_stream_ends_when_the_browser_leaves_when_the_portal_stops_and_after_its_time() -> None:
    async def check() -> None:
        streams, stop = Streams(at_once=1), asyncio.Event()
        closing = asyncio.create_task(streams.close_when(stop))
        one = Browser(streams, always)
        await one.until("encore")
        one.leave()
        await one.done()
        short = Browser(streams, always, lasts_s=0.05)  # The one place is free again.
        await short.done()
        assert (short.ended, "complete" in short.text) == (True, False)
        last = Browser(streams, always)
        await last.until("encore")
        stop.set()
        await last.done()
        assert last.ended
        await closing
        late = Browser(streams, always)
        await late.done()
        assert told(late) == COME_BACK_LATER

    asyncio.run(check())


def test_one_person_and_all_together_have_only_so_many() -> None:
    async def check() -> None:
        streams = Streams(per_person=2, at_once=3)
        several = [Browser(streams, always) for _ in range(2)]
        for browser in several:
            await browser.until("encore")
        third = Browser(streams, always)
        await third.done()
        assert told(third) == COME_BACK_LATER
        another = Browser(streams, always, person="mentor:b@example.org")
        await another.until("encore")
        too_many = Browser(streams, always, person="mentor:c@example.org")
        await too_many.done()
        assert told(too_many) == COME_BACK_LATER
        for browser in (*several, another):
            browser.leave()
            await browser.done()

    asyncio.run(check())


def test_a_service_that_is_away_meanwhile_ends_the_stream_and_the_browser_may_ask_again() -> None:
    async def away() -> Part:
        raise Problem(503, "service_unavailable", "")

    async def check() -> None:
        browser = Browser(Streams(), away)
        await browser.done()
        assert (browser.status, browser.ended, browser.text) == (200, True, "retry: 3000\n\n")

    asyncio.run(check())


def test_a_browser_keeps_connections_for_pages_beside_all_of_its_streams() -> None:
    async def check() -> None:
        streams = Streams()
        several = [Browser(streams, always) for _ in range(4)]
        for browser in several:
            await browser.until("encore")
        fifth = Browser(streams, always)  # Of the six that a browser has to an origin.
        await fifth.done()
        assert told(fifth) == COME_BACK_LATER
        for browser in several:
            browser.leave()
            await browser.done()

    asyncio.run(check())


def test_what_takes_long_is_looked_at_less_often() -> None:
    async def check() -> None:
        looks = 0

        async def look() -> Part:
            nonlocal looks
            looks += 1
            return Part("<p>encore</p>")

        browser = Browser(Streams(), look, lasts_s=0.3, brisk_for_s=0.0)
        await browser.done()
        assert looks == 1

    asyncio.run(check())


def test_what_is_looked_for_once_is_over_when_its_time_is() -> None:
    async def check() -> None:
        browser = Browser(Streams(), always, lasts_s=0.1, once=True)
        await browser.done()
        assert browser.text.endswith("event: complete\ndata: \n\n")

    asyncio.run(check())
