"""Row 8: all commands of the domain over random sequences, against a plain model; the machine stands in tests/model."""

import pytest

from tests.faults.table import Results
from tests.model.__main__ import run
from tests.model.machine import RulesHold

SHORT = 50
LONG = 10_000
STEPS = 30


@pytest.mark.timeout(7200)
def test_model_and_system_agree(results: Results, runs: int | None, seed: int) -> None:
    sequences = LONG if runs else SHORT
    with results.line(8, "hypothesis, stateful: all commands of the domain against a plain model", seed) as line:
        before = RulesHold.sequences, RulesHold.compared
        run(sequences=sequences, steps=STEPS, with_seed=seed)
        line.runs, line.events = RulesHold.sequences - before[0], RulesHold.compared - before[1]
        line.note = "runs are sequences, events are steps compared; 0 counterexamples"
        assert line.runs >= sequences
