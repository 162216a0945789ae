"""What happens in one run, drawn from its seed: who writes what and when, what fails, what people do.

A plan is data, so that a failure can be shrunk: parts are taken away as long as what is left still fails. What they do
not say (how long a step takes) comes from generators of each actor's own, so that taking a part away moves little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

KEYS = 3
AGGREGATES = 6
PARTITIONS = 2
RELAYS = ("relay-0", "relay-1")
MEMBERS = ("member-0", "member-1")
HORIZON_S = 18.0
"""When the last part of a plan begins; from then on everything is well, and has to end."""


@dataclass(frozen=True, slots=True)
class Write:
    """One append: events of several aggregates, committed or rolled back ``lasts_s`` after its first write."""

    at_s: float
    changes: tuple[tuple[int, int], ...]
    """Aggregate, number of events."""
    lasts_s: float
    rolls_back: bool
    is_private: bool


@dataclass(frozen=True, slots=True)
class Poison:
    """The reaction to one event fails until ``until_s``, for ever where that is None, having written half."""

    aggregate: int
    version: int
    until_s: float | None


@dataclass(frozen=True, slots=True)
class Reference:
    """One event waits for another one's effect."""

    aggregate: int
    version: int
    other: int
    """The aggregate whose first event it refers to."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """A foreign producer sends a record of one of our keys that nobody can read."""

    at_s: float
    key: int


@dataclass(frozen=True, slots=True)
class Operation:
    """A person tries a key again, or skips what stands first in it."""

    at_s: float
    does: Literal["retry", "skip"]
    key: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets without a record, as the end of a transaction leaves them."""

    at_s: float
    partition: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A process stands still (SIGSTOP), and goes on as if nothing had been."""

    at_s: float
    who: str
    for_s: float


@dataclass(frozen=True, slots=True)
class Crash:
    """A process dies at its n-th step and is started again later."""

    who: str
    step: int
    for_s: float


@dataclass(frozen=True, slots=True)
class Away:
    """Brokers or database answer nobody."""

    at_s: float
    what: Literal["brokers", "database"]
    for_s: float


ProduceFault = Literal["dropped", "unanswered", "late", "doubled", "halted", "refused"]
CommitFault = Literal["fails", "unheard", "dies before", "dies after"]


@dataclass(frozen=True, slots=True)
class Produce:
    """What befalls the n-th produce request of all."""

    number: int
    fault: ProduceFault


@dataclass(frozen=True, slots=True)
class Commit:
    """What befalls the n-th transaction of a member, of those in one go or of those one by one."""

    who: str
    one_by_one: bool
    number: int
    fault: CommitFault


@dataclass(frozen=True, slots=True)
class UnheardMove:
    """The n-th move of the relay's position holds, but its reply is lost."""

    number: int


@dataclass(frozen=True, slots=True)
class LockSlips:
    """The lock is free although its holder's session lives, as behind a pooler that lends sessions."""

    at_s: float


@dataclass(frozen=True, slots=True)
class KafkaSays:
    """Kafka's committed offsets run ahead of our rows, as after our database was restored."""

    at_s: float


@dataclass(frozen=True, slots=True)
class TornFetch:
    """The n-th fetch of a member begins later than it should, as of a client that lost its place; the next is whole."""

    who: str
    number: int


Part = (
    Write
    | Poison
    | Reference
    | Garbage
    | Operation
    | Hole
    | Pause
    | Crash
    | Away
    | Produce
    | Commit
    | UnheardMove
    | LockSlips
    | KafkaSays
    | TornFetch
)


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    parts: Sequence[Part]


def plan_of(seed: int) -> Plan:
    """The plan that belongs to a seed. One in twenty has no fault: then not even a double may be seen."""
    choice = Random(seed)
    parts: list[Part] = [_write(choice) for _ in range(choice.randint(8, 24))]
    parts += [_poison(choice) for _ in range(choice.choice([0, 0, 1, 2]))]
    parts += [_reference(choice) for _ in range(choice.choice([0, 0, 1]))]
    parts += [Garbage(_when(choice), choice.randrange(KEYS)) for _ in range(choice.choice([0, 0, 0, 1]))]
    parts += [_operation(choice) for _ in range(choice.choice([0, 1, 3]))]
    parts += [Hole(_when(choice), choice.randrange(PARTITIONS)) for _ in range(choice.choice([0, 1, 2]))]
    if choice.random() >= 0.05:
        parts += [_fault(choice) for _ in range(choice.randint(1, 10))]
    return Plan(seed, tuple(parts))


def _when(choice: Random) -> float:
    return round(choice.uniform(0, HORIZON_S), 3)


def _write(choice: Random) -> Write:
    aggregates = choice.sample(range(AGGREGATES), choice.choice([1, 1, 1, 2]))
    return Write(
        at_s=_when(choice),
        changes=tuple((aggregate, choice.choice([1, 1, 2])) for aggregate in aggregates),
        lasts_s=round(choice.choice([0.01, 0.1, 1.0, 4.0]) * choice.random(), 3),
        rolls_back=choice.random() < 0.1,
        is_private=choice.random() < 0.1,
    )


def _poison(choice: Random) -> Poison:
    until_s = choice.choice([None, _when(choice), HORIZON_S + 5])
    return Poison(choice.randrange(AGGREGATES), choice.randint(1, 4), until_s)


def _reference(choice: Random) -> Reference:
    aggregate, other = choice.sample(range(AGGREGATES), 2)
    return Reference(aggregate, choice.randint(1, 4), other)


def _operation(choice: Random) -> Operation:
    return Operation(_when(choice), choice.choice(["retry", "retry", "skip"]), choice.randrange(KEYS))


def _fault(choice: Random) -> Part:
    match choice.randrange(13):
        case 0 | 1:
            return Pause(_when(choice), choice.choice(RELAYS + MEMBERS), round(choice.uniform(1, 20), 3))
        case 2 | 3:
            return Crash(choice.choice(RELAYS + MEMBERS), choice.randint(1, 60), round(choice.uniform(0.1, 10), 3))
        case 4 | 5 | 6:
            faults: list[ProduceFault] = ["dropped", "unanswered", "late", "doubled", "halted", "refused"]
            return Produce(choice.randint(1, 12), choice.choice(faults))
        case 7 | 8 | 9:
            commits: list[CommitFault] = ["fails", "unheard", "dies before", "dies after"]
            one_by_one = choice.random() < 0.4
            number = choice.randint(1, 3 if one_by_one else 10)
            return Commit(choice.choice(MEMBERS), one_by_one, number, choice.choice(commits))
        case 10:
            return TornFetch(choice.choice(MEMBERS), choice.choice([1, 3, 5, 7, 9]))
        case 11:
            what: list[Literal["brokers", "database"]] = ["brokers", "database"]
            return Away(_when(choice), choice.choice(what), round(choice.uniform(0.5, 15), 3))
        case _:
            others: list[Part] = [UnheardMove(choice.randint(1, 6)), LockSlips(_when(choice)), KafkaSays(_when(choice))]
            return choice.choice(others)
