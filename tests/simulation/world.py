"""Time, chance and memory of one simulated run: one thread, one queue of what happens when, one trace."""

import heapq
from collections.abc import Callable
from hashlib import sha256
from random import Random

MOST_S = 300.0
"""A run that has not ended by then never will."""
MOST_STEPS = 60_000


class Violation(BaseException):
    """What must hold did not; no code under test may swallow it."""


class Actor:
    """A process: it can stand still, die, and be started again. What was meant for an earlier life is dropped."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.life = 0
        self.paused_until = 0.0
        self.steps_done = 0
        self._random = Random(f"{world.seed} {name}")

    def soon(self, action: Callable[[], None], least_s: float = 0.01, most_s: float = 0.3) -> None:
        """Does ``action`` a moment from now, in this life."""
        self.later(least_s + (most_s - least_s) * self._random.random(), action)

    def later(self, after_s: float, action: Callable[[], None]) -> None:
        life = self.life

        def act() -> None:
            if self.life != life:
                return
            if self.world.now < self.paused_until:
                self.world.at(self.paused_until, act)
                return
            action()

        self.world.at(self.world.now + after_s, act)

    def note(self, what: str) -> None:
        self.world.note(self.name, what)

    def die(self, for_s: float) -> None:
        self.note(f"dies, for {for_s} s")
        self.life += 1
        self.paused_until = 0.0
        self.died()
        self.world.at(self.world.now + for_s, self._start_again)

    def _start_again(self) -> None:
        self.note("starts again")
        self.start()

    def start(self) -> None:
        """Begins a life, with nothing of an earlier one; somebody who never dies has nothing to begin."""

    def died(self) -> None:
        """What others see of it at once."""


class World:
    """The queue, the clock and the trace. ``is_over`` says when there is nothing left to wait for."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = 0.0
        self.trace: list[tuple[float, str, str]] = []
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when_s: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (when_s, self._count, action))

    def note(self, who: str, what: str) -> None:
        self.trace.append((self.now, who, what))

    def run(self, is_over: Callable[[], bool]) -> None:
        """Raises Violation where it does not come to an end."""
        for step in range(MOST_STEPS):
            if step % 16 == 0 and is_over():
                return
            self.now, _, action = heapq.heappop(self._queue)
            if self.now > MOST_S:
                break
            action()
        raise Violation("stuck: something never arrives")

    def clock(self) -> float:
        return self.now

    def digest(self) -> str:
        """The same for the same seed, always and everywhere."""
        return sha256("\n".join(self.lines()).encode()).hexdigest()

    def lines(self) -> list[str]:
        return [f"{when_s:9.3f} s  {who:9} {what}" for when_s, who, what in self.trace]
