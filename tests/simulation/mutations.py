"""Safeguards taken away, one by one: each must be missed by a simulated run, or by a test on real servers.

``python -m tests.simulation --mutations [SAFEGUARD…]``; ``--planted SAFEGUARD`` shows one bug. A mutation changes one
place in a copy of the code; then runs are simulated on that copy until one fails, or a test runs on it. What only SQL
does has a real test, and where the simulated servers do the same, it is taken away there too.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.local import Stack

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 600
TIMEOUT_S = 300.0
NEEDED = ("services/__init__.py", "services/chassis", "tests/simulation")
NEEDED_BY_TESTS = ("services", "deploy", "tests/chassis", "tests/conftest.py", "pyproject.toml")

EFFECTS = "services/chassis/effects.py"
ROWS = "services/chassis/effects_rows.py"
INBOX = "services/chassis/inbox_steps.py"
RELAY = "services/chassis/relay_steps.py"
LEAD = "services/chassis/leadership.py"
STORE = "services/chassis/event_store.py"
SIMULATED = "tests/simulation"

TABLE = Path(__file__).with_name("MUTATIONS.md")
PLANTED = "a key is held back behind what is parked"
MOST_SHOWN = 160
HEAD = """# Each safeguard taken away, and what misses it

Written by `python -m tests.simulation --mutations`. A seed is of the simulation: `--seed N` on code without the
safeguard shows its run. The others are tests on real PostgreSQL and Kafka, in `tests/chassis`.
"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """``before`` stands once in ``file``, and ``after`` takes its place. ``test`` is None for the simulation.

    ``first`` is the seed to begin with: the search is short where it is one that fails.
    """

    safeguard: str
    file: str
    before: str
    after: str
    test: str | None = None
    first: int = 0


MUTATIONS = [
    Mutation(
        "order of commit: reading stops below what may still commit (SQL)",
        STORE,
        "  AND transaction_id < %(bound)s::text::xid8\n",
        "  AND %(bound)s::text IS NOT NULL\n",
        "test_event_store.py::test_a_writer_that_has_not_committed_holds_the_reader_back",
    ),
    Mutation(
        "order of commit: reading stops below what may still commit",
        f"{SIMULATED}/store.py",
        "bound = min(self._running, default=self._transactions + 1)",
        "bound = self._transactions + 1",
    ),
    Mutation(
        "order of commit: the cursor is (transaction, notification) (SQL)",
        STORE,
        "WHERE (transaction_id, notification_id) > (%(transaction_id)s::text::xid8, %(notification_id)s)",
        "WHERE notification_id > %(notification_id)s AND %(transaction_id)s::text IS NOT NULL",
        "test_event_store.py::test_a_writer_that_has_not_committed_holds_the_reader_back",
    ),
    Mutation(
        "doubles are dropped by aggregate and version", EFFECTS, "if read.event.sequence <= known", "if 0 > known"
    ),
    Mutation(
        "doubles are dropped by aggregate and version (SQL)",
        ROWS,
        "SELECT aggregate_id, version FROM noted",
        "SELECT aggregate_id, 0::bigint AS version FROM noted",
        "test_inbox.py::test_what_the_relay_sends_twice_takes_effect_once",
    ),
    Mutation(
        "fence: the position moves only under its epoch (SQL)",
        LEAD,
        "WHERE relay = %s AND epoch = %s\n",
        "WHERE relay = %s AND epoch >= %s\n",
        "test_relay.py::test_a_relay_that_was_replaced_cannot_move_the_position",
    ),
    Mutation(
        "fence: the position moves only under its epoch",
        f"{SIMULATED}/store.py",
        "if session.epoch != self.epoch:\n            raise Fenced(session.who)",
        "if False:\n            raise Fenced(session.who)",
    ),
    Mutation(
        "fence: the inbox's position moves only from where it is known to be (SQL)",
        ROWS,
        "AND p.partition = moved.partition AND p.next_offset = moved.expected_offset",
        "AND p.partition = moved.partition",
        "test_inbox.py::test_a_consumer_that_was_replaced_leaves_no_effect",
    ),
    Mutation(
        "fence: the inbox's position moves only from where it is known to be",
        f"{SIMULATED}/rows.py",
        "if self.tables.positions.get((topic, partition)) == expected:",
        "if (topic, partition) in self.tables.positions:",
    ),
    Mutation("fence: a position that has moved fails the batch", EFFECTS, "if moved_count != len(moves):", "if False:"),
    Mutation(
        "fence: a position that has moved fails the batch (PostgreSQL)",
        EFFECTS,
        "if moved_count != len(moves):",
        "if False:",
        "test_inbox.py::test_a_consumer_that_was_replaced_leaves_no_effect",
    ),
    Mutation(
        "the position is in the transaction of the effect",
        EFFECTS,
        "        with self.rows.transaction() as transaction:\n            has_parked = _move",
        "        with self.rows.transaction() as transaction:\n"
        "            _move(transaction, topic, batch, expected)\n"
        "            expected = {partition: records[-1].offset + 1 for partition, records in batch.items()}\n"
        "        with self.rows.transaction() as transaction:\n            has_parked = _move",
    ),
    Mutation(
        "the position is in the transaction of the effect (PostgreSQL)",
        EFFECTS,
        "        with self.rows.transaction() as transaction:\n            has_parked = _move",
        "        with self.rows.transaction() as transaction:\n"
        "            _move(transaction, topic, batch, expected)\n"
        "            expected = {partition: records[-1].offset + 1 for partition, records in batch.items()}\n"
        "        with self.rows.transaction() as transaction:\n            has_parked = _move",
        "test_inbox.py::test_position_and_effect_are_one",
    ),
    Mutation(
        "the position moves behind the acknowledgement",
        RELAY,
        "if not chunk.is_acknowledged:",
        "if chunk is lead.sending:",
    ),
    Mutation(
        "the oldest is acknowledged before what is behind it counts",
        RELAY,
        "            if not chunk.is_acknowledged:\n                break\n            done.append(chunk)",
        "            if chunk.is_acknowledged:\n                done.append(chunk)",
    ),
    Mutation(
        "a producer that is not answered is abandoned at the deadline",
        RELAY,
        "now >= lead.waiting_since + DELIVERY_DEADLINE_S\n\n",
        "False\n\n",
    ),
    Mutation(
        "after a failure the relay begins again", RELAY, "            self._has_failed = True\n", "            pass\n"
    ),
    Mutation("the lease is renewed", RELAY, "if now >= lead.confirm_at:", "if False:", first=225),
    Mutation(
        "a chunk is sent behind the one before it",
        RELAY,
        "if lead.ahead and lead.sending is None and len",
        "if lead.ahead and len",
        first=61,
    ),
    Mutation(
        "of one partition, batches are sent in order",
        RELAY,
        "            batches.append((topic, partition, batch))",
        "            batches.insert(0, (topic, partition, batch))",
    ),
    Mutation(
        "a key is held back behind what is parked",
        EFFECTS,
        "held = transaction.held_keys(topic, _keys(fresh)) if has_parked else {}",
        "held: dict[bytes, Held] = {} if has_parked else {}",
    ),
    Mutation(
        "a key is held back from the event that fails",
        EFFECTS,
        "                    held[read.key] = state\n",
        "",
        first=38,
    ),
    Mutation("what is tried fails whole", EFFECTS, "with transaction.savepoint():", "if True:"),
    Mutation("a retry stops at the first that fails", EFFECTS, "                break\n", "                continue\n"),
    Mutation(
        "what is parked is retried in order",
        f"{SIMULATED}/rows.py",
        "for parked in self._of_key(topic, key)[:limit]",
        "for parked in reversed(self._of_key(topic, key)[:limit])",
    ),
    Mutation(
        "what is parked is retried in order (SQL)",
        ROWS,
        "ORDER BY parked_id LIMIT %(limit)s",
        "ORDER BY parked_id DESC LIMIT %(limit)s",
        "test_inbox.py::test_poison_is_parked_with_its_key_and_the_others_go_on",
    ),
    Mutation(
        "a gap is sought before it is believed",
        INBOX,
        "if wanted[0].offset > expected and self._gaps.get(partition) != gap:",
        "if False:",
    ),
    Mutation(
        "what was sought is read again before it is believed",
        INBOX,
        "                del by_partition[partition]\n",
        "",
        first=7059,
    ),
    Mutation(
        "a gap that was sought is believed",
        INBOX,
        "if wanted[0].offset > expected and self._gaps.get(partition) != gap:",
        "if wanted[0].offset > expected:",
    ),
    Mutation(
        "a gap stays believed until its batch has taken effect",
        INBOX,
        "            batch[partition] = wanted\n",
        "            self._gaps.pop(partition, None)\n            batch[partition] = wanted\n",
        first=90,
    ),
    Mutation(
        "after a COMMIT without reply the batch is given back",
        INBOX,
        "                yield from self._give_back(by_partition)\n                return\n            except NotYet:",
        "                return\n            except NotYet:",
    ),
    Mutation(
        "reading begins where our row is, whatever Kafka says",
        INBOX,
        "            yield from self._seek(partition, next_offset)",
        "            yield from ()",
        first=313,
    ),
    Mutation(
        "an older version gives way to the one that reads all again",
        ROWS,
        "        if newer and self._known:\n",
        "        if False:\n",
        "test_inbox.py::test_a_member_of_an_older_version_gives_way_where_a_migration_has_all_read_again",
    ),
    Mutation(
        "a database that is away parks nothing",
        EFFECTS,
        "                if is_away(failure):\n",
        "                if False:\n",
        first=305,
    ),
    Mutation(
        "what waits for another event is tried again",
        EFFECTS,
        'return "waiting", _text(not_yet)',
        'return "parked", "never"',
    ),
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it was missed, by which seed or test, and how."""

    is_missed: bool
    by: str
    how: str
    took_s: float


def try_without(mutation: Mutation, *, stack: str | None = None) -> Verdict:
    """Takes one safeguard away and looks whether that is noticed. ``stack``: as RELAIS_TEST_STACK, for tests."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="relais-mutation-") as folder:
        if mutation.test is None:
            said = run_on(mutation, Path(folder), "--seeds", str(SEEDS), "--until-one-fails")
            found = re.search(r"^seed (\d+): (.*)$", said, flags=re.MULTILINE)
            by, how = (f"seed {found[1]}", found[2]) if found else (f"{SEEDS} seeds", "")
            return Verdict(found is not None, by, how, time.monotonic() - began)
        copy = _copied(mutation, NEEDED_BY_TESTS, Path(folder))
        environment = os.environ if stack is None else os.environ | {"RELAIS_TEST_STACK": stack}
        command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/chassis/{mutation.test}"]
        process = _run(command, copy, environment)
        failed = re.search(r"^E +(\S.*)$", process.stdout, flags=re.MULTILINE)
        assert (process.returncode == 1) == bool(failed), process.stdout + process.stderr
        by, how = mutation.test.split("::")[1], failed[1] if failed else ""
        return Verdict(failed is not None, by, how, time.monotonic() - began)


def run_on(mutation: Mutation, folder: Path, *options: str) -> str:
    """What the simulation says, with ``options``, on a copy with ``mutation``."""
    copy = _copied(mutation, NEEDED, folder)
    process = _run(["-m", "tests.simulation", "--first", str(mutation.first), *options], copy, os.environ)
    assert "Traceback" not in process.stderr, process.stderr
    return process.stdout


def _run(command: Sequence[str], copy: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def _copied(mutation: Mutation, names: Sequence[str], copy: Path) -> Path:
    for name in names:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    _break(mutation, copy)
    return copy


def _break(mutation: Mutation, copy: Path) -> None:
    file = copy / mutation.file
    source = file.read_text()
    found = source.count(mutation.before)
    assert found == 1, f"{mutation.safeguard}: stands {found} times in {mutation.file}: {mutation.before!r}"
    file.write_text(source.replace(mutation.before, mutation.after))


def show_table(names: Sequence[str]) -> int:
    """Prints each safeguard, what misses it and how. All of them, and one bug, are kept in TABLE."""
    asked = [one for one in MUTATIONS if not names or one.safeguard in names]
    found: dict[Mutation, Verdict] = {}
    with given_servers() as stack:
        for mutation in asked:
            verdict = found[mutation] = try_without(mutation, stack=stack)
            by = f"missed by {verdict.by}" if verdict.is_missed else f"NOT MISSED by {verdict.by}"
            print(f"{mutation.safeguard:74} {by:40} {verdict.took_s:5.1f} s  {verdict.how[:120]}", flush=True)
    not_missed = sum(not verdict.is_missed for verdict in found.values())
    print(f"{len(asked)} safeguards, {not_missed} not missed")
    if not names:
        TABLE.write_text(table_of(found))
    return 1 if not_missed else 0


@contextmanager
def given_servers() -> Iterator[str]:
    """One PostgreSQL and one Kafka for all tests, as RELAIS_TEST_STACK names them."""
    with tempfile.TemporaryDirectory(prefix="relais-mutations-") as folder:
        os.chmod(folder, 0o755)  # PostgreSQL is not run by root.
        stack = Stack.start(Path(folder) / "stack", fast=True)
        try:
            yield f"given,{stack.database_url},{stack.kafka_bootstrap_servers}"
        finally:
            stack.stop()


def table_of(found: Mapping[Mutation, Verdict]) -> str:
    """The kept table, with the planted bug below it."""
    missed = sum(verdict.is_missed for verdict in found.values())
    rows = [
        f"| {_cell(one.safeguard)} | `{one.file}` | {'' if verdict.is_missed else '**not missed** by '}{verdict.by} "
        f"| {_cell(verdict.how[:MOST_SHOWN])} | {verdict.took_s:.1f} |"
        for one, verdict in found.items()
    ]
    return f"""{HEAD}
{missed} of {len(found)} are missed, {datetime.now(UTC).date().isoformat()}.

| safeguard taken away | in | missed by | how | seconds |
|---|---|---|---|---|
{chr(10).join(rows)}

## One of the bugs, in the shortest run that shows it

```
{planted(PLANTED)}
```
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def show_planted(safeguard: str) -> int:
    """Without this safeguard: the seed that fails, and the shortest run found that still does."""
    print(planted(safeguard))
    return 0


def planted(safeguard: str) -> str:
    (mutation,) = [one for one in MUTATIONS if one.safeguard == safeguard]
    with tempfile.TemporaryDirectory(prefix="relais-mutation-") as folder:
        said = run_on(mutation, Path(folder), "--seeds", str(SEEDS), "--until-one-fails", "--shrink")
    what = f"{mutation.file}: {mutation.before.strip()}\n  becomes: {mutation.after.strip()}"
    return f"without: {safeguard}\n{what}\n{said.strip()}"
