"""Relais agrees with the plain model; the long form is ``python -m tests.model --sequences 10000``."""

import random

import pytest

from tests.model.__main__ import run
from tests.model.machine import RulesHold

SEQUENCES = 300


@pytest.mark.timeout(600)
def test_after_any_sequence_of_commands_relais_is_as_the_rules_say() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}: python -m tests.model --sequences {SEQUENCES} --seed {seed}")
    before = RulesHold.sequences
    run(sequences=SEQUENCES, steps=30, with_seed=seed)
    assert RulesHold.sequences - before >= SEQUENCES
