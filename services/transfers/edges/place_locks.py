"""One command at a time for the places of one mentor, within this process.

The versions in the event store are what keeps a capacity; this only keeps many transfers to one mentor from meeting
there until their retries are used up. Between processes the retries are enough: each has one such command in hand.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

from services.chassis.refusal import Unavailable

STRIPES = 256
WAIT_MAX_S = 30.0


class PlaceLocks:
    """A fixed number of locks, shared by all mentors; always taken in one order, so that nobody waits in a circle."""

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(STRIPES)]

    @contextmanager
    def held(self, *mentor_ids: UUID | None) -> Iterator[None]:
        """Raises Unavailable where the places stay taken for WAIT_MAX_S."""
        stripes = sorted({mentor_id.int % STRIPES for mentor_id in mentor_ids if mentor_id is not None})
        with ExitStack() as stack:
            for stripe in stripes:
                lock = self._locks[stripe]
                if not lock.acquire(timeout=WAIT_MAX_S):
                    raise Unavailable(
                        "contended",
                        "Beaucoup de transferts concernent ce mentor en ce moment ; réessayez dans un instant.",
                        "Many transfers concern this mentor right now; try again shortly.",
                    )
                stack.callback(lock.release)
            yield
