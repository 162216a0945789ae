"""Which relay of a service is the active one: an advisory lock, the session that holds it, and its epoch."""

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from services.chassis.database import CONNECT_TIMEOUT_S
from services.chassis.event_store import Position

LEASE_S = 10
"""A holder of the lock that says nothing for this long (frozen, cut off) loses its session, and with it the lock."""

TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"

BEGIN_EPOCH = """
INSERT INTO relay_position AS p (relay, epoch) VALUES (%s, 1)
ON CONFLICT (relay) DO UPDATE SET epoch = p.epoch + 1
RETURNING epoch, transaction_id, notification_id
"""

MOVE_POSITION = """
UPDATE relay_position SET transaction_id = %s, notification_id = %s, moved_at = now() WHERE relay = %s AND epoch = %s
"""

CONFIRM_EPOCH = "SELECT 1 FROM relay_position WHERE relay = %s AND epoch = %s"

SESSION_LEASE = "SELECT set_config('idle_session_timeout', %s, false), set_config('statement_timeout', '5s', false)"


class Fenced(Exception):
    """Another relay has taken over: what this one knows about the position is worth nothing any more."""


class Leadership:
    """The advisory lock, its session and its epoch. Synchronous; one thread at a time."""

    def __init__(self, connection: Connection[TupleRow], relay: str) -> None:
        self._connection = connection
        self._relay = relay
        row = connection.execute(BEGIN_EPOCH, (relay,)).fetchone()
        assert row is not None
        self.epoch: int = row[0]
        self.position = Position(row[1], row[2])

    @classmethod
    def take(cls, url: str, relay: str) -> "Leadership | None":
        """The leadership, or None where another relay holds it."""
        connection = psycopg.connect(
            url,
            autocommit=True,
            application_name=f"relais-relay-{relay}",
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=LEASE_S * 1000,
        )
        try:
            connection.execute(SESSION_LEASE, (f"{LEASE_S}s",))
            row = connection.execute(TRY_LOCK, (f"relais.relay.{relay}",)).fetchone()
            if row is not None and row[0]:
                return cls(connection, relay)
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def move_to(self, position: Position) -> None:
        """Raises Fenced, or OperationalError where the session (and so the lock) is lost."""
        moved = self._connection.execute(MOVE_POSITION, (*position, self._relay, self.epoch))
        if moved.rowcount != 1:
            raise Fenced(f"relay {self._relay}: epoch {self.epoch} is over")
        self.position = position

    def confirm(self) -> None:
        """Renews the lease of a relay that has nothing to do. Raises as :meth:`move_to`."""
        if self._connection.execute(CONFIRM_EPOCH, (self._relay, self.epoch)).fetchone() is None:
            raise Fenced(f"relay {self._relay}: epoch {self.epoch} is over")

    def close(self) -> None:
        self._connection.close()
