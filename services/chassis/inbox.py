"""The inbox: reads topics with FastStream in batches, and lets each event take effect once.

What is done with a batch is decided in inbox_steps.py and effects.py; here it is done. Each topic has a consumer of its
own, so that waiting on one does not hold up the other. What is committed to Kafka is only for lag monitors.
A database or broker that is away is waited for in the handler, with backoff: a nack would seek back at once, hot.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, assert_never

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from psycopg import Connection
from psycopg.rows import DictRow

from services.chassis.database import Database
from services.chassis.effects import Effects, NotYet, Outdated, Reaction, Retried, is_away
from services.chassis.effects_rows import EffectsRows
from services.chassis.inbox_steps import (
    BACKOFF_FIRST_S,
    BACKOFF_MOST_S,
    Apply,
    Lane,
    Pause,
    ReadPositions,
    Seek,
    Step,
    Steps,
)
from services.chassis.kafka import KafkaConnection
from services.chassis.migrate import migrations_of

__all__ = ["Inbox", "NotYet", "Reaction", "group_id"]

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_RECORDS = 1_000
LOOK_AGAIN_MS = 1_000
FETCH_MAX_WAIT_MS = 500
SESSION_TIMEOUT_MS = 6_000
HEARTBEAT_MS = 1_000
MAX_POLL_INTERVAL_MS = 300_000
RELEASE_DEADLINE_S = 5.0
COMMIT_EVERY_S = 1.0
WAITING_FIRST_S = 0.25
WAITING_MOST_S = 5.0
STOP_DEADLINE_S = 15.0
CLOSE_DEADLINE_S = 5.0


def group_id(consumer: str, topic: str) -> str:
    """The consumer group: one for each topic, so that a rebalance of one does not stop the other."""
    return f"{consumer}.{topic}"


class Inbox:
    """Lets the events of ``topics`` take effect by ``reactions``, once each, as the consumer named ``consumer``.

    ``before_writes`` is run first in each transaction (a service with an event store locks it for appending there).
    ``after_commit`` is called after each, from a worker thread. ``known_migrations`` are those that the reactions were
    written for: by default, those of the service that the consumer is called after.
    """

    def __init__(
        self,
        *,
        consumer: str,
        topics: Sequence[str],
        database: Database,
        kafka: KafkaConnection,
        reactions: Mapping[str, Sequence[Reaction]],
        before_writes: Callable[[Connection[DictRow]], None] | None = None,
        after_commit: Callable[[], None] | None = None,
        known_migrations: Collection[str] | None = None,
    ) -> None:
        self.consumer = consumer
        self.topics = tuple(topics)
        self.effects = Effects(
            consumer=consumer,
            rows=EffectsRows(
                database,
                consumer,
                before_writes,
                known_migrations=known_migrations or [migration.name for migration in migrations_of(consumer)],
            ),
            reactions=reactions,
            after_commit=after_commit,
        )
        self._kafka = kafka

    async def run(self, stop: asyncio.Event) -> None:
        """Reads until ``stop``; then finishes the batch in hand. Waits for servers that are away.

        Ends by itself where the database was upgraded to be read into anew by a newer version, which then goes on.
        """
        waiting, over = asyncio.Event(), asyncio.Event()
        waiting.set()  # Something may wait since an earlier run.
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: over.set())
        try:
            async with asyncio.TaskGroup() as group:
                for topic in self.topics:
                    group.create_task(_LaneDriver(topic, self.effects, self._kafka, waiting, over).run())
                group.create_task(self._retry_waiting(waiting, over))
        finally:
            stopping.cancel()

    async def _retry_waiting(self, waiting: asyncio.Event, stop: asyncio.Event) -> None:
        """Tries what waits for something that had not arrived, until it takes effect or patience ends."""
        pause_s = WAITING_FIRST_S
        while not stop.is_set():
            await pause(stop, pause_s)
            pause_s = min(2 * pause_s, WAITING_MOST_S)
            if not waiting.is_set():
                pause_s = WAITING_FIRST_S
                continue
            waiting.clear()
            try:
                for topic, key in await asyncio.to_thread(self.effects.rows.waiting_keys):
                    retried: Retried = await asyncio.to_thread(self.effects.retry, topic, key, by="inbox")
                    if retried.open_count:
                        waiting.set()
                    if retried.settled_count:
                        pause_s = WAITING_FIRST_S
            except Exception as error:
                if not is_away(error):
                    log.exception("what waits could not be tried again")
                waiting.set()


class _PatientConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Waits until there is something to give.

    FastStream sleeps as long as it polled whenever it was given nothing, and a record that comes meanwhile would wait.
    """

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        while True:
            records = await super().getmany(*partitions, timeout_ms=LOOK_AGAIN_MS, max_records=max_records)
            if records:
                return records


class _LaneDriver(ConsumerRebalanceListener):  # type: ignore[misc]
    """One topic of an inbox, with its consumer. ``stop`` is told by others, and tells them where this is outdated."""

    def __init__(
        self, topic: str, effects: Effects, kafka: KafkaConnection, waiting: asyncio.Event, stop: asyncio.Event
    ) -> None:
        self._topic = topic
        self._effects = effects
        self._kafka = kafka
        self._waiting = waiting
        self._stop = stop
        self._consumer: AIOKafkaConsumer | None = None
        self._group_id = group_id(effects.consumer, topic)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix=f"inbox-{self._group_id}")
        self._in_hand = asyncio.Lock()
        self._lane = Lane(topic, asyncio.get_running_loop().time)

    async def run(self) -> None:
        backoff_s = BACKOFF_FIRST_S
        while not self._stop.is_set():
            broker = self._broker()
            try:
                await broker.connect()
                broker.config.broker_config.builder = self._make_consumer  # Behind connect, which sets one of its own.
                await broker.start()
                backoff_s = BACKOFF_FIRST_S
                while not self._stop.is_set():
                    await pause(self._stop, COMMIT_EVERY_S)
                    await self._commit_to_kafka()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("%s waits for the brokers: %r", self._group_id, error)
                await pause(self._stop, backoff_s)
                backoff_s = min(2 * backoff_s, BACKOFF_MOST_S)
            finally:
                await self._close(broker)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Lets the batch in hand finish, within a limit; one that is slower fails at its position."""
        try:
            async with asyncio.timeout(RELEASE_DEADLINE_S):
                async with self._in_hand:
                    self._lane.revoked()
        except TimeoutError:
            self._lane.revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await drive(self._lane.assigned(tp.partition for tp in assigned), self._do)

    def _broker(self) -> KafkaBroker:
        broker = KafkaBroker(
            self._kafka.bootstrap_servers,
            client_id=f"relais-inbox-{self._effects.consumer}",
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=STOP_DEADLINE_S,
            apply_types=False,
            logger=None,
        )
        subscriber = broker.subscriber(
            self._topic,
            batch=True,
            max_records=MAX_RECORDS,
            batch_timeout_ms=LOOK_AGAIN_MS,
            group_id=self._group_id,
            listener=self,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            no_reply=True,
            parser=_as_they_are,
            decoder=_records,
        )
        subscriber(self._take)
        return broker

    def _make_consumer(self, **options: Any) -> AIOKafkaConsumer:
        self._consumer = _PatientConsumer(**self._kafka.client_options(), **options)
        return self._consumer

    async def _close(self, broker: KafkaBroker) -> None:
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                async with self._in_hand:
                    await self._commit_to_kafka()
            async with asyncio.timeout(CLOSE_DEADLINE_S):
                await broker.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer of %s was not closed cleanly: %r", self._topic, error)
            if self._consumer is not None:  # aiokafka's fetcher can miss that it was cancelled, and stop() waits on.
                await self._consumer._client.close()

    async def _take(self, records: tuple["ConsumerRecord[bytes, bytes]", ...]) -> None:
        """FastStream's handler: never raises, because FastStream would drop the batch."""
        async with self._in_hand:
            await drive(self._lane.take(records), self._do)

    async def _do(self, step: Step) -> object:
        match step:
            case ReadPositions(partitions):
                return await self._positions(partitions)
            case Apply(batch, expected, one_by_one=True):
                if await self._in_thread(self._effects.apply_one_by_one, self._topic, batch, expected):
                    self._waiting.set()
                return None
            case Apply(batch, expected):
                return await self._in_thread(self._effects.apply, self._topic, batch, expected)
            case Seek(partition, offset):
                return self._seek(partition, offset)
            case Pause(seconds):
                await pause(self._stop, seconds)
                self._lane.is_stopping = self._stop.is_set()
                return None
            case _:
                assert_never(step)

    async def _positions(self, partitions: Sequence[int]) -> dict[int, int]:
        try:
            return await self._in_thread(self._effects.rows.positions, self._topic, partitions)
        except Outdated as newer:
            log.warning("%s gives way: its database was upgraded by a version that knows %s", self._group_id, newer)
            self._stop.set()
            raise

    def _seek(self, partition: int, offset: int) -> bool:
        if self._consumer is None:
            return False
        try:
            self._consumer.seek(TopicPartition(self._topic, partition), offset)
        except IllegalStateError:
            return False  # Not ours any more.
        return True

    async def _commit_to_kafka(self) -> None:
        offsets = {TopicPartition(self._topic, number): at for number, at in self._lane.offsets_to_commit().items()}
        if not offsets or self._consumer is None:
            return
        try:
            await self._consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            log.debug("offsets for lag monitors were not committed: %r", error)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


async def drive(steps: Steps[T], do: Callable[[Step], Awaitable[object]]) -> T:
    """Does what a lane asks for, until it has no more to ask."""
    try:
        step = next(steps)
        while True:
            try:
                answer = await do(step)
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def _as_they_are(records: tuple["ConsumerRecord[bytes, bytes]", ...]) -> KafkaMessage:
    """FastStream's own parser decodes all headers and drops the whole batch where one is not UTF-8."""
    return KafkaMessage(body=records, raw_message=records, consumer=_NOT_ACKNOWLEDGED)


async def _records(message: KafkaMessage) -> Any:
    return message.raw_message


class _NotAcknowledged:
    """Acknowledging is the row in our database; FastStream has no part in it."""

    async def commit(self) -> None: ...

    def seek(self, partition: TopicPartition, offset: int) -> None: ...


_NOT_ACKNOWLEDGED = _NotAcknowledged()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleeps, but not past ``stop``."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
