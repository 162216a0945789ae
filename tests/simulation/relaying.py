"""A simulated relay process: drives the steps of services/chassis/relay_steps.py against simulated servers."""

from collections.abc import Callable, Iterator, Mapping

from psycopg import OperationalError

from services.chassis.event_store import Position
from services.chassis.leadership import Fenced
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
    TakeLead,
    Wait,
    batches_of,
)
from tests.simulation.log import TOPIC, Batch, Log, Producer
from tests.simulation.plan import PARTITIONS
from tests.simulation.store import EventSource, RelayRow, Row, Session, key_of, message_of
from tests.simulation.world import Actor, World


class RelayProcess(Actor):
    """One of two. ``crashes``: at which of its steps it dies, and for how long."""

    def __init__(
        self, world: World, name: str, source: EventSource, row: RelayRow, log: Log, crashes: Mapping[int, float]
    ) -> None:
        super().__init__(world, name)
        self._source, self._row, self._log, self._crashes = source, row, log, crashes

    def start(self) -> None:
        self._steps: RelaySteps[Batch] = RelaySteps()
        self._session: Session | None = None
        self._producer: Producer | None = None
        self._leads = 0
        self._naps = 0
        self._is_asleep = False
        self.soon(self._turn)

    def died(self) -> None:
        self._let_go()

    def _turn(self) -> None:
        self._is_asleep = False
        while True:
            self.steps_done += 1
            if (for_s := self._crashes.get(self.steps_done)) is not None:
                self.die(for_s)
                return
            match self._steps.next(self.world.now):
                case Open():
                    self._beside(self._open)
                case Read(position):
                    self._beside(lambda position=position: self._read(position), least_s=0.1, most_s=0.8)  # type: ignore[misc]
                case Send(chunk):
                    self._send(chunk)
                case TakeLead():
                    self.soon(lambda: self._do(self._take_lead))
                    return
                case MoveTo(position):
                    self.soon(lambda position=position: self._do(lambda: self._move(position)))  # type: ignore[misc]
                    return
                case Confirm():
                    self.soon(lambda: self._do(self._confirm))
                    return
                case LetGo():
                    self.note("lets go, and begins again from the position")
                    self._let_go()
                    self._steps.is_out(self.world.now)
                case Wait(until_s):
                    self._sleep(until_s)
                    return
                case Ended():
                    return

    def _do(self, server: Callable[[], Callable[[], None]]) -> None:
        """Something at the server now, and the reply a moment later; other steps wait for it."""
        try:
            reply = server()
        except (OperationalError, Fenced) as error:
            reply = self._failure(error)

        def heard() -> None:
            reply()
            self._turn()

        self.soon(heard)

    def _beside(self, work: Callable[[], Callable[[], None]], least_s: float = 0.01, most_s: float = 0.3) -> None:
        """The same, but other steps go on meanwhile; of no use to a later lead."""
        lead = self._leads

        def begin() -> None:
            try:
                reply = work()
            except OperationalError as error:
                reply = self._failure(error)
            self.soon(lambda: self._report(lead, reply))

        self.soon(begin, least_s, most_s)

    def _report(self, lead: int, reply: Callable[[], None]) -> None:
        if lead != self._leads:
            return
        reply()
        if self._is_asleep:
            self._turn()

    def _failure(self, error: Exception) -> Callable[[], None]:
        def report() -> None:
            self.note(f"fails: {error!r}")
            self._steps.failed(self.world.now)

        return report

    def _take_lead(self) -> Callable[[], None]:
        self._session = self._row.take(self.name)
        position = self._session.position if self._session else None
        if position is not None:
            self.note(f"leads from {tuple(position)}")
        return lambda: self._steps.led(position, self.world.now)

    def _move(self, position: Position) -> Callable[[], None]:
        assert self._session is not None
        self._session.move_to(position)
        self.note(f"moves the position to {tuple(position)}")
        return lambda: self._steps.moved(position, self.world.now)

    def _confirm(self) -> Callable[[], None]:
        assert self._session is not None
        self._session.confirm()
        return lambda: self._steps.confirmed(self.world.now)

    def _open(self) -> Callable[[], None]:
        self._producer = self._log.new_producer(self)
        return self._steps.opened

    def _read(self, position: Position) -> Callable[[], None]:
        self._row.reach()
        rows, behind = self._source.read_committed_since(position, READ_LIMIT)
        chunk = Chunk(behind, batches_of(_outgoing(rows), Batch), len(rows)) if rows else None
        return lambda: self._steps.has_read(chunk, self.world.now)

    def _send(self, chunk: Chunk[Batch]) -> None:
        """The producer takes one batch after the other; then, in any order, they are acknowledged."""
        assert self._producer is not None
        producer, lead, missing = self._producer, self._leads, len(chunk.batches)

        def acknowledged() -> None:
            nonlocal missing
            missing -= 1
            if missing <= 0:
                self._report(lead, lambda: self._steps.acknowledged(chunk))

        def failed() -> None:
            self._report(lead, self._failure(RuntimeError("the brokers refuse")))

        def hand_over(number: int) -> None:
            if lead != self._leads:
                return
            if number == len(chunk.batches):
                self._report(lead, self._steps.sent)
                if not chunk.batches:
                    acknowledged()
                return
            _, partition, batch = chunk.batches[number]
            producer.send_batch(batch, partition, acknowledged, failed)
            self.soon(lambda: hand_over(number + 1), 0.0, 0.1)

        self.soon(lambda: hand_over(0), 0.0, 0.1)

    def _let_go(self) -> None:
        self._leads += 1
        if self._producer is not None:
            self._producer.halt()
        if self._session is not None:
            self._session.close()
        self._producer = self._session = None

    def _sleep(self, until_s: float) -> None:
        self._is_asleep = True
        self._naps += 1
        nap = self._naps

        def wake() -> None:
            if self._is_asleep and self._naps == nap:
                self._turn()

        self.later(max(until_s - self.world.now, 0.001), wake)


def _outgoing(rows: list[Row]) -> Iterator[Outgoing]:
    for row in rows:
        if not row.is_private:
            key, value, headers = message_of(*row.event)
            yield TOPIC, key_of(row.aggregate) % PARTITIONS, key, value, headers
