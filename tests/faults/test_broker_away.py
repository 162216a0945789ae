"""The broker is away under load: commands still succeed, the backlog is visible, and all of it catches up, once.

`--away-s 300` is the long form, by hand.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.conftest import ROOT
from tests.faults.stream import Stream
from tests.faults.table import Results

COMMANDS = 40
PAUSE_S = 0.2
CATCH_UP_S = 30.0
SENT_PER_S = 10  # At the least: e-mails leave one at a time, so that a crash doubles one at most.


@pytest.mark.timeout(1800)
def test_commands_succeed_while_the_broker_is_away_and_their_effects_follow_once(
    stream: Stream, pytestconfig: pytest.Config, seed: int, results: Results
) -> None:
    away_s = float(pytestconfig.getoption("--away-s"))
    doubles_before = stream.delivered_doubles()
    with results.line(5, "relais up: the broker is away (SIGSTOP) under load", seed) as line:
        broker, paused_at = stream.relais.processes["kafka"], time.monotonic()
        os.kill(broker, signal.SIGSTOP)
        try:
            is_over = threading.Event()
            sending = threading.Thread(target=_send, args=(stream, is_over))
            sending.start()
            time.sleep(away_s)
            backlog, _ = waiting(stream)
            is_over.set()
            sending.join()
        finally:
            os.kill(broker, signal.SIGCONT)
        healed_at = time.monotonic()
        while any(waiting(stream)):
            assert time.monotonic() - healed_at < CATCH_UP_S * 10, "it never catches up"
        caught_up_s = time.monotonic() - healed_at
        mailed_within_s = CATCH_UP_S * 2 + len(stream.accepted) / SENT_PER_S
        verdict = stream.settled(within_s=mailed_within_s)
        mailed_s = time.monotonic() - healed_at
        line.note = (
            f"away for {healed_at - paused_at:.0f} s; {verdict.committed_count} commands accepted meanwhile, "
            f"{len(stream.unavailable)} answered 503; {backlog} waited in relais lag; all read {caught_up_s:.1f} s "
            f"after it was back, the last e-mail sent and all compared after {mailed_s:.1f} s"
        )
        line.add(verdict)
        assert all("Retry-After" in answer.headers for answer in stream.unavailable)
        assert backlog > 0, "the backlog is visible"
        assert caught_up_s < CATCH_UP_S + backlog / 1_000
        assert stream.delivered_doubles() == doubles_before, "each e-mail once"


def _send(stream: Stream, is_over: threading.Event) -> None:
    while not is_over.is_set():
        stream.run(COMMANDS)
        time.sleep(PAUSE_S)


def waiting(stream: Stream) -> tuple[int, int]:
    """What waits for a relay, and for a reader (0 where that is unknown), as `relais lag` says."""
    command = [sys.executable, "-m", "services.cli.main", "lag", "--json", "--data-dir", str(stream.relais.data_dir)]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert asked.returncode == 0, asked.stderr
    places = json.loads(asked.stdout)["items"]
    return sum(each["relay_backlog"] or 0 for each in places), sum(each["consumer_lag"] or 0 for each in places)
