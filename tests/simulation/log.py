"""A simulated topic: partitions, idempotent producer sessions, a network that loses, doubles and delays requests."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.chassis.effects import StoredRecord
from tests.simulation.plan import PARTITIONS, ProduceFault
from tests.simulation.world import Actor, World

TOPIC = "relais.sessions"
RECORDS_IN_A_BATCH = 2
REQUEST_TIMEOUT_S = 4.0
LATE_S = 11.0

Message = tuple[bytes, bytes, Sequence[tuple[str, bytes]]]
"""Key, value, headers."""


class Batch:
    """A batch that is soon full, so that runs have many."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def append(
        self, *, timestamp: None, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> object | None:
        if len(self.messages) == RECORDS_IN_A_BATCH:
            return None
        self.messages.append((key, value, headers))
        return self


@dataclass(slots=True)
class Log:
    """What the brokers hold. A hole is an offset without a record."""

    world: World
    faults: Mapping[int, ProduceFault]
    partitions: list[list[StoredRecord | None]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    is_away: bool = False
    on_appended: list[Callable[[], None]] = field(default_factory=list)
    _next_sequence: dict[tuple[int, int], int] = field(default_factory=dict)
    _requests: int = 0
    _producers: int = 0

    def new_producer(self, owner: Actor) -> "Producer":
        self._producers += 1
        return Producer(self, owner, self._producers)

    def append(self, partition: int, messages: Sequence[Message]) -> None:
        entries = self.partitions[partition]
        for key, value, headers in messages:
            entries.append(StoredRecord(TOPIC, partition, len(entries), key, value, tuple(headers)))
        for tell in self.on_appended:
            tell()

    def append_hole(self, partition: int) -> None:
        self.partitions[partition].append(None)

    def records(self) -> list[StoredRecord]:
        return [record for entries in self.partitions for record in entries if record is not None]

    def request(self, request: "Request") -> None:
        """One produce request on its way, with what befalls it."""
        self._requests += 1
        fault = "dropped" if self.is_away else self.faults.get(self._requests)
        if fault is not None:
            request.producer.owner.note(f"produce request {self._requests} is {fault}")
        if fault in (None, "unanswered", "doubled"):
            self.world.at(self.world.now + 0.05, lambda: self._arrives(request, is_heard=fault is None))
        if fault == "doubled":
            self.world.at(self.world.now + 0.4, lambda: self._arrives(request, is_heard=True))
        elif fault == "late":
            self.world.at(self.world.now + LATE_S, lambda: self._arrives(request, is_heard=True))
        elif fault == "halted":
            request.producer.halt()
        elif fault == "refused":
            request.producer.owner.soon(lambda: request.producer.refused(request))

    def _arrives(self, request: "Request", *, is_heard: bool) -> None:
        session = (request.producer.number, request.partition)
        expected = self._next_sequence.get(session, 0)
        if request.sequence > expected:
            request.producer.halt()
            return
        if request.sequence == expected:
            self._next_sequence[session] = expected + 1
            self.append(request.partition, request.batch.messages)
        if is_heard:
            request.producer.owner.soon(lambda: request.producer.heard(request))


@dataclass(eq=False, slots=True)
class Request:
    producer: "Producer"
    partition: int
    sequence: int
    batch: Batch
    acknowledged: Callable[[], None]
    failed: Callable[[], None]
    is_done: bool = False


class Producer:
    """An idempotent producer: one request a partition at a time, repeated until it is answered, for ever."""

    def __init__(self, log: Log, owner: Actor, number: int) -> None:
        self.log, self.owner, self.number = log, owner, number
        self._waiting: list[deque[Request]] = [deque() for _ in range(PARTITIONS)]
        self._sequences = [0] * PARTITIONS
        self._is_over = False

    def send_batch(
        self, batch: Batch, partition: int, acknowledged: Callable[[], None], failed: Callable[[], None]
    ) -> None:
        request = Request(self, partition, self._sequences[partition], batch, acknowledged, failed)
        self._sequences[partition] += 1
        self._waiting[partition].append(request)
        if len(self._waiting[partition]) == 1:
            self._try(request)

    def heard(self, request: Request) -> None:
        if self._is_over or request.is_done:
            return
        request.is_done = True
        queue = self._waiting[request.partition]
        queue.popleft()
        request.acknowledged()
        if queue:
            self._try(queue[0])

    def refused(self, request: Request) -> None:
        if not self._is_over and not request.is_done:
            self.halt()
            request.failed()

    def halt(self) -> None:
        """As aiokafka's does on an out-of-order sequence: it says nothing more. Abandoning one looks the same."""
        self._is_over = True

    def _try(self, request: Request) -> None:
        if self._is_over or request.is_done:
            return
        self.log.request(request)
        self.owner.later(REQUEST_TIMEOUT_S, lambda: self._try(request))
