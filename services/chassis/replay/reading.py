"""Reading topics from a position on, and letting the events take effect in a rebuild: no group, big batches.

What is decided about a batch is decided where the inbox has it decided (inbox_steps.py, effects.py). Several readers
share the partitions, so that one reads and parses while the database writes for the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, assert_never

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.chassis.effects import Effects
from services.chassis.inbox import drive
from services.chassis.inbox_steps import Apply, Lane, Pause, ReadPositions, Seek, Step
from services.chassis.kafka import KafkaConnection
from services.chassis.replay.shadow import Positions

READERS: Final = 2
MAX_RECORDS: Final = 5_000
MAX_PARTITION_BYTES: Final = 2 * 1024 * 1024
POLL_MS: Final = 1_000

Done = Callable[[int], None]
"""Told how many records were dealt with."""


class EventsGone(Exception):
    """A topic no longer begins with its first event: nothing can be built again from it."""


async def catch_up(effects: Effects, kafka: KafkaConnection, begin: Positions, until: Positions, done: Done) -> None:
    """Lets everything from ``begin`` take effect, up to ``until`` and not beyond. Raises EventsGone, KafkaError."""
    behind = sorted(
        (TopicPartition(*place) for place, end in until.items() if begin.get(place, 0) < end),
        key=lambda tp: (tp.partition, tp.topic),
    )
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(READERS):
                if mine := behind[number::READERS]:
                    group.create_task(_Reader(effects, kafka, mine, begin, until, done).run())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures


class _Reader:
    """Some partitions, with a consumer of their own."""

    def __init__(
        self,
        effects: Effects,
        kafka: KafkaConnection,
        mine: Sequence[TopicPartition],
        begin: Positions,
        until: Positions,
        done: Done,
    ) -> None:
        self._effects = effects
        self._begin = begin
        self._until = until
        self._done = done
        self._behind = set(mine)
        self._lanes = {topic: Lane(topic, asyncio.get_running_loop().time) for topic in {tp.topic for tp in mine}}
        self._consumer = AIOKafkaConsumer(
            **kafka.client_options(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=MAX_PARTITION_BYTES,
        )

    async def run(self) -> None:
        await self._consumer.start()
        try:
            await self._begin_reading()
            while self._behind:
                await self._read_some()
        finally:
            await self._consumer.stop()

    async def _begin_reading(self) -> None:
        mine = sorted(self._behind)
        self._consumer.assign(mine)
        for partition, first in (await self._consumer.beginning_offsets(mine)).items():
            if self._begin.get((partition.topic, partition.partition), 0) < first:
                raise EventsGone(f"{partition.topic}/{partition.partition}")
        for topic, lane in self._lanes.items():
            numbers = [partition.partition for partition in mine if partition.topic == topic]
            await drive(lane.assigned(numbers), self._doing(topic))

    async def _read_some(self) -> None:
        behind = list(self._behind)
        found = await self._consumer.getmany(*behind, timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        wanted: dict[str, list[ConsumerRecord[bytes, bytes]]] = {}
        for partition in behind:
            end = self._until[(partition.topic, partition.partition)]
            records = found.get(partition, ())
            wanted.setdefault(partition.topic, []).extend(record for record in records if record.offset < end)
            # The last record before the end may be one that no client sees: then the place says that we are there.
            if not records and not found and await self._consumer.position(partition) >= end:
                self._behind.discard(partition)
        for topic, records in wanted.items():
            if records:
                await drive(self._lanes[topic].take(records), self._doing(topic))

    def _doing(self, topic: str) -> Callable[[Step], Awaitable[object]]:
        return lambda step: self._do(topic, step)

    async def _do(self, topic: str, step: Step) -> object:
        match step:
            case ReadPositions(partitions):
                return await asyncio.to_thread(self._effects.rows.positions, topic, partitions)
            case Apply(batch, expected, one_by_one):
                apply = self._effects.apply_one_by_one if one_by_one else self._effects.apply
                await asyncio.to_thread(apply, topic, batch, expected)
                for partition, records in batch.items():
                    self._done(len(records))
                    if records[-1].offset + 1 >= self._until[(topic, partition)]:
                        self._behind.discard(TopicPartition(topic, partition))
                return None
            case Seek(partition, offset):
                self._consumer.seek(TopicPartition(topic, partition), offset)
                return True
            case Pause(seconds):
                await asyncio.sleep(seconds)
                return None
            case _:
                assert_never(step)
