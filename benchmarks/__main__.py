"""`python -m benchmarks [NUMBER…]`: measures the rows of the speed table, all of them or those named."""

import os
import sys

from benchmarks import appending, commanding, latency, projecting, relaying
from benchmarks.ground import ground
from benchmarks.harness import Row, write

MODULES = {"1": appending, "3": relaying, "4": projecting, "5": latency, "8": commanding}
NOTES = "Row 3 has a fixed limit too: Debezium's outbox moves 6,700 events/s on such a machine; ours is in its column."


def main(numbers: list[str]) -> None:
    rows: list[Row] = []
    load_before = os.getloadavg()[0]
    with ground() as built:
        for number, module in MODULES.items():
            if not numbers or number in numbers:
                rows += module.rows(built)
    if not numbers:
        write(rows, NOTES, load_before=load_before)


if __name__ == "__main__":
    main(sys.argv[1:])
