"""kill -9 of any process of a running `relais up`, amid a stream of commands: each has its consequences once."""

import random
import threading
import time

import pytest

from tests.conftest import RunningRelais, start_relais
from tests.faults.stream import SETTLE_S, UP, Stream
from tests.faults.table import Results
from tests.faults.whole import judge

MOST_RUNS = 20
ROW_OF = {"postgres": 2, "kafka": 5}
VICTIMS = (
    ("sessions",),
    ("transfers",),
    ("portal",),
    ("mail",),
    # Together, since their groups wait six seconds for a member that died.
    ("billing", "attendance", "notifier", "support"),
    ("postgres",),
    ("kafka",),
    ("supervisor",),
)


def kill_amid(stream: Stream, victims: tuple[str, ...], command_count: int, choice: random.Random) -> None:
    """Sends the stream, and kills each of ``victims`` once a random part of it has been answered."""
    first, last = command_count // 10, command_count // 2
    at_counts = sorted(stream.answered_count + choice.randrange(first, last) for _ in victims)
    killed: list[str] = []

    def kill() -> None:
        for victim, at_count in zip(victims, at_counts, strict=True):
            while stream.answered_count < at_count:
                time.sleep(0.002)
            stream.relais.kill(victim)
            killed.append(victim)
            if victim == "supervisor":
                stream.relais = start_again(stream.relais)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    stream.run(command_count)
    killer.join(SETTLE_S)
    assert killed == list(victims)
    assert not killer.is_alive()


def start_again(relais: RunningRelais) -> RunningRelais:
    """`relais up` again on the same folder and port, as a person would."""
    port = relais.url.rpartition(":")[2]
    relais.process.wait(60)
    (relais.data_dir / "relais.json").unlink(missing_ok=True)
    return start_relais(relais.data_dir, *UP, "--port", port)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victims", VICTIMS, ids=", ".join)
def test_each_accepted_command_has_its_consequences_once(
    stream: Stream, victims: tuple[str, ...], runs: int | None, command_count: int, seed: int, results: Results
) -> None:
    fault = f"relais up: kill -9 of {', '.join(victims)} amid commands over HTTP"
    with results.line(ROW_OF.get(victims[0], 4), fault, seed) as line:
        for run in range(min(runs or 1, MOST_RUNS)):
            doubles_before = stream.delivered_doubles()
            kill_amid(stream, victims, command_count, random.Random(seed + run))
            line.add(stream.settled(), faults=len(victims))
            assert stream.delivered_doubles() - doubles_before <= len(victims), "one e-mail at most twice a crash"
        line.note = f"{stream.take_repeated_count()} commands repeated"


def test_a_replay_of_all_topics_from_zero_gives_the_rows_that_all_those_faults_left(
    stream: Stream, seed: int, results: Results
) -> None:
    with results.line(4, "relais up, after all faults: rows = a replay from zero by the services' own", seed) as line:
        verdict = judge(stream.relais.database_url, stream.relais.kafka_bootstrap_servers, with_replay=True)
        line.note = f"{verdict.row_counts.get('replayed', 0)} rows compared"
        line.add(verdict, faults=0)
