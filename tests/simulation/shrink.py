"""The smallest part of a plan that still fails in the same way."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.simulation.plan import Part, Plan, Write
from tests.simulation.run import run

Parts = tuple[Part, ...]


def shrink(plan: Plan, violation: str) -> Plan:
    """Takes parts away, and makes what is left plainer, for as long as the same thing is violated."""

    def fails(parts: Parts) -> bool:
        found = run(Plan(plan.seed, parts)).violation
        return found is not None and _kind(found) == _kind(violation)

    parts = tuple(plan.parts)
    while (fewer := _plainer(_fewer(parts, fails), fails)) != parts:
        parts = fewer
    return Plan(plan.seed, parts)


def _kind(violation: str) -> str:
    return violation.split(":")[0].split(" from ")[0]


def _fewer(parts: Parts, fails: Callable[[Parts], bool]) -> Parts:
    size = max(1, len(parts) // 2)
    while size:
        at = 0
        while at < len(parts):
            without = parts[:at] + parts[at + size :]
            if fails(without):
                parts = without
            else:
                at += size
        size //= 2
    return parts


def _plainer(parts: Parts, fails: Callable[[Parts], bool]) -> Parts:
    for at, part in enumerate(parts):
        if isinstance(part, Write):
            for plainer in _plainer_writes(part):
                candidate = (*parts[:at], plainer, *parts[at + 1 :])
                if fails(candidate):
                    parts = candidate
                    break
    return parts


def _plainer_writes(write: Write) -> Iterator[Write]:
    for number, (aggregate, count) in enumerate(write.changes):
        if len(write.changes) > 1:
            yield replace(write, changes=write.changes[:number] + write.changes[number + 1 :])
        if count > 1:
            one = (aggregate, 1)
            yield replace(write, changes=(*write.changes[:number], one, *write.changes[number + 1 :]))
    if write.rolls_back:
        yield replace(write, rolls_back=False)
    if write.is_private:
        yield replace(write, is_private=False)
