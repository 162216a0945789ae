"""Relay and inbox on simulated servers, from many seeds: ``python -m tests.simulation --seeds 20000``.

``--seed N`` shows one run; ``--mutations`` takes the safeguards away one by one, and each must be missed; ``--planted``
shows the bug that is there without one of them.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.simulation.plan import Plan, plan_of
from tests.simulation.run import run
from tests.simulation.shrink import shrink

AT_A_TIME = 50
SHOWN_LINES = 80


def failures(first: int, count: int, *, processes: int | None = None) -> Iterator[tuple[int, str]]:
    """Seed and violation of each run that fails, of ``count`` runs from the seed ``first`` on."""
    starts = range(first, first + count, AT_A_TIME)
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        for found in pool.map(partial(_failures_of, end=first + count), starts):
            yield from found


def _failures_of(start: int, end: int) -> list[tuple[int, str]]:
    logging.disable(logging.CRITICAL)
    found = []
    for seed in range(start, min(start + AT_A_TIME, end)):
        if (violation := run(plan_of(seed)).violation) is not None:
            found.append((seed, violation))
    return found


def told(plan: Plan) -> str:
    """A plan and the trace of its run, for reading."""
    lines = run(plan).world.lines()
    if len(lines) > SHOWN_LINES:
        left_out = len(lines) - SHOWN_LINES
        lines = [*lines[: SHOWN_LINES - 5], f"{left_out} lines are left out here", *lines[-5:]]
    return "\n".join([f"seed {plan.seed}, {len(plan.parts)} parts:", *(f"  {part}" for part in plan.parts), *lines])


def _until_one_fails(first: int, count: int, *, is_to_be_shrunk: bool) -> int:
    for seed in range(first, first + count):
        if (violation := run(plan_of(seed)).violation) is not None:
            print(f"seed {seed}: {violation}")
            if is_to_be_shrunk:
                print(f"shrunk: {told(shrink(plan_of(seed), violation))}")
            return 1
    return 0


def _many(first: int, count: int) -> int:
    began, failed = time.monotonic(), 0
    for seed, violation in failures(first, count):
        failed += 1
        print(f"seed {seed}: {violation}", flush=True)
        if failed == 1:
            print(f"shrunk: {told(shrink(plan_of(seed), violation))}", flush=True)
    print(f"{count} seeds from {first} on, {failed} failures, {time.monotonic() - began:.1f} s")
    return 1 if failed else 0


def _one(seed: int, *, is_to_be_shrunk: bool) -> int:
    plan = plan_of(seed)
    outcome = run(plan)
    if outcome.violation is not None and is_to_be_shrunk:
        plan = shrink(plan, outcome.violation)
    print(told(plan))
    print(f"digest {outcome.world.digest()}")
    print(outcome.violation or "all holds")
    return 1 if outcome.violation else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, default=None, help="shows the run of this seed")
    parser.add_argument("--shrink", action="store_true", help="of a failure, only what it needs")
    parser.add_argument("--until-one-fails", action="store_true", help="ends with the first failure, as it is")
    parser.add_argument("--mutations", nargs="*", metavar="SAFEGUARD", help="all where none is named")
    parser.add_argument("--planted", metavar="SAFEGUARD", help="the bug that is there without it")
    asked = parser.parse_args()
    if asked.mutations is not None:
        from tests.simulation.mutations import show_table

        return show_table(asked.mutations)
    if asked.planted is not None:
        from tests.simulation.mutations import show_planted

        return show_planted(asked.planted)
    logging.disable(logging.CRITICAL)
    if asked.seed is not None:
        return _one(asked.seed, is_to_be_shrunk=asked.shrink)
    if asked.until_one_fails:
        return _until_one_fails(asked.first, asked.seeds, is_to_be_shrunk=asked.shrink)
    return _many(asked.first, asked.seeds)


if __name__ == "__main__":
    sys.exit(main())
