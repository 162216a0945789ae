"""The long form: ``python -m tests.model --sequences 10000 [--steps 30] [--seed N]``."""

import argparse
import random
import sys
import time

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import RulesHold


def run(*, sequences: int, steps: int, with_seed: int, shrink: bool = True) -> None:
    """Raises AssertionError with the shortest sequence found after which Relais and the rules disagree."""
    run_state_machine_as_test(
        seed(with_seed)(RulesHold),
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.normal,
            print_blob=False,
            report_multiple_bugs=False,
        ),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=300)
    parser.add_argument("--steps", type=int, default=30, help="at most, in one sequence")
    parser.add_argument("--seed", type=int, default=None, help="replays the run that printed this seed")
    parser.add_argument("--no-shrink", action="store_true", help="stop at the first counterexample as it is")
    parser.add_argument("--answers", action="store_true", help="how often each command had which answer")
    asked = parser.parse_args()
    with_seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {with_seed}", flush=True)
    began, failure = time.monotonic(), None
    try:
        run(sequences=asked.sequences, steps=asked.steps, with_seed=with_seed, shrink=not asked.no_shrink)
    except AssertionError as found:
        failure = found
    print(
        f"{RulesHold.sequences} sequences, {RulesHold.compared} steps compared, "
        f"{0 if failure is None else 1} counterexamples, {time.monotonic() - began:.0f} s"
    )
    if asked.answers:
        print("\n".join(f"{count:8} {answer}" for answer, count in sorted(RulesHold.reached.items())))
    if failure is not None:
        print(failure)
        print("\n".join(getattr(failure, "__notes__", [])))
    return 0 if failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
