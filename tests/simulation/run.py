"""One run of a plan: the real steps of relay and inbox on simulated servers, and what must hold at the end of it."""

from collections import defaultdict
from dataclasses import dataclass
from typing import assert_never, cast
from uuid import UUID

from psycopg import Connection, OperationalError
from psycopg.rows import DictRow

from relais_contracts import CloudEvent, sessions
from services.chassis.effects import Effects, NotYet, Reaction, Record
from tests.simulation.consuming import Group, Member
from tests.simulation.log import TOPIC, Log
from tests.simulation.plan import (
    HORIZON_S,
    KEYS,
    MEMBERS,
    PARTITIONS,
    RELAYS,
    Away,
    Commit,
    CommitFault,
    Crash,
    Garbage,
    Hole,
    KafkaSays,
    LockSlips,
    Operation,
    Part,
    Pause,
    Plan,
    Poison,
    Produce,
    Reference,
    TornFetch,
    UnheardMove,
    Write,
)
from tests.simulation.relaying import RelayProcess
from tests.simulation.rows import Effect, SimulatedRows, SimulatedTransaction
from tests.simulation.store import Conflict, EventSource, RelayRow, aggregate_id, key_id, key_of
from tests.simulation.world import Actor, Violation, World

MENDED_S = HORIZON_S + 8
LOOK_AT_WAITING_S = 2.0
LOOK_AT_PARKED_S = 5.0
TRY_AGAIN_S = 0.5

ByKey = dict[bytes, list[tuple[UUID, int]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run; ``violation`` is None where all held."""

    violation: str | None
    world: World


class Simulation:
    """The servers and processes of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(plan.seed)
        self.source = EventSource(self.world)
        self.relay_row = RelayRow(self.world)
        self.log = Log(self.world, {part.number: part.fault for part in plan.parts if isinstance(part, Produce)})
        self.rows = SimulatedRows(self.world)
        self.group = Group(self.world, self.log)
        self.skipped: set[tuple[UUID, int]] = set()
        self.held: dict[bytes, set[str]] = defaultdict(set)
        self._reactions: dict[str, list[Reaction]] = {sessions.SessionHeld.ce_type: [self._react]}
        self.effects = Effects(consumer="simulated", rows=self.rows, reactions=self._reactions)
        self._people = _Person(self.world, "person")
        self._writers = _Person(self.world, "writer")
        self._writing = 0
        self._poison = {(part.aggregate, part.version): part for part in plan.parts if isinstance(part, Poison)}
        self._references = {(part.aggregate, part.version): part for part in plan.parts if isinstance(part, Reference)}
        self._processes = self._make_processes()
        for process in self._processes.values():
            process.start()
        for part in plan.parts:
            self._prepare(part)
        self._people.later(LOOK_AT_WAITING_S, self._retry_waiting)
        self._people.later(MENDED_S, self._clear_up)

    def run(self) -> None:
        """Raises Violation."""
        self.world.run(self._is_over)
        self._check()

    def _make_processes(self) -> dict[str, RelayProcess | Member]:
        crashes: dict[str, dict[int, float]] = defaultdict(dict)
        torn_fetches: dict[str, set[int]] = defaultdict(set)
        faults: dict[str, dict[tuple[bool, int], CommitFault]] = defaultdict(dict)
        for part in self.plan.parts:
            match part:
                case Crash(who, step, for_s):
                    crashes[who][step] = for_s
                case Commit(who, one_by_one, number, fault):
                    faults[who][one_by_one, number] = fault
                case TornFetch(who, number):
                    torn_fetches[who].add(number)
                case UnheardMove(number):
                    self.relay_row.unheard_moves.add(number)
                case _:
                    pass
        processes: dict[str, RelayProcess | Member] = {
            name: RelayProcess(self.world, name, self.source, self.relay_row, self.log, crashes[name])
            for name in RELAYS
        }
        for name in MEMBERS:
            faulty = crashes[name], faults[name], torn_fetches[name]
            processes[name] = Member(self.world, name, self.group, self.rows, self.effects, *faulty)
        return processes

    def _prepare(self, part: Part) -> None:
        world = self.world
        match part:
            case Write(at_s):
                self._writing += 1
                world.at(at_s, lambda: self._write(part))
            case Garbage(at_s, key):
                world.at(at_s, lambda: self._send_garbage(key))
            case Operation(at_s, does, key):
                world.at(at_s, lambda: self._operate(does, str(key_id(key)).encode()))
            case Hole(at_s, partition):
                world.at(at_s, lambda: self.log.append_hole(partition))
            case Pause(at_s, who, for_s):
                world.at(at_s, lambda: self._pause(who, for_s))
            case Away(at_s, what, for_s):
                world.at(at_s, lambda: self._set_away(what, True))
                world.at(at_s + for_s, lambda: self._set_away(what, False))
            case LockSlips(at_s):
                world.at(at_s, self._let_lock_slip)
            case KafkaSays(at_s):
                world.at(at_s, self._let_kafka_run_ahead)
            case Poison() | Reference() | Crash() | Produce() | Commit() | UnheardMove() | TornFetch():
                pass  # Not at a time, but when it is their turn.
            case _:
                assert_never(part)

    def _write(self, write: Write) -> None:
        try:
            transaction_id = self.source.begin(write.changes, is_private=write.is_private)
        except Conflict:
            self._writers.later(TRY_AGAIN_S, lambda: self._write(write))
            return

        def end() -> None:
            self._writing -= 1
            if write.rolls_back:
                self.source.roll_back(transaction_id)
                self._writers.note(f"transaction {transaction_id} is rolled back")
                return
            rows = self.source.commit(transaction_id)
            told = ", ".join(f"{_letter(row.aggregate)}{row.version}" for row in rows)
            self._writers.note(f"transaction {transaction_id} commits {told}{' (private)' * write.is_private}")

        self._writers.later(write.lasts_s, end)

    def _react(self, connection: Connection[DictRow], event: CloudEvent) -> None:
        transaction = cast(SimulatedTransaction, connection)
        name = (event.subject.int & 0xFF, event.sequence)
        reference = self._references.get(name)
        if reference is not None and self._is_missing(reference, transaction):
            raise NotYet(f"{_letter(reference.other)}1")
        transaction.write((event.key.encode(), event.subject, event.sequence))
        poison = self._poison.get(name)
        if poison is not None and (poison.until_s is None or self.world.now < poison.until_s):
            raise LookupError("poison")

    def _is_missing(self, reference: Reference, transaction: SimulatedTransaction) -> bool:
        """What shares the key of the one that waits for it could never come."""
        if key_of(reference.aggregate) == key_of(reference.other) or self.world.now > MENDED_S:
            return False
        other = aggregate_id(reference.other)
        return all(subject != other for _, subject, _ in transaction.tables.effects)

    def _send_garbage(self, key: int) -> None:
        headers = [("ce_type", sessions.SessionHeld.ce_type.encode())]
        self.log.append(key % PARTITIONS, [(str(key_id(key)).encode(), b"not json", headers)])

    def _pause(self, who: str, for_s: float) -> None:
        process = self._processes[who]
        process.note(f"stands still, for {for_s} s")
        process.paused_until = self.world.now + for_s
        if isinstance(process, Member):
            self.group.watch(process, for_s)

    def _set_away(self, what: str, is_away: bool) -> None:
        self.world.note(what, "away" if is_away else "back")
        if what == "brokers":
            self.log.is_away = is_away
        else:
            self.rows.is_away = self.relay_row.is_away = is_away

    def _let_lock_slip(self) -> None:
        self.world.note("database", "gives the relay's lock away")
        self.relay_row.holder = None

    def _let_kafka_run_ahead(self) -> None:
        self.world.note("brokers", "have committed offsets that are ahead of our rows")
        self.group.committed = {number: len(entries) for number, entries in enumerate(self.log.partitions)}

    def _operate(self, does: str, key: bytes) -> None:
        try:
            if does == "retry":
                retried = self.effects.retry(TOPIC, key, by="person")
                self._people.note(f"retries {_name(key)}: {retried.settled_count} settled, {retried.open_count} open")
            elif not self.rows.is_away:
                self._skip_first(key)
        except OperationalError:
            self._people.note("is told that the database is away")

    def _skip_first(self, key: bytes) -> None:
        first = next((parked for parked in self.rows.open() if parked.key == key), None)
        if first is not None and self.rows.skip(first.parked_id):
            self._people.note(f"skips the first of {_name(key)}")
            if (event := _event_of(first.record)) is not None:
                self.skipped.add(event)

    def _retry_waiting(self) -> None:
        """As the inbox does by itself."""
        self._people.later(LOOK_AT_WAITING_S, self._retry_waiting)
        for parked in self.rows.open():
            self.held[parked.key].add(parked.state)
        try:
            for topic, key in self.effects.rows.waiting_keys():
                self.effects.retry(topic, key, by="inbox")
        except OperationalError:
            self._people.note("cannot try again what waits")

    def _clear_up(self) -> None:
        """In the end a person settles everything: what works now is retried, the rest is skipped."""
        self._people.later(LOOK_AT_PARKED_S, self._clear_up)
        for key in dict.fromkeys(parked.key for parked in self.rows.open()):
            self._operate("retry", key)
            if any(parked.key == key for parked in self.rows.open()):
                self._operate("skip", key)

    def _is_over(self) -> bool:
        if self.world.now < MENDED_S or self._writing or self.relay_row.position != self.source.end():
            return False
        if self.rows.open():
            return False
        positions = self.rows.tables.positions
        return all(
            records[-1].offset < positions.get((TOPIC, partition), 0)
            for partition, entries in enumerate(self.log.partitions)
            if (records := [record for record in entries if record is not None])
        )

    def _check(self) -> None:
        """The oracle: committed = topic without doubles = effects = replay from zero, in the order of each key."""
        committed = self._committed()
        _compare("the topic", _topic_of(self.log), committed)
        without_skipped: ByKey = {}
        for key, events in committed.items():
            if kept := [event for event in events if event not in self.skipped]:
                without_skipped[key] = kept
        _compare("the effects", _by_key(self.rows.tables.effects), without_skipped)
        _compare("a replay from zero", self._replayed(), committed)
        if not any(isinstance(part, FAULTS) for part in self.plan.parts):
            count = sum(1 for record in self.log.records() if _event_of(record) is not None)
            if count != sum(map(len, committed.values())):
                raise Violation(f"nothing failed, but the topic has {count} records")
        self._check_held()

    def _committed(self) -> ByKey:
        found: ByKey = {}
        for row in self.source.committed:
            if not row.is_private:
                key = str(key_id(key_of(row.aggregate))).encode()
                found.setdefault(key, []).append((aggregate_id(row.aggregate), row.version))
        return found

    def _replayed(self) -> ByKey:
        """What a consumer that begins today makes of the topic, where nothing is poison any more."""
        self._poison, self._references = {}, {}
        rows = SimulatedRows(self.world)
        effects = Effects(consumer="replay", rows=rows, reactions=self._reactions)
        for partition, entries in enumerate(self.log.partitions):
            if records := [record for record in entries if record is not None]:
                expected = rows.positions(TOPIC, [partition])
                effects.apply_one_by_one(TOPIC, {partition: records}, expected)
        for key in dict.fromkeys(parked.key for parked in rows.open()):
            rows.skip(next(parked.parked_id for parked in rows.open() if parked.key == key))
            effects.retry(TOPIC, key, by="replay")
        return _by_key(rows.tables.effects)

    def _check_held(self) -> None:
        """Poison holds its own key, for a person; what refers to another event waits by itself."""
        poisoned = {part.key for part in self.plan.parts if isinstance(part, Garbage)}
        poisoned |= {key_of(part.aggregate) for part in self.plan.parts if isinstance(part, Poison)}
        waiting = {key_of(part.aggregate) for part in self.plan.parts if isinstance(part, Reference)}
        for number in range(KEYS):
            held = self.held[str(key_id(number)).encode()]
            if number not in poisoned and (held - {"waiting"} or (held and number not in waiting)):
                raise Violation(f"key {number} is set aside without reason: {sorted(held)}")


FAULTS = (Pause, Crash, Away, Produce, Commit, UnheardMove, LockSlips, KafkaSays, TornFetch)


class _Person(Actor):
    """Somebody outside: never paused, never dead."""


def run(plan: Plan) -> Outcome:
    """Runs a plan to its end."""
    simulation = Simulation(plan)
    violation: str | None = None
    try:
        simulation.run()
    except Violation as found:
        violation = str(found)
        simulation.world.note("oracle", violation)
    return Outcome(violation, simulation.world)


def _topic_of(log: Log) -> ByKey:
    """What a reader keeps: of each aggregate, what is newer than the last."""
    newest: dict[UUID, int] = defaultdict(int)
    kept: ByKey = {}
    for record in log.records():
        event = _event_of(record)
        if event is not None and event[1] > newest[event[0]]:
            newest[event[0]] = event[1]
            kept.setdefault(record.key or b"", []).append(event)
    return kept


def _event_of(record: Record) -> tuple[UUID, int] | None:
    headers = dict(record.headers)
    if "ce_sequence" not in headers:
        return None
    return UUID(headers["ce_subject"].decode()), int(headers["ce_sequence"])


def _by_key(effects: list[Effect]) -> ByKey:
    found: ByKey = {}
    for key, aggregate, version in effects:
        found.setdefault(key, []).append((aggregate, version))
    return found


def _compare(what: str, found: ByKey, expected: ByKey) -> None:
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key, []) != expected.get(key, []):
            raise Violation(
                f"{what}: {_name(key)} has {_told(found.get(key, []))}, and should have {_told(expected.get(key, []))}"
            )


def _told(events: list[tuple[UUID, int]]) -> str:
    return " ".join(f"{_letter(subject.int & 0xFF)}{version}" for subject, version in events) or "nothing"


def _letter(aggregate: int) -> str:
    return "ABCDEFGHIJ"[aggregate]


def _name(key: bytes) -> str:
    return f"key {int(key.decode()[-2:], 16)}"
