"""The model notices a broken rule, whichever it is: without that, its silence would say nothing."""

import random

import pytest

from tests.model.mutations import MUTATIONS, Mutation, run_on


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_broken_rule_is_noticed(mutation: Mutation) -> None:
    seed = random.SystemRandom().randrange(2**32)
    verdict = run_on(mutation, seed)
    assert verdict.caught, f"not noticed in {verdict.sequences} sequences of seed {seed}"


@pytest.mark.timeout(900)
def test_unbroken_rules_are_left_in_peace() -> None:
    verdict = run_on(None, random.SystemRandom().randrange(2**32), sequences=50)
    assert not verdict.caught, verdict.told
    assert verdict.sequences >= 50
