"""Memory of a service at rest, and how long `relais up` takes until it is ready: against fixed limits."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.ground import Ground
from benchmarks.harness import Row, within
from services.chassis.settings import SERVICES
from tests.conftest import start_relais

COLD_S: Final = 20.0
WARM_S: Final = 10.0
RESIDENT_MB: Final = 90.0
WARM_STARTS: Final = 3
REST_S: Final = 20.0


def rows(_: Ground, *, short: bool) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="relais-bench-") as folder:
        ready_after_s: list[float] = []
        for number in range(1 + WARM_STARTS):
            began = time.perf_counter()
            relais = start_relais(Path(folder) / "data", "--empty")
            ready_after_s.append(time.perf_counter() - began)
            try:
                if number == WARM_STARTS:
                    time.sleep(REST_S / 4 if short else REST_S)
                    resident = {name: _resident_mb(relais.processes[name]) for name in SERVICES}
            finally:
                relais.stop()
    yield within("–", "`relais up` until it is ready, cold", ready_after_s[:1], "s", COLD_S)
    yield within("–", "`relais up` until it is ready, warm", ready_after_s[1:], "s", WARM_S)
    largest = max(resident, key=lambda name: resident[name])
    what = f"memory at rest of the largest service ({largest}; median {statistics.median(resident.values()):.0f} MB)"
    yield within("–", what, [resident[largest]], "MB", RESIDENT_MB)


def _resident_mb(pid: int) -> float:
    """The whole resident set, what is shared with the other services included."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
