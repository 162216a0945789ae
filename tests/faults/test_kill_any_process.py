"""kill -9 of any one process of a running `relais up`, amid a stream of commands: each has its consequences once."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from email.parser import BytesHeaderParser

import pytest

from tests.conftest import RunningRelais, start_relais
from tests.faults.oracle import Published, Verdict
from tests.faults.stream import Stream
from tests.faults.table import Results
from tests.faults.whole import committed_events, judge

SETTLE_S = 120.0
MOST_RUNS = 20
ROW_OF = {"postgres": 2, "kafka": 5}
SERVICES_AND_SERVERS = (
    "sessions",
    "billing",
    "attendance",
    "notifier",
    "support",
    "transfers",
    "portal",
    "mail",
    "postgres",
    "kafka",
    "supervisor",
)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    relais = start_relais(tmp_path_factory.mktemp("faults"), "--empty")
    stream = Stream(relais)
    stream.prepare()
    yield stream
    stream.relais.stop()


def kill_amid(stream: Stream, victim: str, command_count: int, choice: random.Random) -> None:
    """Sends the stream, and kills ``victim`` once a random part of it has been answered."""
    at_count = stream.answered_count + choice.randrange(command_count // 10, command_count // 2)
    killed = threading.Event()

    def kill() -> None:
        while stream.answered_count < at_count:
            time.sleep(0.002)
        os.kill(stream.relais.processes[victim], signal.SIGKILL)
        killed.set()
        if victim == "supervisor":
            stream.relais = start_again(stream.relais)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    stream.run(command_count)
    killer.join(SETTLE_S)
    assert killed.is_set()
    assert not killer.is_alive()


def start_again(relais: RunningRelais) -> RunningRelais:
    """`relais up` again on the same folder and port, as a person would."""
    port = relais.url.rpartition(":")[2]
    relais.process.wait(60)
    (relais.data_dir / "relais.json").unlink(missing_ok=True)
    return start_relais(relais.data_dir, "--empty", "--port", port)


def settled(stream: Stream) -> Verdict:
    """The verdict as soon as it is clean, or the last one."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        try:
            verdict = judge(stream.relais.database_url, stream.relais.kafka_bootstrap_servers)
        except Exception as error:  # A server may be on its way up.
            verdict = Verdict(faults=[repr(error)])
        if verdict.is_clean or time.monotonic() > deadline:
            return verdict
        time.sleep(0.5)


def delivered_doubles(stream: Stream) -> int:
    """E-mails that arrived more than once, which a crash between delivery and its record may cause."""
    parser = BytesHeaderParser()
    messages = [parser.parsebytes(file.read_bytes()) for file in (stream.relais.data_dir / "mail").glob("*.eml")]
    return len(messages) - len({message["Message-ID"] for message in messages})


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victim", SERVICES_AND_SERVERS)
def test_each_accepted_command_has_its_consequences_once(
    stream: Stream, victim: str, runs: int | None, command_count: int, seed: int, results: Results
) -> None:
    with results.line(ROW_OF.get(victim, 4), f"relais up: kill -9 of {victim} amid commands over HTTP", seed) as line:
        for run in range(min(runs or 1, MOST_RUNS)):
            doubles_before = delivered_doubles(stream)
            kill_amid(stream, victim, command_count, random.Random(seed + run))
            verdict = settled(stream)
            verdict.compare(
                "accepted commands",
                stream.accepted,
                accepted_in(committed_events(stream.relais.database_url, "sessions")),
            )
            verdict.committed_count = 2 * (command_count // 2)
            line.add(verdict)
            assert delivered_doubles(stream) - doubles_before <= 1, "one e-mail at most arrives twice by a crash"
        line.note = f"{stream.repeated_count} commands repeated"
        stream.repeated_count = 0


def accepted_in(events: list[Published]) -> list[tuple[str, int]]:
    return [(str(event.subject), event.sequence) for event in events]


def test_a_replay_of_all_topics_from_zero_gives_the_rows_that_all_those_kills_left(
    stream: Stream, seed: int, results: Results
) -> None:
    with results.line(
        4, "relais up, after all kills: rows = a replay from zero, by each service's reactions", seed
    ) as line:
        verdict = judge(stream.relais.database_url, stream.relais.kafka_bootstrap_servers, with_replay=True)
        line.note = f"{verdict.row_counts.get('replayed', 0)} rows compared"
        line.add(verdict, faults=0)
