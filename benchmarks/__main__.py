"""`python -m benchmarks [--short] [NUMBER…]`: measures the rows of the speed table, all of them or those named.

The short form has a tenth of the backlog and half the time a round.
"""

import os
import sys

from benchmarks import appending, commanding, latency, projecting, rebuilding, relaying, resting
from benchmarks.ground import ground
from benchmarks.harness import Row, write
from services.chassis.garbage import search_rarely

MODULES = {
    "1": appending,
    "3": relaying,
    "4": projecting,
    "5": latency,
    "6": rebuilding,
    "8": commanding,
    "rest": resting,
}
NOTES = (
    "Row 3 has a fixed limit too: Debezium's outbox moves 6,700 events/s on such a machine; ours is in its column.",
    "",
    "Where the load average is well above the number of cores, rounds differ widely (see the lowest and the highest),",
    "and row 5 measures the queue for a core more than Relais: such a run shows what was measured and decides nothing.",
)


def main(arguments: list[str]) -> None:
    short = "--short" in arguments
    numbers = [argument for argument in arguments if argument != "--short"]
    rows: list[Row] = []
    load_before = os.getloadavg()[0]
    search_rarely()  # As every service does.
    with ground() as built:
        for number, module in MODULES.items():
            if not numbers or number in numbers:
                rows += module.rows(built, short=short)
    if not numbers:
        write(rows, NOTES, load_before=load_before, short=short)


if __name__ == "__main__":
    main(sys.argv[1:])
