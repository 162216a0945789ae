"""Rounds, medians and the table. A measurement is warmed once, then taken in turns with its peer's."""

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROUNDS = 5
RESULTS = Path(__file__).with_name("RESULTS.md")

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``ratio`` is the median over rounds; ``reached`` says whether it met ``target``."""

    number: str
    what: str
    peer: str
    ours: str
    theirs: str
    ratio: float
    target: str
    reached: bool
    rounds: Sequence[float]


def compare(
    number: str,
    what: str,
    peer: str,
    *,
    ours: Measure,
    theirs: Measure,
    unit: str,
    at_least: float | None = None,
    at_most: float | None = None,
    rounds: int = ROUNDS,
) -> Row:
    """Warms both, then measures them in turns. The ratio is ours ÷ theirs."""
    ours(), theirs()
    mine, other = [], []
    for _ in range(rounds):
        mine.append(ours())
        other.append(theirs())
    ratios = [one / two for one, two in zip(mine, other, strict=True)]
    ratio = statistics.median(ratios)
    row = Row(
        number,
        what,
        peer,
        f"{statistics.median(mine):,.1f} {unit}",
        f"{statistics.median(other):,.1f} {unit}",
        ratio,
        f"≥ {at_least:.2f}" if at_least is not None else f"≤ {at_most:.2f}",
        ratio >= at_least if at_least is not None else at_most is not None and ratio <= at_most,
        ratios,
    )
    print(line(row), flush=True)
    return row


def within(number: str, what: str, measured: Sequence[float], unit: str, limit: float) -> Row:
    """What has a fixed limit instead of a peer. The ratio is the median's to the limit."""
    median = statistics.median(measured)
    rounds = [one / limit for one in measured]
    row = Row(
        number, what, "a limit", f"{median:,.1f} {unit}", f"{limit:,.1f} {unit}", median / limit, "≤ 1.00",
        median <= limit, rounds,
    )  # fmt: skip
    print(line(row), flush=True)
    return row


def line(row: Row) -> str:
    spread = f"{min(row.rounds):.2f} to {max(row.rounds):.2f}"
    verdict = "yes" if row.reached else "no"
    return (
        f"| {row.number} | {row.what} | {row.peer} | {row.ours} | {row.theirs} | **{row.ratio:.2f}** ({spread}) "
        f"| {row.target} | {verdict} |"
    )


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def write(rows: Sequence[Row], notes: Sequence[str], *, load_before: float, short: bool) -> None:
    """Writes RESULTS.md as measured."""
    text = [
        "# Speed, as measured",
        "",
        f"`make bench`{' in its short form' if short else ''}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {ROUNDS} interleaved rounds after a warm-up; "
        f"load average {load_before:.1f} before and {os.getloadavg()[0]:.1f} after.",
        "The ratio is the median of the rounds' ratios, ours ÷ the peer's, with the lowest and the highest round.",
        "",
        "| # | what | peer, in the same run | ours | peer's | ratio | to reach | reached |",
        "|---|---|---|---|---|---|---|---|",
        *[line(row) for row in rows],
        "",
        *notes,
    ]
    RESULTS.write_text("\n".join(text).rstrip() + "\n")
