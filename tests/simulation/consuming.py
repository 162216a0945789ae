"""A simulated consumer group: members drive the lane of services/chassis/inbox_steps.py and its effects."""

from collections.abc import Callable, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

from services.chassis.effects import Effects, Record
from services.chassis.inbox_steps import Apply, Lane, Pause, ReadPositions, Seek, Step, Steps
from tests.simulation.log import TOPIC, Log
from tests.simulation.plan import PARTITIONS, CommitFault
from tests.simulation.rows import Died, SimulatedRows
from tests.simulation.world import Actor, World

FETCH_RECORDS = 4
SESSION_TIMEOUT_S = 6.0
RELEASE_DEADLINE_S = 5.0
REBALANCE_TIMEOUT_S = 10.0
RESTART_S = 2.0


class Group:
    """The coordinator: who is a member, who reads what, and the offsets that Kafka keeps for monitors."""

    def __init__(self, world: World, log: Log) -> None:
        self.world, self.log = world, log
        self.generation = 0
        self.committed: dict[int, int] = {}
        self._members: dict[str, Member] = {}
        self._ready: set[str] = set()
        self._is_assigned = True

    def join(self, member: "Member") -> None:
        self._members[member.name] = member
        self._rebalance()

    def evict(self, member: "Member", life: int) -> None:
        """A member that says nothing any more; one that stands still hears of it when it goes on."""
        if member.life == life and member.name in self._members:
            del self._members[member.name]
            generation = self.generation
            member.soon(lambda: member.revoke(generation))
            self._rebalance()

    def watch(self, member: "Member", silent_for_s: float) -> None:
        if silent_for_s > SESSION_TIMEOUT_S:
            life = member.life
            self.world.at(self.world.now + SESSION_TIMEOUT_S, lambda: self.evict(member, life))

    def ready(self, member: "Member", generation: int) -> None:
        if member.name not in self._members:
            self.join(member)
        elif generation == self.generation and not self._is_assigned:
            self._ready.add(member.name)
            if self._ready == self._members.keys():
                self._assign(generation)

    def commit(self, generation: int, offsets: Mapping[int, int]) -> None:
        if generation == self.generation:
            self.committed |= offsets

    def _rebalance(self) -> None:
        self.generation += 1
        generation, self._ready, self._is_assigned = self.generation, set(), False
        for member in self._members.values():
            member.soon(lambda member=member: member.revoke(generation))  # type: ignore[misc]
        self.world.at(self.world.now + REBALANCE_TIMEOUT_S, lambda: self._assign(generation))

    def _assign(self, generation: int) -> None:
        if generation != self.generation or self._is_assigned:
            return
        self._is_assigned = True
        self._members = {name: self._members[name] for name in sorted(self._ready)}
        members = list(self._members.values())
        for number, member in enumerate(members):
            mine = [p for p in range(PARTITIONS) if (p + generation) % len(members) == number]
            member.soon(lambda member=member, mine=mine: member.assign(generation, mine))  # type: ignore[misc]


class Member(Actor):
    """One process of the consumer. ``crashes``: at which of its steps it dies, and for how long."""

    def __init__(
        self,
        world: World,
        name: str,
        group: Group,
        rows: SimulatedRows,
        effects: Effects,
        crashes: Mapping[int, float],
        faults: Mapping[tuple[bool, int], CommitFault],
        torn_fetches: Set[int],
    ) -> None:
        super().__init__(world, name)
        self._group, self._rows, self._effects = group, rows, effects
        self._crashes, self._faults, self._torn_fetches = crashes, faults, torn_fetches
        self._fetched = 0
        self._applied = {True: 0, False: 0}
        group.log.on_appended.append(self._look)

    def start(self) -> None:
        self._lane = Lane(TOPIC, self.world.clock)
        self._fetch_from: dict[int, int] = {}
        self._generation = 0
        self._is_in_hand = False
        self._is_looking = False
        self._to_revoke = 0
        self.soon(lambda: self._group.join(self))

    def died(self) -> None:
        self._fetch_from = {}
        life = self.life
        self.world.at(self.world.now + SESSION_TIMEOUT_S, lambda: self._group.evict(self, life))

    def revoke(self, generation: int) -> None:
        """Lets the batch in hand finish, within a limit. Until the next assignment, reading goes on."""
        self._to_revoke = max(self._to_revoke, generation)
        if self._is_in_hand:
            self.later(RELEASE_DEADLINE_S, self._revoked)
        else:
            self._revoked()

    def assign(self, generation: int, partitions: Sequence[int]) -> None:
        if generation != self._group.generation:
            return
        self.note(f"has the partitions {list(partitions)}")
        self._generation = generation
        self._fetch_from = {partition: self._group.committed.get(partition, 0) for partition in partitions}
        self._drive(self._lane.assigned(partitions), self._look)

    def _revoked(self) -> None:
        if self._to_revoke:
            generation, self._to_revoke = self._to_revoke, 0
            self._lane.revoked()
            self._group.ready(self, generation)

    def _look(self) -> None:
        """Something may have come."""
        if not self._is_looking and not self._is_in_hand:
            self._is_looking = True
            self.soon(self._poll)

    def _poll(self) -> None:
        self._is_looking = False
        if self._is_in_hand:
            return
        if records := self._fetch():
            self._is_in_hand = True
            self._drive(self._lane.take(records), self._taken)

    def _fetch(self) -> list[Record]:
        records: list[Record] = []
        for partition, offset in self._fetch_from.items():
            entries = self._group.log.partitions[partition][offset : offset + FETCH_RECORDS]
            records += [record for record in entries if record is not None]
            self._fetch_from[partition] = offset + len(entries)
        self._fetched += bool(records)
        if self._fetched in self._torn_fetches and len({record.partition for record in records}) < len(records):
            torn = next(one for one, other in pairwise(records) if one.partition == other.partition)
            self.note(f"is not given {torn.partition}: {torn.offset}")
            records = [
                record for record in records if record.partition != torn.partition or record.offset > torn.offset
            ]
        return records

    def _taken(self) -> None:
        self._is_in_hand = False
        self._group.commit(self._generation, self._lane.offsets_to_commit())
        self._revoked()
        self._look()

    def _drive(self, steps: Steps[None], then: Callable[[], None]) -> None:
        self._go_on(steps, lambda: next(steps), then)

    def _go_on(self, steps: Steps[None], resume: Callable[[], Step], then: Callable[[], None]) -> None:
        try:
            step = resume()
            while isinstance(step, Seek):
                step = steps.send(self._seek(step))
        except StopIteration:
            then()
            return
        if isinstance(step, Pause):
            self.later(step.seconds, lambda: self._go_on(steps, lambda: steps.send(None), then))
        else:
            self.soon(lambda: self._do(steps, step, then))

    def _do(self, steps: Steps[None], step: ReadPositions | Apply, then: Callable[[], None]) -> None:
        """At the database now; the reply comes a moment later."""
        self.steps_done += 1
        if (for_s := self._crashes.get(self.steps_done)) is not None:
            self.die(for_s)
            return
        try:
            answer = self._at_the_database(step)
        except Died:
            self.die(RESTART_S)
        except Exception as raised:
            error = raised
            self.soon(lambda: self._go_on(steps, lambda: steps.throw(error), then))
        else:
            self.soon(lambda: self._go_on(steps, lambda: steps.send(answer), then))

    def _at_the_database(self, step: ReadPositions | Apply) -> Any:
        if isinstance(step, ReadPositions):
            return self._rows.positions(TOPIC, step.partitions)
        self._applied[step.one_by_one] += 1
        fault = self._rows.next_fault = self._faults.get((step.one_by_one, self._applied[step.one_by_one]))
        if fault is not None:
            self.note(f"its next transaction {fault}")
        apply = self._effects.apply_one_by_one if step.one_by_one else self._effects.apply
        try:
            apply(TOPIC, step.batch, step.expected)
        except Exception as error:
            self.note(f"{_offsets(step)} fails: {type(error).__name__}")
            raise
        finally:
            self._rows.next_fault = None
        self.note(f"{_offsets(step)} takes effect{', one by one' * step.one_by_one}")
        return None

    def _seek(self, step: Seek) -> bool:
        if step.partition not in self._fetch_from:
            return False
        self._fetch_from[step.partition] = step.offset
        return True


def _offsets(step: Apply) -> str:
    return ", ".join(f"{partition}: {[r.offset for r in records]}" for partition, records in step.batch.items())
