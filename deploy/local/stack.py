"""PostgreSQL and Kafka together, in one data folder."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from deploy.local.errors import StackError
from deploy.local.folder import DataFolder
from deploy.local.installation import installed
from deploy.local.kafka import KafkaBroker, KafkaCluster
from deploy.local.postgres import PostgresServer
from deploy.local.processes import Watchdog

Server = PostgresServer | KafkaBroker


class Stack:
    """Servers that live as long as this process: `stop()` ends them in order, a crash of the process ends them too.

    `Stack.start(folder)` returns when all are ready; `Stack.launch(folder)` at once, to be followed by
    `wait_until_ready()`.
    """

    def __init__(
        self, folder: DataFolder, *, brokers: int, postgres: bool, fast: bool, say: Callable[[str], None]
    ) -> None:
        installation = installed(say) if brokers else None
        self.folder = folder
        self._watchdog = Watchdog(folder)
        self.postgres = PostgresServer(folder, self._watchdog, fast=fast) if postgres else None
        self.kafka = KafkaCluster.of(brokers, folder, self._watchdog, installation) if installation else None

    @classmethod
    def start(cls, data_dir: Path, *, brokers: int = 1, fast: bool = False) -> Self:
        """Starts all in `data_dir` and waits. StackError: folder in use, disk full, a server that does not start."""
        stack = cls.launch(data_dir, brokers=brokers, fast=fast)
        stack.wait_until_ready()
        return stack

    @classmethod
    def launch(
        cls,
        data_dir: Path | DataFolder,
        *,
        brokers: int = 1,
        postgres: bool = True,
        fast: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> Self:
        folder = data_dir if isinstance(data_dir, DataFolder) else DataFolder(data_dir).acquire()
        try:
            stack = cls(folder, brokers=brokers, postgres=postgres, fast=fast, say=say)
        except StackError:
            folder.release()
            raise
        try:
            # Kafka first: it takes longest, and PostgreSQL gets ready meanwhile.
            for server in reversed(stack.servers):
                server.launch()
        except StackError:
            stack.stop()
            raise
        return stack

    @property
    def servers(self) -> list[Server]:
        """In the order in which they can be relied on; stopped in the other."""
        return [*([self.postgres] if self.postgres else []), *(self.kafka.brokers if self.kafka else [])]

    @property
    def database_url(self) -> str:
        if self.postgres is None:
            raise StackError("This stack has no PostgreSQL.")
        return self.postgres.database_url

    @property
    def kafka_bootstrap_servers(self) -> str:
        if self.kafka is None:
            raise StackError("This stack has no Kafka.")
        return self.kafka.bootstrap_servers

    @property
    def processes(self) -> Mapping[str, int]:
        """The process ids of the servers that run, by name: postgres, and kafka or kafka-1, kafka-2, …"""
        return {server.name: server.pid for server in self.servers if server.pid is not None}

    @property
    def watchdog_pid(self) -> int:
        return self._watchdog.pid

    def ensure_watched(self) -> None:
        """Starts the watchdog again where it was killed."""
        self._watchdog.ensure_running()

    def wait_until_ready(self) -> None:
        try:
            for server in self.servers:
                server.wait_until_ready()
        except StackError:
            self.stop()
            raise

    def server(self, name: str) -> Server:
        return next(server for server in self.servers if server.name == name)

    def restart(self, name: str) -> None:
        self.server(name).restart()

    def stop(self) -> None:
        """Ends every server cleanly, brokers first, and lets go of the data folder."""
        for broker in self.kafka.brokers if self.kafka else []:
            broker.ask_to_stop()  # All at once: the last one alone would wait in vain for the others' votes.
        for server in reversed(self.servers):
            server.stop()
        self._watchdog.close()
        self.folder.release()
