"""How far a service is behind: its relay, and each partition that it reads.

Asked once by `relais lag`, and every few seconds by each service of itself, which keeps the last hour in memory.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from psycopg.rows import DictRow

from services.chassis.database import Database
from services.chassis.inbox import Inbox, pause
from services.chassis.kafka import KafkaConnection

EVERY_S: Final = 5.0
KAFKA_TIMEOUT_S: Final = 3.0
DATABASE_TIMEOUT_S: Final = 8.0
FETCH_TIMEOUT_S: Final = 3.0
FETCH_MAX_BYTES: Final = 16_384  # A partition: only the first record's time is wanted.
LATE_AFTER_S: Final = 5.0  # What is younger is simply on its way.
STOPPED_AFTER_S: Final = 90.0  # A relay holds back for a minute while an import comes in; that is no standstill.
MINUTES_KEPT: Final = 60

RELAY_BACKLOG = """
SELECT count(*) AS backlog,
    position.transaction_id::text || '.' || position.notification_id AS position,
    (SELECT convert_from(state, 'UTF8')::json ->> 'recorded_at' FROM stored_events
     WHERE (transaction_id, notification_id) > (position.transaction_id, position.notification_id)
     ORDER BY transaction_id, notification_id LIMIT 1)::timestamptz AS oldest_at
FROM (SELECT coalesce(max(transaction_id), 0)::text::xid8 AS transaction_id,
             coalesce(max(notification_id), 0) AS notification_id FROM relay_position) AS position
JOIN stored_events AS waiting
  ON (waiting.transaction_id, waiting.notification_id) > (position.transaction_id, position.notification_id)
GROUP BY position.transaction_id, position.notification_id
"""

POSITIONS = "SELECT consumer, topic, partition, next_offset FROM inbox_positions"

PARKED = """
SELECT consumer, topic, partition, count(*) AS parked, min(parked_at) AS oldest_at FROM parked
WHERE state IN ('waiting', 'parked') GROUP BY consumer, topic, partition
"""

log = logging.getLogger(__name__)
T = TypeVar("T", int, float)

State = Literal["up_to_date", "behind", "stopped", "unknown"]
WORST_FIRST: Final[Sequence[State]] = ("stopped", "behind", "unknown", "up_to_date")

Place = tuple[str, str, int]
"""Consumer, topic, partition."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a service is behind in one place: its relay (then ``topic`` is None), or a partition that it reads.

    ``oldest_age_s`` is the age of the oldest event that is still to be published, read, or taken from what is parked.
    ``consumer_lag`` is None where Kafka is away.
    """

    service: str
    topic: str | None
    partition: int | None
    relay_backlog: int | None
    consumer_lag: int | None
    parked: int
    oldest_age_s: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """``position`` is how far it has come: what waits and is always at the same place stands still."""

    lag: Lag
    position: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A place and what to think of it."""

    lag: Lag
    state: State


@dataclass(frozen=True, slots=True)
class Minute:
    """The most that waited within a minute, all places of the service together; None: never known in it."""

    at: datetime
    relay_backlog: int
    consumer_lag: int | None
    parked: int
    oldest_age_s: float | None


class LagWatch:
    """Measures one service. ``now`` and ``monotonic`` are the time."""

    def __init__(
        self,
        *,
        service: str,
        database: Database,
        kafka: KafkaConnection,
        inboxes: Sequence[Inbox],
        every_s: float = EVERY_S,
        database_timeout_s: float = DATABASE_TIMEOUT_S,
        stopped_after_s: float = STOPPED_AFTER_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self.measured_at: datetime | None = None
        self.standings: Sequence[Standing] = ()
        self.minutes: deque[Minute] = deque(maxlen=MINUTES_KEPT)
        self.on_measured: Callable[[Sequence[Standing]], None] = lambda _: None
        self._database = database
        self._kafka = kafka
        self._reads = [(inbox.consumer, topic) for inbox in inboxes for topic in inbox.topics]
        self._every_s = every_s
        self._database_timeout_s = database_timeout_s
        self._stopped_after_s = stopped_after_s
        self._now = now
        self._monotonic = monotonic
        self._consumer: AIOKafkaConsumer | None = None
        self._asking: asyncio.Task[_Rows] | None = None
        self._unmoved: dict[tuple[str | None, int | None], tuple[str, float]] = {}
        """Where something waits: at which position, since when."""

    def state(self) -> State:
        """That of the worst place; unknown before the first look, or while the database is away."""
        found = {standing.state for standing in self.standings}
        return next((state for state in WORST_FIRST if state in found), "unknown")

    async def run(self, stop: asyncio.Event) -> None:
        """Looks again and again until ``stop``. A server that is away makes figures unknown, nothing else."""
        try:
            while not stop.is_set():
                await self.look()
                await pause(stop, self._every_s)
        finally:
            await self.close()

    async def look(self) -> None:
        """Measures, and remembers it."""
        try:
            found = await self.measure()
        except (psycopg.OperationalError, OSError, TimeoutError) as error:
            log.debug("the database does not answer: %r", error)
            found = []
        self.measured_at = self._now()
        self.standings = [Standing(each.lag, self._judge(each)) for each in found]
        if found:
            self._remember([each.lag for each in found], self.measured_at)
        self.on_measured(self.standings)

    async def measure(self) -> list[Measured]:
        """One for the relay and for each partition that is read. Raises psycopg.OperationalError, TimeoutError."""
        ends, rows = await self._ends(), await self._rows_in_time()
        unread = {
            partition: rows.positions.get((name, *partition), 0)
            for name, topic in self._reads
            for partition, end in (ends or {}).items()
            if partition.topic == topic and end > rows.positions.get((name, *partition), 0)
        }
        written_at = await self._written_at(unread) if unread else {}
        now = self._now()
        backlog = rows.relay["backlog"] if rows.relay else 0
        oldest_at = rows.relay["oldest_at"] if rows.relay else None
        relay = Lag(self.service, None, None, backlog, None, 0, _age_s(now, oldest_at))
        found = [Measured(relay, rows.relay["position"] if rows.relay else "")]
        for place in sorted(self._places(rows, ends)):
            partition = TopicPartition(place[1], place[2])
            next_offset = rows.positions.get(place, 0)
            parked, oldest_at = rows.parked.get(place, (0, None))
            behind = None if ends is None else max(0, ends[partition] - next_offset)
            oldest_at = min(filter(None, (oldest_at, written_at.get(partition))), default=None)
            lag = Lag(self.service, place[1], place[2], None, behind, parked, _age_s(now, oldest_at))
            found.append(Measured(lag, position=str(next_offset)))
        return found

    async def close(self) -> None:
        """Lets go of Kafka; it is found again by the next measuring."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(TimeoutError):  # A fetcher may wait for a broker that is gone.
                async with asyncio.timeout(KAFKA_TIMEOUT_S):
                    await consumer.stop()

    def _judge(self, measured: Measured) -> State:
        lag, key = measured.lag, (measured.lag.topic, measured.lag.partition)
        if lag.topic is not None and lag.consumer_lag is None:
            return "unknown"
        if not (lag.relay_backlog or lag.consumer_lag):
            self._unmoved.pop(key, None)
            return "behind" if lag.parked else "up_to_date"
        position, since = self._unmoved.get(key, ("", 0.0))
        if position != measured.position:
            since = self._monotonic()
            self._unmoved[key] = (measured.position, since)
        if self._monotonic() - since >= self._stopped_after_s:
            return "stopped"
        return "behind" if lag.parked or (lag.oldest_age_s or 0.0) >= LATE_AFTER_S else "up_to_date"

    def _remember(self, found: Sequence[Lag], at: datetime) -> None:
        known = [lag.consumer_lag for lag in found if lag.consumer_lag is not None]
        minute = Minute(
            at=at.replace(second=0, microsecond=0),
            relay_backlog=sum(lag.relay_backlog or 0 for lag in found),
            consumer_lag=sum(known) if known else None,
            parked=sum(lag.parked for lag in found),
            oldest_age_s=_most(lag.oldest_age_s for lag in found),
        )
        if self.minutes and self.minutes[-1].at == minute.at:
            last = self.minutes.pop()
            minute = replace(
                minute,
                relay_backlog=max(minute.relay_backlog, last.relay_backlog),
                consumer_lag=_most((minute.consumer_lag, last.consumer_lag)),
                parked=max(minute.parked, last.parked),
                oldest_age_s=_most((minute.oldest_age_s, last.oldest_age_s)),
            )
        self.minutes.append(minute)

    def _places(self, rows: "_Rows", ends: Mapping[TopicPartition, int] | None) -> list[Place]:
        if ends is None:
            return [place for place in rows.positions if place[:2] in self._reads]
        return [(name, topic, tp.partition) for name, topic in self._reads for tp in ends if tp.topic == topic]

    async def _rows_in_time(self) -> "_Rows":
        """A database that hangs holds one thread, not one each time."""
        if self._asking is None:
            self._asking = asyncio.create_task(asyncio.to_thread(self._rows))
        answered, _ = await asyncio.wait({self._asking}, timeout=self._database_timeout_s)
        if not answered:
            raise TimeoutError("the database hangs")
        asking, self._asking = self._asking, None
        return asking.result()

    def _rows(self) -> "_Rows":
        with self._database.connection() as connection:
            return _Rows(
                relay=connection.execute(RELAY_BACKLOG).fetchone(),
                positions={
                    place: row["next_offset"] for place, row in _placed(connection.execute(POSITIONS).fetchall())
                },
                parked={
                    place: (row["parked"], row["oldest_at"])
                    for place, row in _placed(connection.execute(PARKED).fetchall())
                },
            )

    async def _ends(self) -> Mapping[TopicPartition, int] | None:
        """The end of each partition that is read; None where Kafka is away."""
        try:
            async with asyncio.timeout(KAFKA_TIMEOUT_S):
                consumer = await self._connected()
                ends: Mapping[TopicPartition, int] = await consumer.end_offsets(list(consumer.assignment()))
                return ends
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("the brokers do not answer: %r", error)
            await self.close()
            return None

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(
                *sorted({topic for _, topic in self._reads}),
                **self._kafka.client_options(),
                client_id=f"relais-lag-{self.service}",
                group_id=None,
                enable_auto_commit=False,
                max_partition_fetch_bytes=FETCH_MAX_BYTES,
            )
            await self._consumer.start()
        self._consumer.pause(*self._consumer.assignment())  # Nothing is fetched that is not asked for.
        return self._consumer

    async def _written_at(self, unread: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, datetime]:
        """When the first unread record of each partition was written, as far as that can be read in time."""
        consumer, found = self._consumer, dict[TopicPartition, datetime]()
        if consumer is None:
            return found
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                for partition, offset in unread.items():
                    consumer.seek(partition, offset)
                consumer.resume(*unread)
                for partition in unread:
                    record = await consumer.getone(partition)
                    found[partition] = datetime.fromtimestamp(record.timestamp / 1_000, UTC)
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("the age of what is unread is not known: %r", error)
        finally:
            consumer.pause(*consumer.assignment())
        return found


@dataclass(frozen=True, slots=True)
class _Rows:
    relay: Mapping[str, Any] | None
    positions: Mapping[Place, int]
    parked: Mapping[Place, tuple[int, datetime]]


def _placed(rows: Sequence[DictRow]) -> Iterator[tuple[Place, DictRow]]:
    for row in rows:
        yield (row["consumer"], row["topic"], row["partition"]), row


def _most(figures: Iterable[T | None]) -> T | None:
    return max((figure for figure in figures if figure is not None), default=None)


def _age_s(now: datetime, oldest_at: datetime | None) -> float | None:
    return None if oldest_at is None else round(max(0.0, (now - oldest_at).total_seconds()), 1)
