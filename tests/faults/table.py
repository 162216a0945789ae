"""The table of what was run: one line a fault, with what was found; printed at the end, and kept where asked for.

Figures come from runs alone: a line of RESULTS.md is replaced when its fault is run again with ``--results``.
"""

import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.oracle import Verdict

HEAD = """# What the fault suite found

Written by `make faults RUNS=…` on real PostgreSQL, Kafka and SMTP servers; no figure here was typed by a person. Rows
are those of "Nothing lost, doubled or out of order"; a seed replays its runs (`--seed N --runs M` on the same file).
*Doubled* counts effects: a relay that is killed publishes some records twice, which every reader drops. A run is one
service that was hit; where a fault hits several at once, there are fewer faults than runs.

"""
COLUMNS = ("row", "fault", "runs", "faults", "events", "lost", "doubled", "inverted", "seed", "seconds", "on", "note")
DATA_MARK = "<!-- data: "


@dataclass
class Line:
    """One fault and what became of it. ``events`` are those that went through; the rest is what the oracle counted."""

    row: int
    fault: str
    seed: int
    runs: int = 0
    faults: int = 0
    events: int = 0
    lost: int = 0
    doubled: int = 0
    inverted: int = 0
    seconds: float = 0.0
    on: str = ""
    note: str = ""

    def add(self, verdict: Verdict, *, faults: int = 1) -> None:
        """Counts one run. Raises AssertionError where the oracle found something."""
        self.runs += 1
        self.faults += faults
        self.events += verdict.committed_count
        self.lost += verdict.lost_count
        self.doubled += verdict.doubled_count
        self.inverted += verdict.inverted_count
        assert verdict.is_clean, str(verdict)


@dataclass
class Results:
    """The lines of one session."""

    lines: list[Line] = field(default_factory=list)

    def begin(self, row: int, fault: str, seed: int) -> Line:
        """A line that is filled piece by piece, in ``running``."""
        line = Line(row, fault, seed, on=datetime.now(UTC).date().isoformat())
        self.lines.append(line)
        return line

    @contextmanager
    def running(self, line: Line) -> Iterator[None]:
        """Adds the time that the body takes. Where it fails, the line says so."""
        began = time.monotonic()
        try:
            yield
        except BaseException as failure:
            line.note = f"FAILED: {type(failure).__name__}"
            raise
        finally:
            line.seconds = round(line.seconds + time.monotonic() - began, 1)

    @contextmanager
    def line(self, row: int, fault: str, seed: int) -> Iterator[Line]:
        """A line that is filled in one go."""
        line = self.begin(row, fault, seed)
        with self.running(line):
            yield line

    def table(self) -> str:
        rows = [[str(value) for value in asdict(line).values()] for line in self._in_order()]
        # asdict gives the fields in their order; the table has the seed further right.
        cells = [[row[0], row[1], *row[3:9], row[2], *row[9:]] for row in rows]
        return "\n".join(
            [
                f"| {' | '.join(COLUMNS)} |",
                f"|{'---|' * len(COLUMNS)}",
                *(f"| {' | '.join(row)} |" for row in cells),
            ]
        )

    def keep(self, path: Path) -> None:
        """Writes the table, with what an earlier session found of other faults."""
        before = path.read_text().partition(DATA_MARK)[2].partition(" -->")[0] if path.exists() else "[]"
        fresh = {(line.row, line.fault) for line in self.lines}
        kept = [Line(**each) for each in json.loads(before or "[]")]
        merged = Results([*(line for line in kept if (line.row, line.fault) not in fresh), *self.lines])
        data = ",\n".join(json.dumps(asdict(line), ensure_ascii=False) for line in merged._in_order())
        path.write_text(f"{HEAD}{merged.table()}\n\n{DATA_MARK}[\n{data}\n] -->\n")

    def _in_order(self) -> list[Line]:
        return sorted(self.lines, key=lambda line: (line.row, line.fault))


RESULTS = pytest.StashKey[Results]()
"""Where a session of tests keeps its lines."""


def seed_of(config: pytest.Config) -> int:
    """The seed that was given, or a fresh one; printed."""
    given = config.getoption("--seed", default=None)
    chosen = random.SystemRandom().randrange(2**32) if given is None else int(given)
    print(f"\nseed {chosen}")
    return chosen
