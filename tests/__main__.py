"""`python -m tests`: each folder of tests in a pytest of its own with servers of its own, as many at once as cores.

What measures time against a limit runs alone, after the others. What failed is tried once more with the machine to
itself, and named even where it then passes. Prints a folder's output when it is done, then one line for all. Exit
status 1 where anything failed twice.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
ALONE = ("journeys", "faults")
LONG_FIRST = ("model", "browser", "sessions", "transfers", "chassis", "stack", "notifier", "cli")
FOLDER_TIMEOUT_S = 1_800
COUNTED = re.compile(r"(\d+) (passed|failed|error|skipped)")


@dataclass(frozen=True, slots=True)
class Result:
    """How a folder ended: pytest's exit status, what it printed, seconds."""

    folder: str
    status: int
    output: str
    took_s: float

    @property
    def counts(self) -> Counter[str]:
        last = next((line for line in reversed(self.output.splitlines()) if COUNTED.search(line)), "")
        return Counter({outcome: int(number) for number, outcome in COUNTED.findall(last)})


def main(wanted: Sequence[str]) -> int:
    folders = list(wanted) or _folders()
    together = sorted((name for name in folders if name not in ALONE), key=_long_first)
    with ThreadPoolExecutor(os.cpu_count() or 1) as at_once:
        running = [at_once.submit(_run, name) for name in together]
        results = [_print(ended.result()) for ended in as_completed(running)]
    results += [_print(_run(name)) for name in folders if name in ALONE]
    disturbed = [result.folder for result in results if result.status != 0]
    again = [_print(_run(name, "--last-failed")) for name in disturbed]
    failed = [result.folder for result in again if result.status != 0]
    counts = sum((result.counts for result in results), Counter[str]())
    print("\nfolder          seconds")
    for result in sorted(results, key=lambda one: -one.took_s):
        print(f"{result.folder:<15} {result.took_s:>7.0f}")
    if disturbed:
        print(f"\nfailed the first time: {', '.join(disturbed)}; the second: {', '.join(failed) or 'none'}")
    first_failures = counts["failed"] + counts["error"]
    twice = sum(result.counts["failed"] + result.counts["error"] for result in again)
    print(f"{counts['passed'] + first_failures - twice} passed, {twice} failed, {counts['skipped']} skipped")
    return 1 if failed else 0


def _folders() -> list[str]:
    return sorted(folder.name for folder in TESTS.iterdir() if any(folder.glob("test_*.py")))


def _long_first(folder: str) -> int:
    return LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)


def _run(folder: str, *options: str) -> Result:
    began = time.monotonic()
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", str(TESTS / folder)),
            *("-o", f"cache_dir=.pytest_cache/{folder}", *options),
        ],
        cwd=TESTS.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=FOLDER_TIMEOUT_S,
        check=False,
    )
    return Result(folder, ended.returncode, ended.stdout, time.monotonic() - began)


def _print(result: Result) -> Result:
    print(f"== tests/{result.folder} ({result.took_s:.0f} s)\n{result.output}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
