"""PostgreSQL, as every service uses it: one bounded pool of synchronous psycopg connections."""

import select
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

CONNECT_TIMEOUT_S = 5
POOL_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 60
IDLE_IN_TRANSACTION_TIMEOUT_S = 60
MAX_WAITING = 200
SILENCE_S = 30  # A server of which nothing is heard for so long, not even by its kernel, is taken for gone.


def _check_alive(connection: Connection[DictRow]) -> None:
    """Tests a connection on its way out of the pool, for nothing where it is quiet.

    A server that went away has closed its end, which makes the idle socket readable; only then is a round trip spent.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


class Database:
    """A service's connections: autocommit, rows as dicts, and the service's schema as search path (set on its role).

    Raises ``psycopg.OperationalError`` (and its ``PoolTimeout``) where the server is away: at the HTTP edge that is a
    503, in a consumer a reason to wait, nowhere a reason to drop something.
    """

    def __init__(self, url: str, *, application_name: str, max_connections: int = 8) -> None:
        self.url = url
        self.pool: ConnectionPool[Connection[DictRow]] = ConnectionPool(
            url,
            connection_class=Connection[DictRow],
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "application_name": application_name,
                "prepare_threshold": 1,
                "connect_timeout": CONNECT_TIMEOUT_S,
                "tcp_user_timeout": SILENCE_S * 1_000,
                "keepalives_idle": SILENCE_S // 3,
                "keepalives_interval": SILENCE_S // 6,
                "keepalives_count": 4,
            },
            configure=_configure,
            check=_check_alive,
            min_size=1,
            max_size=max_connections,
            max_waiting=MAX_WAITING,
            timeout=POOL_TIMEOUT_S,
            open=False,
            name=application_name,
        )

    @contextmanager
    def connection(self) -> Iterator[Connection[DictRow]]:
        """Lends a connection in autocommit mode."""
        self.pool.open()
        with self.pool.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection[DictRow]]:
        """Lends a connection inside one transaction: committed at the end, rolled back on an exception."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def close(self) -> None:
        self.pool.close()


def _configure(connection: Connection[DictRow]) -> None:
    connection.execute(
        "SELECT set_config('statement_timeout', %s, false),"
        " set_config('idle_in_transaction_session_timeout', %s, false), set_config('timezone', 'UTC', false)",
        (f"{STATEMENT_TIMEOUT_S}s", f"{IDLE_IN_TRANSACTION_TIMEOUT_S}s"),
    )
