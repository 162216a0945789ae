"""What a relay does next, and why: no I/O, no clock, no task.

``next`` gives a step; whoever drives (relay.py on real servers, tests/simulation on simulated ones) does it and reports
what came of it. Opening, reading and sending go on beside the other steps; each other step is over before the next.
What must hold, whatever is reported and when: batches are sent in commit order, nothing is sent behind what failed, and
the position moves only past what is acknowledged.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from services.chassis.event_store import Position

READ_LIMIT = 2_000
CHUNKS_READ_AHEAD = 2
CHUNKS_IN_FLIGHT = 4
POLL_S = 0.02
QUIET_POLL_S = 0.1
QUIET_AFTER_POLLS = 250
EAGER_LOOKS = 4
EAGER_LOOK_S = 0.002
STANDBY_POLL_S = 1.0
CONFIRM_EVERY_S = 2.0
DELIVERY_DEADLINE_S = 30.0
BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 5.0


class Batch(Protocol):
    """A batch of records for one partition."""

    def append(
        self, *, timestamp: None, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> object | None:
        """None where the batch is full; the first record always fits."""


B = TypeVar("B", bound=Batch)
Outgoing = tuple[str, int, bytes, bytes, Sequence[tuple[str, bytes]]]
"""Topic, partition, key, value, headers."""


@dataclass(eq=False, slots=True)
class Chunk(Generic[B]):
    """What one read gave, as batches (topic, partition, records) in the order of sending; ``position`` is behind it."""

    position: Position
    batches: Sequence[tuple[str, int, B]]
    event_count: int
    is_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class TakeLead:
    """Try to become the active relay; answered by ``led``."""


@dataclass(frozen=True, slots=True)
class Open:
    """Make a producer, beside the other steps; answered by ``opened``."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read up to READ_LIMIT events behind ``position``, beside the other steps; answered by ``has_read``."""

    position: Position


@dataclass(frozen=True, slots=True)
class Send(Generic[B]):
    """Hand the batches to the producer in order, beside the other steps; answered by ``sent``, ``acknowledged``."""

    chunk: Chunk[B]


@dataclass(frozen=True, slots=True)
class MoveTo:
    """Move the position; answered by ``moved``."""

    position: Position
    event_count: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """Renew the lease; answered by ``confirmed``."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Let go of producer and lead, whatever is in flight; answered by ``is_out``."""

    is_idle: bool
    """Nothing is in flight, so the producer may be closed rather than abandoned."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until ``until_s``, or until something is reported."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Stopped, with nothing in hand."""


Step = TakeLead | Open | Read | Send[B] | MoveTo | Confirm | LetGo | Wait | Ended


@dataclass(slots=True)
class _Lead(Generic[B]):
    """What is known since the lead was taken. Instants in seconds."""

    read_to: Position
    confirm_at: float
    look_at: float
    waiting_since: float
    """Since when the head of what is under way (the producer, or the oldest chunk) is that."""
    is_opening: bool = False
    is_open: bool = False
    is_reading: bool = False
    was_woken: bool = False
    looks_left: int = 0
    empty_polls: int = 0
    ahead: deque[Chunk[B]] = field(default_factory=deque)
    sending: Chunk[B] | None = None
    in_flight: deque[Chunk[B]] = field(default_factory=deque)
    """Begun to be sent, oldest first, the one in ``sending`` included."""


class RelaySteps(Generic[B]):
    """The steps of one relay, from taking the lead to letting go of it, again and again until it is stopped."""

    def __init__(self) -> None:
        self._lead: _Lead[B] | None = None
        self._has_failed = False
        self._is_stopping = False
        self._again_at = 0.0
        self._backoff_s = BACKOFF_FIRST_S

    def next(self, now: float) -> Step[B]:
        """The step to do, or begin, now."""
        lead = self._lead
        if lead is None:
            if self._is_stopping:
                return Ended()
            return TakeLead() if now >= self._again_at else Wait(self._again_at)
        if self._has_failed or self._is_overdue(lead, now):
            return LetGo(is_idle=False)
        if acknowledged := self._acknowledged(lead):
            return MoveTo(acknowledged[-1].position, sum(chunk.event_count for chunk in acknowledged))
        if now >= lead.confirm_at:
            return Confirm()
        if self._is_stopping and not lead.in_flight:
            return LetGo(is_idle=lead.is_open)
        if not self._is_stopping and (step := self._begin(lead, now)) is not None:
            return step
        return Wait(self._until(lead))

    def _begin(self, lead: _Lead[B], now: float) -> Step[B] | None:
        if not lead.is_open:
            if lead.is_opening:
                return None
            lead.is_opening, lead.waiting_since = True, now
            return Open()
        if lead.ahead and lead.sending is None and len(lead.in_flight) < CHUNKS_IN_FLIGHT:
            chunk = lead.sending = lead.ahead.popleft()
            if not lead.in_flight:
                lead.waiting_since = now
            lead.in_flight.append(chunk)
            return Send(chunk)
        if not lead.is_reading and len(lead.ahead) < CHUNKS_READ_AHEAD and now >= lead.look_at:
            lead.is_reading, lead.was_woken = True, False
            return Read(lead.read_to)
        return None

    def _is_overdue(self, lead: _Lead[B], now: float) -> bool:
        """An idempotent batch is retried for ever, and its producer may have halted: begin again from the position."""
        return (lead.is_opening or bool(lead.in_flight)) and now >= lead.waiting_since + DELIVERY_DEADLINE_S

    def _acknowledged(self, lead: _Lead[B]) -> list[Chunk[B]]:
        """The chunks that the position may move past: all of the oldest ones up to the first that is under way."""
        done: list[Chunk[B]] = []
        for chunk in lead.in_flight:
            if not chunk.is_acknowledged:
                break
            done.append(chunk)
        return done

    def _until(self, lead: _Lead[B]) -> float:
        until_s = lead.confirm_at
        if lead.is_opening or lead.in_flight:
            until_s = min(until_s, lead.waiting_since + DELIVERY_DEADLINE_S)
        if lead.is_open and not lead.is_reading and len(lead.ahead) < CHUNKS_READ_AHEAD and not self._is_stopping:
            until_s = min(until_s, lead.look_at)
        return until_s

    def led(self, position: Position | None, now: float) -> None:
        """The lead is ours, from this position on; None where another relay has it."""
        if position is None:
            self._again_at = now + STANDBY_POLL_S
            return
        self._lead = _Lead(position, confirm_at=now + CONFIRM_EVERY_S, look_at=now, waiting_since=now)

    def opened(self) -> None:
        """The producer is ready."""
        if self._lead is not None:
            self._lead.is_opening, self._lead.is_open = False, True

    def has_read(self, chunk: Chunk[B] | None, now: float) -> None:
        """There was this behind the position; None where there was nothing."""
        lead = self._lead
        if lead is None:
            return
        lead.is_reading = False
        if chunk is not None:
            lead.read_to = chunk.position
            lead.ahead.append(chunk)
            lead.looks_left, lead.empty_polls, lead.look_at = EAGER_LOOKS, 0, now
        elif lead.was_woken:
            lead.looks_left, lead.empty_polls, lead.look_at = EAGER_LOOKS, 0, now
        else:
            # A hint that found nothing comes from a commit that a slower writer still covers: look again at once.
            eager, quiet = lead.looks_left > 0, lead.empty_polls >= QUIET_AFTER_POLLS
            lead.look_at = now + (EAGER_LOOK_S if eager else QUIET_POLL_S if quiet else POLL_S)
            lead.looks_left, lead.empty_polls = max(0, lead.looks_left - 1), lead.empty_polls + 1

    def woken(self, now: float) -> None:
        """There may be something new."""
        if self._lead is not None:
            self._lead.was_woken = True
            self._lead.looks_left, self._lead.empty_polls, self._lead.look_at = EAGER_LOOKS, 0, now

    def sent(self) -> None:
        """The producer has all batches of the chunk that was being sent."""
        if self._lead is not None:
            self._lead.sending = None

    def acknowledged(self, chunk: Chunk[B]) -> None:
        """The brokers have acknowledged all batches of the chunk."""
        chunk.is_acknowledged = True

    def moved(self, position: Position, now: float) -> None:
        """The position stands there now; the lease is renewed with it."""
        lead = self._lead
        assert lead is not None
        while lead.in_flight and lead.in_flight[0].position <= position:
            lead.in_flight.popleft()
        lead.waiting_since = now
        self._backoff_s = BACKOFF_FIRST_S
        self.confirmed(now)

    def confirmed(self, now: float) -> None:
        """The lease is renewed."""
        assert self._lead is not None
        self._lead.confirm_at = now + CONFIRM_EVERY_S

    def failed(self, now: float) -> None:
        """A step went wrong, or something under way: begin again from the position, later."""
        if self._lead is None:
            self.is_out(now)
        else:
            self._has_failed = True

    def is_out(self, now: float) -> None:
        """Producer and lead are let go of."""
        self._lead, self._has_failed = None, False
        self._again_at = now + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_MOST_S)

    def stop(self) -> None:
        """Nothing new is begun; what is in flight is waited for."""
        self._is_stopping = True


def batches_of(records: Iterable[Outgoing], new_batch: Callable[[], B]) -> list[tuple[str, int, B]]:
    """Batches in the order in which they are to be sent: those of one partition in the order of its records."""
    batches: list[tuple[str, int, B]] = []
    last: dict[tuple[str, int], B] = {}
    for topic, partition, key, value, headers in records:
        batch = last.get((topic, partition))
        if batch is None or batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            batch = last[topic, partition] = new_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)
            batches.append((topic, partition, batch))
    return batches
