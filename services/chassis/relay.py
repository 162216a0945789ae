"""The relay: publishes a service's committed events on Kafka, complete and in the order of each key.

One relay a service is active: the holder of an advisory lock, on a session of its own. The position moves only past
what the brokers acknowledged, on that very session and only under the epoch that came with the lock; so a relay that
lost its lock can still double what it had in flight, but neither skip nor move anything. On any error it starts again
from the position. A reader drops doubles by (``ce_subject``, ``ce_sequence``).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import psycopg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from prometheus_client import Counter, Gauge
from psycopg import Connection, OperationalError
from psycopg.rows import TupleRow

from relais_contracts import CloudEvent, Contract
from services.chassis.database import CONNECT_TIMEOUT_S, Database
from services.chassis.event_store import EventStore, Position, Recorded
from services.chassis.kafka import KafkaConnection

log = logging.getLogger(__name__)
T = TypeVar("T")

Publication = tuple[str, str, Contract]
"""Topic, key, data."""

Publish = Callable[[Recorded], Publication | None]
"""A service's map from its private events to published ones; None where the event stays private."""

POLL_S = 0.02
QUIET_POLL_S = 0.1
QUIET_AFTER_POLLS = 250
EAGER_LOOKS = 4
EAGER_LOOK_S = 0.002
STANDBY_POLL_S = 1.0
CONFIRM_EVERY_S = 2.0
LEASE_S = 10
"""A holder of the lock that says nothing for this long (frozen, cut off) loses its session, and with it the lock."""
READ_LIMIT = 2_000
CHUNKS_READ_AHEAD = 2
CHUNKS_IN_FLIGHT = 4
MAX_BATCH_BYTES = 512 * 1024
DELIVERY_DEADLINE_S = 30.0
CLOSE_DEADLINE_S = 5.0
ABANDON_ATTEMPTS = 4
ABANDON_PAUSE_S = 0.5
BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 5.0

PUBLISHED = Counter("relais_relay_published_total", "Events that the brokers acknowledged.", ("service",))
RESTARTS = Counter("relais_relay_restarts_total", "Times the relay began again from its position.", ("service",))
ACTIVE = Gauge("relais_relay_active", "1 where this process holds the relay's lock.", ("service",))

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


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What one read gave, as batches in the order in which they are to be sent, and the position behind it."""

    position: Position
    batches: Sequence[tuple[str, int, BatchBuilder]]
    event_count: int


@dataclass(frozen=True, slots=True)
class _Sent:
    position: Position
    acknowledgements: Sequence["asyncio.Future[Any]"]
    event_count: int


@lru_cache(maxsize=65_536)
def partition_hash(key: bytes) -> int:
    """What Kafka's own default partitioner takes modulo the number of partitions, so that all clients agree."""
    return int(murmur2(key)) & 0x7FFFFFFF


class Relay:
    """Publishes what ``publish`` makes of the events in ``store``; ``source`` is the ``ce_source`` of all of them."""

    def __init__(
        self,
        *,
        service: str,
        database: Database,
        store: EventStore,
        publish: Publish,
        kafka: KafkaConnection,
        source: str,
    ) -> None:
        self.service = service
        self._database = database
        self._store = store
        self._publish = publish
        self._kafka = kafka
        self._source = source
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"relay-{service}")

    def wake(self) -> None:
        """Says that there may be something new; from any thread, before or after :meth:`run`. Only a hint."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Publishes until ``stop``; then waits for what is in flight. Waits for servers that are away."""
        self._loop = asyncio.get_running_loop()
        backoff_s = BACKOFF_FIRST_S
        while not stop.is_set():
            leadership: Leadership | None = None
            try:
                leadership = await self._in_thread(Leadership.take, self._database.url, self.service)
                if leadership is None:
                    await _pause(stop, STANDBY_POLL_S)
                    continue
                started_at = leadership.position
                log.info("relay is active", extra={"epoch": leadership.epoch, "position": tuple(started_at)})
                ACTIVE.labels(self.service).set(1)
                try:
                    await self._lead(leadership, stop)
                finally:
                    if leadership.position != started_at:
                        backoff_s = BACKOFF_FIRST_S
            except (OperationalError, KafkaError, TimeoutError, OSError, Fenced) as error:
                log.warning("relay begins again from its position: %r", error)
            except Exception:
                # An event that cannot be published must not be skipped: order would be lost. It is tried for ever.
                log.exception("relay begins again from its position")
            finally:
                ACTIVE.labels(self.service).set(0)
                if leadership is not None:
                    await self._in_thread(leadership.close)
            if not stop.is_set():
                RESTARTS.labels(self.service).inc()
                await _pause(stop, backoff_s)
                backoff_s = min(2 * backoff_s, BACKOFF_MOST_S)

    async def _lead(self, leadership: Leadership, stop: asyncio.Event) -> None:
        producer = AIOKafkaProducer(
            **self._kafka.client_options(),
            client_id=f"relais-relay-{self.service}",
            acks="all",
            enable_idempotence=True,
            max_batch_size=MAX_BATCH_BYTES,
            linger_ms=0,
        )
        chunks: asyncio.Queue[_Chunk | None] = asyncio.Queue(CHUNKS_READ_AHEAD)
        sent: asyncio.Queue[_Sent | None] = asyncio.Queue(CHUNKS_IN_FLIGHT)
        try:
            async with asyncio.timeout(DELIVERY_DEADLINE_S):
                await producer.start()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(producer, leadership.position, chunks, stop))
                    group.create_task(_send(producer, chunks, sent))
                    group.create_task(self._acknowledge(leadership, sent))
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None
        except BaseException:
            await _abandon(producer)
            raise
        await _close(producer)

    async def _read(
        self,
        producer: AIOKafkaProducer,
        position: Position,
        chunks: "asyncio.Queue[_Chunk | None]",
        stop: asyncio.Event,
    ) -> None:
        partition_counts: dict[str, int] = {}
        looks_left, empty_polls = 0, 0
        while not stop.is_set():
            self._woken.clear()
            events, next_position = await self._in_thread(self._store.read_committed_since, position, READ_LIMIT)
            if next_position != position:
                publications = await self._in_thread(self._publications, events)
                for topic in {topic for topic, _, _ in publications} - partition_counts.keys():
                    partition_counts[topic] = len(await producer.partitions_for(topic))
                chunk = await self._in_thread(self._batches, producer, publications, partition_counts, next_position)
                await chunks.put(chunk)
                position = next_position
                looks_left, empty_polls = EAGER_LOOKS, 0
                continue
            # A hint that finds nothing comes from a commit that a slower writer still covers: look again at once.
            poll_s = EAGER_LOOK_S if looks_left else POLL_S if empty_polls < QUIET_AFTER_POLLS else QUIET_POLL_S
            try:
                async with asyncio.timeout(poll_s):
                    await self._woken.wait()
                looks_left, empty_polls = EAGER_LOOKS, 0
            except TimeoutError:
                looks_left, empty_polls = max(0, looks_left - 1), empty_polls + 1
        await chunks.put(None)

    def _publications(self, events: Sequence[Recorded]) -> list[tuple[str, Recorded, Publication]]:
        return [
            (publication[0], event, publication)
            for event in events
            if (publication := self._publish(event)) is not None
        ]

    def _batches(
        self,
        producer: AIOKafkaProducer,
        publications: Sequence[tuple[str, Recorded, Publication]],
        partition_counts: Mapping[str, int],
        position: Position,
    ) -> _Chunk:
        batches: list[tuple[str, int, BatchBuilder]] = []
        open_batches: dict[tuple[str, int], BatchBuilder] = {}
        for topic, event, (_, key_text, data) in publications:
            key, value, headers = CloudEvent(
                id=event.event_id,
                type=data.ce_type,
                source=self._source,
                subject=event.aggregate_id,
                sequence=event.version,
                time=event.recorded_at,
                correlation_id=event.correlation_id,
                causation_id=event.causation_id,
                actor=event.actor,
                traceparent=event.traceparent,
                key=key_text,
                data=data,
            ).to_record()
            target = (topic, partition_hash(key) % partition_counts[topic])
            batch = open_batches.get(target)
            if batch is None or batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                batch = producer.create_batch()
                batch.append(timestamp=None, key=key, value=value, headers=headers)  # A first one always fits.
                open_batches[target] = batch
                batches.append((*target, batch))
        return _Chunk(position, batches, len(publications))

    async def _acknowledge(self, leadership: Leadership, sent: "asyncio.Queue[_Sent | None]") -> None:
        while True:
            try:
                async with asyncio.timeout(CONFIRM_EVERY_S):
                    item = await sent.get()
            except TimeoutError:
                await self._in_thread(leadership.confirm)
                continue
            if item is None:
                return
            await self._delivered(leadership, item)
            await self._in_thread(leadership.move_to, item.position)
            PUBLISHED.labels(self.service).inc(item.event_count)

    async def _delivered(self, leadership: Leadership, item: _Sent) -> None:
        """Waits for all acknowledgements within the deadline, renewing the lease while the brokers take their time."""
        waiting: set[asyncio.Future[Any]] = set(item.acknowledgements)
        async with asyncio.timeout(DELIVERY_DEADLINE_S):
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=CONFIRM_EVERY_S, return_when=asyncio.FIRST_EXCEPTION
                )
                for acknowledgement in done:
                    acknowledgement.result()
                if waiting:
                    await self._in_thread(leadership.confirm)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


async def _send(
    producer: AIOKafkaProducer, chunks: "asyncio.Queue[_Chunk | None]", sent: "asyncio.Queue[_Sent | None]"
) -> None:
    while (chunk := await chunks.get()) is not None:
        acknowledgements = []
        for topic, partition, batch in chunk.batches:
            acknowledgement = await producer.send_batch(batch, topic, partition=partition)
            acknowledgement.add_done_callback(_note_exception)
            acknowledgements.append(acknowledgement)
        await sent.put(_Sent(chunk.position, acknowledgements, chunk.event_count))
    await sent.put(None)


def _note_exception(future: "asyncio.Future[Any]") -> None:
    """Marks the exception as seen: after the first failure nobody waits for the batches behind it."""
    if not future.cancelled():
        future.exception()


async def _close(producer: AIOKafkaProducer) -> None:
    """Closes a producer that has nothing in flight."""
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await producer.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("producer was not closed cleanly: %r", error)
        await _abandon(producer)


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Lets go of a producer with all that it has in flight: it is read again from the position.

    aiokafka retries an idempotent batch for ever, and its ``stop`` would wait for that.
    """
    producer._closed = True
    await producer.client.close()
    sender = producer._sender.sender_task
    if sender is None:
        return
    for _ in range(ABANDON_ATTEMPTS):  # The first one it answers by waiting for what is in flight.
        sender.cancel()
        await asyncio.wait([sender], timeout=ABANDON_PAUSE_S)
        if sender.done():
            _note_exception(sender)
            return
    log.warning("the sender of an abandoned producer does not end")


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
