"""The relay: publishes a service's committed events on Kafka, complete and in the order of each key.

One relay a service is active: the holder of an advisory lock, on a session of its own. The position moves only past
what the brokers acknowledged, on that very session and only under the epoch that came with the lock; so a relay that
lost its lock can still double what it had in flight, but neither skip nor move anything. On any error it starts again
from the position. A reader drops doubles by (``ce_subject``, ``ce_sequence``).

What is done when is decided in relay_steps.py; here it is done.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any, TypeVar, assert_never

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from prometheus_client import Counter, Gauge
from psycopg import OperationalError

from relais_contracts import CloudEvent, Contract
from services.chassis.database import Database
from services.chassis.event_store import EventStore, NewerEvent, Position, Recorded
from services.chassis.kafka import KafkaConnection
from services.chassis.leadership import Fenced, Leadership
from services.chassis.relay_steps import (
    READ_LIMIT,
    Chunk,
    Confirm,
    Ended,
    LetGo,
    MoveTo,
    Open,
    Outgoing,
    Read,
    RelaySteps,
    Send,
    Step,
    TakeLead,
    Wait,
    batches_of,
)

log = logging.getLogger(__name__)
T = TypeVar("T")

Publication = tuple[str, str, Contract]
"""Topic, key, data."""

Publish = Callable[[Recorded], Publication | None]
"""A service's map from its private events to published ones; None where the event stays private."""

MAX_BATCH_BYTES = 512 * 1024
CLOSE_DEADLINE_S = 5.0
ABANDON_ATTEMPTS = 4
ABANDON_PAUSE_S = 0.5
HOLD_S = 1.0
HOLD_MAX_S = 60.0

PUBLISHED = Counter("relais_relay_published_total", "Events that the brokers acknowledged.", ("service",))
RESTARTS = Counter("relais_relay_restarts_total", "Times the relay began again from its position.", ("service",))
ACTIVE = Gauge("relais_relay_active", "1 where this process holds the relay's lock.", ("service",))


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
        self._was_woken = False
        self._held_since_s = self._held_until_s = -HOLD_S
        self._stirred = asyncio.Event()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"relay-{service}")
        self._steps: RelaySteps[BatchBuilder] = RelaySteps()
        self._leadership: Leadership | None = None
        self._producer: Any = None
        self._partition_counts: dict[str, int] = {}
        self._under_way: dict[asyncio.Future[Any], Callable[[Any], None]] = {}
        """What goes on beside the steps, and how it is reported."""

    def wake(self) -> None:
        """Says that there may be something new; from any thread, before or after :meth:`run`. Only a hint."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    def hold(self) -> None:
        """Lets whoever appends very much at once finish first; from any thread, again with each part.

        The relay goes on HOLD_S after the last part, and HOLD_MAX_S after the first one at the latest.
        """
        now_s = time.monotonic()
        if now_s >= self._held_until_s + HOLD_S:
            self._held_since_s = now_s
        self._held_until_s = min(now_s + HOLD_S, self._held_since_s + HOLD_MAX_S)

    async def run(self, stop: asyncio.Event) -> None:
        """Publishes until ``stop``; then waits for what is in flight. Waits for servers that are away."""
        self._loop = asyncio.get_running_loop()
        self._steps = RelaySteps()
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(self._stir)
        try:
            while True:
                self._stirred.clear()
                if stop.is_set():
                    self._steps.stop()
                self._report()
                step = self._steps.next(self._now())
                if isinstance(step, Ended):
                    return
                try:
                    await self._do(step)
                except Exception as error:
                    self._fail(error)
        finally:
            stopping.cancel()
            await self._let_go(is_idle=False)

    def _report(self) -> None:
        """Tells the steps what came about meanwhile."""
        if self._was_woken:
            self._was_woken = False
            self._steps.woken(self._now())
        for work in [work for work in self._under_way if work.done()]:
            report = self._under_way.pop(work)
            try:
                report(work.result())
            except (Exception, asyncio.CancelledError) as error:
                self._fail(error)

    async def _do(self, step: Step[BatchBuilder]) -> None:
        match step:
            case Wait(until_s):
                await self._wait(until_s)
            case Read(position):
                self._begin(self._read(position), self._has_read)
            case Send(chunk):
                self._begin(self._send(chunk), partial(self._sent, chunk))
            case MoveTo(position, event_count):
                assert self._leadership is not None
                await self._in_thread(self._leadership.move_to, position)
                self._steps.moved(position, self._now())
                PUBLISHED.labels(self.service).inc(event_count)
            case Confirm():
                assert self._leadership is not None
                await self._in_thread(self._leadership.confirm)
                self._steps.confirmed(self._now())
            case TakeLead():
                await self._take_lead()
            case Open():
                self._begin(self._open(), self._opened)
            case LetGo(is_idle):
                await self._let_go(is_idle=is_idle)
                RESTARTS.labels(self.service).inc(not is_idle)
                self._steps.is_out(self._now())
            case Ended():
                return
            case _:
                assert_never(step)

    async def _take_lead(self) -> None:
        leadership = self._leadership = await self._in_thread(Leadership.take, self._database.url, self.service)
        if leadership is not None:
            ACTIVE.labels(self.service).set(1)
            log.info("relay is active", extra={"epoch": leadership.epoch, "position": tuple(leadership.position)})
        self._steps.led(leadership.position if leadership else None, self._now())

    async def _open(self) -> None:
        self._partition_counts = {}
        self._producer = AIOKafkaProducer(
            **self._kafka.client_options(),
            client_id=f"relais-relay-{self.service}",
            acks="all",
            enable_idempotence=True,
            max_batch_size=MAX_BATCH_BYTES,
            linger_ms=0,
        )
        await self._producer.start()

    def _opened(self, _: None) -> None:
        self._steps.opened()

    async def _read(self, position: Position) -> Chunk[BatchBuilder] | None:
        if time.monotonic() < self._held_until_s:
            return None
        events, next_position = await self._in_thread(self._store.read_committed_since, position, READ_LIMIT)
        if next_position == position:
            return None
        publications = await self._in_thread(self._publications, events)
        for topic in {topic for _, (topic, _, _) in publications} - self._partition_counts.keys():
            self._partition_counts[topic] = len(await self._producer.partitions_for(topic))
        batches = await self._in_thread(batches_of, self._outgoing(publications), self._producer.create_batch)
        return Chunk(next_position, batches, len(publications))

    def _has_read(self, chunk: Chunk[BatchBuilder] | None) -> None:
        self._steps.has_read(chunk, self._now())

    def _publications(self, events: Sequence[Recorded]) -> list[tuple[Recorded, Publication]]:
        return [(event, publication) for event in events if (publication := self._publish(event)) is not None]

    def _outgoing(self, publications: Sequence[tuple[Recorded, Publication]]) -> Iterator[Outgoing]:
        for event, (topic, key_text, data) in publications:
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
            yield topic, partition_hash(key) % self._partition_counts[topic], key, value, headers

    async def _send(self, chunk: Chunk[BatchBuilder]) -> list["asyncio.Future[Any]"]:
        acknowledgements = []
        for topic, partition, batch in chunk.batches:
            acknowledgement = await self._producer.send_batch(batch, topic, partition=partition)
            acknowledgement.add_done_callback(_note_exception)
            acknowledgements.append(acknowledgement)
        return acknowledgements

    def _sent(self, chunk: Chunk[BatchBuilder], acknowledgements: Sequence["asyncio.Future[Any]"]) -> None:
        self._steps.sent()
        all_of_them = asyncio.gather(*acknowledgements)
        self._under_way[all_of_them] = lambda _: self._steps.acknowledged(chunk)
        all_of_them.add_done_callback(self._stir)

    def _begin(self, work: Coroutine[Any, Any, T], report: Callable[[T], None]) -> None:
        task = asyncio.create_task(work)
        self._under_way[task] = report
        task.add_done_callback(self._stir)

    def _fail(self, error: BaseException) -> None:
        # An event that cannot be published must not be skipped: order would be lost. It is tried for ever.
        is_known = isinstance(error, OperationalError | KafkaError | TimeoutError | OSError | Fenced | NewerEvent)
        log.warning("relay begins again from its position: %r", error, exc_info=None if is_known else error)
        self._steps.failed(self._now())

    async def _let_go(self, *, is_idle: bool) -> None:
        for work in self._under_way:
            work.add_done_callback(_note_exception)
            work.cancel()
        self._under_way.clear()
        ACTIVE.labels(self.service).set(0)
        producer, self._producer = self._producer, None
        leadership, self._leadership = self._leadership, None
        try:
            if producer is not None:
                await (_close(producer) if is_idle else _abandon(producer))
        finally:
            if leadership is not None:
                await self._in_thread(leadership.close)

    async def _wait(self, until_s: float) -> None:
        try:
            async with asyncio.timeout_at(until_s):
                await self._stirred.wait()
        except TimeoutError:
            return

    def _wake(self) -> None:
        self._was_woken = True
        self._stirred.set()

    def _stir(self, _: object) -> None:
        self._stirred.set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


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
