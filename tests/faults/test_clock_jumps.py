"""Row 10: a clock jumps an hour ahead and back amid commands; order and billing do not notice.

Once the sandbox clock that all services follow, once the machine's own clock below one replica of a service.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

import httpx
import pytest

from services.chassis.clock import SandboxClock
from tests.faults.serving import Replica, replica
from tests.faults.small import eventually
from tests.faults.stream import Stream
from tests.faults.table import Results
from tests.faults.wall_clock import WallClock

JUMP = timedelta(hours=1)
JUMPS = (JUMP, -JUMP)
LONG_RUNS = 20
TAKEOVERS = 10
TAKEOVER_S = 8.0
MINT = """
from pathlib import Path
from services.chassis.auth import LocalIssuer
print(LocalIssuer(Path({folder!r})).mint("support", "support@example.org", ttl_s=6 * 3600))
"""


@pytest.mark.timeout(1800)
def test_a_clock_that_jumps_an_hour_ahead_and_back_changes_nothing(
    stream: Stream, runs: int | None, command_count: int, seed: int, results: Results
) -> None:
    """The one clock that services read; each look at it sees the jump, in the middle of whatever is going on."""
    clock = SandboxClock(stream.relais.data_dir / "sandbox-clock.json")
    with results.line(10, "relais up: the services' clock jumps +1 h and -1 h amid commands", seed) as line:
        for run in range(min(runs or 1, LONG_RUNS)):
            choice = random.Random(seed + run)
            sending = partial(stream.run, command_count)
            jumps = jump_amid(sending, choice, lambda offset: clock.advance(offset), clock.reset)
            line.add(stream.settled(), faults=jumps)


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path / "offset")


@contextmanager
def jumpy(stream: Stream, clock: WallClock, folder: Path) -> Iterator[Replica]:
    """Replicas of sessions and billing with that clock, beside those that have the right one; gives that of sessions.

    The relay and half of the partitions are theirs.
    """
    with ExitStack() as opened:
        begun = [
            opened.enter_context(replica(name, stream.relais, folder / f"{name}.log", clock.environment))
            for name in ("sessions", "billing")
        ]
        eventually(lambda: all(each.answers() for each in begun), "the replicas answer")
        ours = begun[0]
        for _ in range(TAKEOVERS):  # The one that is killed is started again at once, and may be the quicker one.
            stream.relais.kill("sessions")
            with suppress(AssertionError):
                eventually(lambda: ours.metric("relais_relay_active") == 1, "it leads", deadline_s=TAKEOVER_S)
                break
        assert ours.metric("relais_relay_active") == 1, "the relay with the clock that jumps is active"
        yield ours


@pytest.mark.timeout(1800)
def test_a_service_whose_machines_clock_jumps_an_hour_changes_nothing(
    stream: Stream, clock: WallClock, tmp_path: Path, runs: int | None, command_count: int, seed: int, results: Results
) -> None:
    clock.set(-2 * JUMP)  # Issued before, and valid behind every jump: it is not tokens that this is about.
    token = clock.printed_by(MINT.format(folder=str(stream.relais.data_dir / "issuer")))
    clock.set(timedelta())
    fault = "libfaketime: the machine's clock of one sessions and one billing jumps +1 h and -1 h amid commands"
    with results.line(10, fault, seed) as line, jumpy(stream, clock, tmp_path) as ours:
        for offset in JUMPS:
            clock.set(offset)
            eventually(partial(is_ahead, ours, offset), "libfaketime moves a clock on this machine")
        for run in range(min(runs or 1, LONG_RUNS)):
            choice = random.Random(seed + run)
            sending = partial(stream.run, command_count, url=ours.url, token=token)
            jumps = jump_amid(sending, choice, clock.set, lambda: clock.set(timedelta()))
            line.add(stream.settled(), faults=jumps)
        assert ours.metric("relais_relay_active") == 1, "it has published all of it"


def is_ahead(ours: Replica, offset: timedelta) -> bool:
    """Whether its clock is, by what it says in its answers."""
    said = httpx.get(f"{ours.url}/health/live", timeout=5).headers["Date"]
    return abs(parsedate_to_datetime(said) - datetime.now(UTC) - offset) < JUMP / 60


def jump_amid(
    sending: Callable[[], object],
    choice: random.Random,
    jump: Callable[[timedelta], object],
    back: Callable[[], object],
) -> int:
    """Jumps and comes back by turns until all is sent; gives how often."""
    jumps, is_over = 0, threading.Event()
    failures: list[BaseException] = []

    def send() -> None:
        try:
            sending()
        except BaseException as failure:
            failures.append(failure)
        finally:
            is_over.set()

    threading.Thread(target=send).start()
    while not is_over.wait(choice.uniform(0.05, 0.3)):
        back() if jumps % 2 else jump(choice.choice(JUMPS))
        jumps += 1
    back()
    if failures:
        raise failures[0]
    return jumps
