"""Row 10: the clock of all services jumps an hour ahead and back amid commands; order and billing do not notice."""

import random
import threading
from datetime import timedelta

import pytest

from services.chassis.clock import SandboxClock
from tests.faults.stream import Stream
from tests.faults.table import Results

JUMP = timedelta(hours=1)
LONG_RUNS = 10


@pytest.mark.timeout(1800)
def test_a_clock_that_jumps_an_hour_ahead_and_back_changes_nothing(
    stream: Stream, runs: int | None, command_count: int, seed: int, results: Results
) -> None:
    """The one clock that services read; each look at it sees the jump, in the middle of whatever is going on."""
    clock, choice = SandboxClock(stream.relais.data_dir / "sandbox-clock.json"), random.Random(seed)
    with results.line(10, "relais up: the services' clock jumps +1 h and -1 h amid commands", seed) as line:
        for _ in range(min(runs or 1, LONG_RUNS)):
            jumps, is_over = 0, threading.Event()
            sending = threading.Thread(target=_send, args=(stream, command_count, is_over))
            sending.start()
            while not is_over.wait(choice.uniform(0.05, 0.3)):
                clock.reset() if jumps % 2 else clock.advance(choice.choice([JUMP, -JUMP]))
                jumps += 1
            sending.join()
            clock.reset()
            line.add(stream.settled(), faults=jumps)


def _send(stream: Stream, command_count: int, is_over: threading.Event) -> None:
    try:
        stream.run(command_count)
    finally:
        is_over.set()
