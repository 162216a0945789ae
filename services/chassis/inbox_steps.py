"""What an inbox does with one topic, step by step: no I/O, no clock, no task.

A lane yields what is to be done and is told what came of it; inbox.py does it on real servers, and so does the
simulation on its own (tests/simulation). Not Kafka's offsets count but the row in our own database.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from services.chassis.effects import Batch, NotYet, Outdated, PositionMoved, Record, is_away

log = logging.getLogger(__name__)
T = TypeVar("T")

AWAY_PATIENCE_S = 60.0
"""How long one batch is held while the database is away, before its records are given back and read again."""
NOT_YET_FIRST_S = 0.02
NOT_YET_PATIENCE_S = 1.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 5.0


@dataclass(frozen=True, slots=True)
class ReadPositions:
    """Answered with the next offset of each partition."""

    partitions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Seek:
    """The next records of the partition are to be those from ``offset`` on. Answered with whether it is ours."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Apply:
    """One transaction. Answered with whether something now waits for what has not arrived."""

    batch: Batch
    expected: Mapping[int, int]
    one_by_one: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait, but not past the end of the lane."""

    seconds: float


Step = ReadPositions | Seek | Apply | Pause
Steps = Generator[Step, Any, T]
"""What the driver does is answered, or raised, into the generator."""


class Lane:
    """What one member of a consumer believes of one topic. ``clock`` gives seconds that never go back."""

    def __init__(self, topic: str, clock: Callable[[], float]) -> None:
        self.topic = topic
        self.is_stopping = False
        self._clock = clock
        self._expected: dict[int, int] = {}
        """The offset that our row has, for each partition that we hold and know."""
        self._gaps: dict[int, tuple[int, int]] = {}
        self._to_commit: dict[int, int] = {}

    def assigned(self, partitions: Iterable[int]) -> Steps[None]:
        """These partitions are ours now: reading begins where our rows are."""
        self.revoked()
        try:
            yield from self._know(partitions)
        except Exception as error:
            # Where the database is away now, the first batch finds out the position, and waits for it.
            log.warning("positions of %s are not known yet: %r", self.topic, error)

    def revoked(self) -> None:
        """Nothing is ours until it is assigned anew."""
        self._expected.clear()
        self._gaps.clear()
        self._to_commit.clear()

    def take(self, records: Iterable[Record]) -> Steps[None]:
        """Lets records take effect; what could not is given back, and read again from our position. Never raises."""
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(record.partition, []).append(record)
        try:
            yield from self._take_effect(by_partition)
        except Outdated:
            self.revoked()  # The driver ends.
        except Exception:
            log.exception("batch of %s failed; read again from the position", self.topic)
            yield Pause(BACKOFF_MOST_S)
            yield from self._give_back(by_partition)

    def offsets_to_commit(self) -> dict[int, int]:
        """The next offsets since the last time, for monitors of Kafka's own lag."""
        offsets, self._to_commit = self._to_commit, {}
        return offsets

    def _take_effect(self, by_partition: dict[int, list[Record]]) -> Steps[None]:
        give_up_at = self._clock() + AWAY_PATIENCE_S
        not_yet_until = self._clock() + NOT_YET_PATIENCE_S
        backoff_s, not_yet_s = BACKOFF_FIRST_S, NOT_YET_FIRST_S
        one_by_one = False
        while True:
            try:
                yield from self._know(by_partition.keys() - self._expected.keys())
                batch = yield from self._select(by_partition)
                if not batch:
                    return
                expected = {partition: self._expected[partition] for partition in batch}
                yield Apply(batch, expected, one_by_one)
            except PositionMoved as moved:
                log.info("position moved: %s", moved)
                yield from self._give_back(by_partition)
                return
            except NotYet:
                one_by_one = self._clock() >= not_yet_until
                if not one_by_one:
                    yield Pause(not_yet_s)
                    not_yet_s *= 2
            except Outdated:
                raise
            except Exception as error:
                if not is_away(error):
                    if one_by_one:
                        raise
                    one_by_one = True
                    continue
                if self.is_stopping or self._clock() >= give_up_at:
                    yield from self._give_back(by_partition)
                    return
                log.warning("%s waits for the database: %r", self.topic, error)
                yield Pause(backoff_s)
                backoff_s = min(2 * backoff_s, BACKOFF_MOST_S)
            else:
                for partition, records in batch.items():
                    self._gaps.pop(partition, None)
                    if partition in self._expected:
                        self._expected[partition] = self._to_commit[partition] = records[-1].offset + 1
                return

    def _select(self, by_partition: dict[int, list[Record]]) -> Steps[dict[int, list[Record]]]:
        """The records from our position on. What does not begin there is sought, and not looked at again as it is.

        Offsets can have holes (control records), so a record beyond the position is believed where it is the first that
        is read after a seek to the position.
        """
        batch: dict[int, list[Record]] = {}
        for partition, records in list(by_partition.items()):
            expected = self._expected.get(partition)
            if expected is None:
                continue
            wanted = [record for record in records if record.offset >= expected]
            if not wanted:
                if records[-1].offset + 1 < expected:
                    yield from self._seek(partition, expected)
                continue
            gap = (expected, wanted[0].offset)
            if wanted[0].offset > expected and self._gaps.get(partition) != gap:
                self._gaps[partition] = gap
                del by_partition[partition]
                yield from self._seek(partition, expected)
                continue
            batch[partition] = wanted
        return batch

    def _know(self, partitions: Iterable[int]) -> Steps[None]:
        """Reads our rows for partitions, and seeks to them."""
        unknown = sorted(partitions)
        if not unknown:
            return
        positions: Mapping[int, int] = yield ReadPositions(unknown)
        for partition, next_offset in positions.items():
            self._expected[partition] = next_offset
            yield from self._seek(partition, next_offset)

    def _give_back(self, partitions: Iterable[int]) -> Steps[None]:
        """Forgets what we believed of these partitions; their records come again from where our row is."""
        known = list(partitions)
        for partition in known:
            self._expected.pop(partition, None)
            self._gaps.pop(partition, None)
        try:
            yield from self._know(known)
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("positions of %s are not known yet: %r", self.topic, error)

    def _seek(self, partition: int, offset: int) -> Steps[None]:
        is_ours: bool = yield Seek(partition, offset)
        if not is_ours:
            self._expected.pop(partition, None)
