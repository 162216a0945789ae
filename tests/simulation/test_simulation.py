"""Thousands of simulated runs hold, from one seed always the same; and no safeguard can be taken away unnoticed."""

import os
import subprocess
import sys
from pathlib import Path
from random import SystemRandom

import pytest

from deploy.local import Stack
from tests.simulation.__main__ import failures
from tests.simulation.mutations import MUTATIONS, ROOT, Mutation, run_on, try_without
from tests.simulation.plan import plan_of
from tests.simulation.run import run

SEEDS = 2_000


def test_committed_events_take_effect_once_in_order_whatever_fails() -> None:
    first = SystemRandom().randrange(10**9)
    assert list(failures(first, SEEDS)) == [], f"python -m tests.simulation --first {first} --seeds {SEEDS}"


def test_the_same_seed_gives_the_same_trace_in_any_process() -> None:
    seed = SystemRandom().randrange(10**9)
    expected = run(plan_of(seed)).world.digest()
    assert run(plan_of(seed)).world.digest() == expected
    for hash_seed in ("1", "2"):
        said = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", str(seed)],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"digest {expected}" in said, f"seed {seed}"


@pytest.mark.mutation("each step of the way of an event")
@pytest.mark.parametrize("mutation", [one for one in MUTATIONS if one.test is None], ids=lambda one: one.safeguard)
def test_a_safeguard_that_is_gone_is_missed_by_some_run(mutation: Mutation) -> None:
    assert try_without(mutation).is_missed


@pytest.mark.mutation("each statement on the way of an event")
@pytest.mark.parametrize("mutation", [one for one in MUTATIONS if one.test], ids=lambda one: one.safeguard)
def test_a_safeguard_that_is_gone_is_missed_by_its_test(mutation: Mutation, stack: Stack) -> None:
    given = f"given,{stack.database_url},{stack.kafka_bootstrap_servers}"
    assert try_without(mutation, stack=given).is_missed


def test_a_planted_bug_is_shrunk_to_what_it_needs(tmp_path: Path) -> None:
    (planted,) = [one for one in MUTATIONS if one.safeguard == "a key is held back behind what is parked"]
    said = run_on(planted, tmp_path, "--seeds", "600", "--until-one-fails", "--shrink")
    parts = [line for line in said.partition("shrunk: ")[2].splitlines() if line.startswith("  ") and "(" in line[:20]]
    assert 1 <= len(parts) <= 5, said
    assert "oracle    the effects: key" in said
