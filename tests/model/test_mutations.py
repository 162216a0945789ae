"""The model notices a broken rule, whichever it is: without that, its silence would say nothing.

Here each rule is broken in one way; `make mutations` breaks it in all of them.
"""

import random

import pytest

from tests.model.mutations import MUTATIONS, Mutation, run_on, stands_in

FIRST_OF_EACH_RULE = list({mutation.rule: mutation for mutation in reversed(MUTATIONS)}.values())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutation", FIRST_OF_EACH_RULE, ids=lambda mutation: mutation.name)
def test_a_broken_rule_is_noticed(mutation: Mutation) -> None:
    seeds = [random.SystemRandom().randrange(2**32) for _ in range(2)]
    # The search is random: a rare rule may be missed from one seed, so a second one is tried before it counts.
    assert any(run_on(mutation, seed).caught for seed in seeds), f"not noticed from the seeds {seeds}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_is_to_be_broken_stands_where_it_is_looked_for(mutation: Mutation) -> None:
    assert stands_in(mutation) == 1


@pytest.mark.timeout(900)
def test_unbroken_rules_are_left_in_peace() -> None:
    verdict = run_on(None, random.SystemRandom().randrange(2**32), sequences=50)
    assert not verdict.caught, verdict.told
    assert verdict.sequences >= 50
