"""One command at a time for the places of one mentor.

The versions in the event store are what keeps a capacity; this only keeps many transfers to one mentor from meeting
there until their retries are used up. Threads of a process queue first, so that each process waits on few connections;
then processes queue on PostgreSQL's advisory locks.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.database import Database
from services.chassis.refusal import Unavailable

STRIPES: Final = 256
WAIT_MAX_S: Final = 30.0
CONNECTIONS: Final = 4
"""Of their own: whoever holds a place's lock must never wait for a connection that somebody who waits for it has."""

# The first number tells our locks from others'. In the order of the array, which is the same for everybody.
LOCK = "SELECT pg_advisory_lock(1886151013, stripe) FROM unnest(%s::integer[]) AS stripe"
UNLOCK = "SELECT pg_advisory_unlock_all()"
LIMIT_WAIT = "SELECT set_config('lock_timeout', %s, false)"


class PlaceLocks:
    """A fixed number of locks, shared by all mentors; always taken in one order, so that nobody waits in a circle."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, application_name="relais-transfers-places", max_connections=CONNECTIONS)
        self._locks = [threading.Lock() for _ in range(STRIPES)]

    @contextmanager
    def held(self, *mentor_ids: UUID | None) -> Iterator[None]:
        """Raises Unavailable, or OperationalError, where the places stay taken for WAIT_MAX_S."""
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
            connection = stack.enter_context(self._database.connection())
            stack.callback(_unlock, connection)
            connection.execute(LIMIT_WAIT, (f"{WAIT_MAX_S}s",))
            connection.execute(LOCK, (stripes,))
            yield

    def close(self) -> None:
        self._database.close()


def _unlock(connection: Connection[DictRow]) -> None:
    """A connection that broke has lost its locks with it."""
    if not connection.broken:
        connection.execute(UNLOCK)
