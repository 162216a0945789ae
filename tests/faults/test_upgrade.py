"""A rolling upgrade: two versions side by side on one database and one broker, with commands to both all the time.

It belongs to the long form. Each version is a whole `relais up` of its own on the same servers: relays and their
standbys, consumers in one group, the old API beside the new one, and migrations forward while the old one runs.
"""

import random
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import psycopg
import pytest

from deploy.local import Stack
from tests.conftest import ROOT, RunningRelais, start_relais
from tests.faults.small import eventually
from tests.faults.stream import Stream
from tests.faults.table import Results
from tests.faults.whole import judge

PREVIOUS = "9c375f6cd6f0bca6293a377e4656d406eba9eb09"
"""The version before: three migrations, the batches of the inbox and the envelopes of its records ago."""
CODE = ("services", "schemas", "deploy")
KILLED = ("sessions", "transfers", "billing", "attendance", "notifier", "support")

NEXT_MIGRATION = """
ALTER TABLE names ADD COLUMN in_capitals text;
DELETE FROM inbox_positions WHERE topic = 'relais.transfers';
DELETE FROM parked WHERE topic = 'relais.transfers';
DELETE FROM inbox_versions WHERE aggregate_id IN (SELECT account_id FROM accounts);
"""
BEFORE = """
INSERT INTO names (person_id, name) SELECT * FROM unnest(%s::uuid[], %s::text[])
ON CONFLICT (person_id) DO UPDATE SET name = excluded.name
"""
AFTER = """
INSERT INTO names (person_id, name, in_capitals) SELECT *, 'X' FROM unnest(%s::uuid[], %s::text[])
ON CONFLICT (person_id) DO UPDATE SET name = excluded.name, in_capitals = excluded.in_capitals
"""
NAMES = "SELECT count(*), count(in_capitals) FROM billing.names"


def previous(folder: Path) -> Path:
    """The code of the version before, out of the repository's history."""
    archive = subprocess.run(["git", "archive", PREVIOUS, *CODE], cwd=ROOT, capture_output=True)
    assert archive.returncode == 0, (
        f"The version before, {PREVIOUS}, is not in this clone, so nothing can be upgraded from it: "
        f"git fetch --unshallow. {archive.stderr.decode()}"
    )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def next_version(folder: Path) -> Path:
    """This code with a column more, which a migration and the events from the first one on fill."""
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "services/billing/migrations/9999_next.sql").write_text(NEXT_MIGRATION)
    view = folder / "services/billing/views/names.py"
    text = view.read_text()
    assert text.count(BEFORE) == 1
    view.write_text(text.replace(BEFORE, AFTER))
    return folder


@dataclass
class Upgrade:
    """Two installations on the same servers; ``begin`` starts one of them from its code."""

    stack: Stack
    folder: Path

    def begin(self, name: str, code: Path) -> RunningRelais:
        data = self.folder / name
        data.mkdir()
        issuer = self.folder / "issuer"
        issuer.mkdir(exist_ok=True)
        (data / "issuer").symlink_to(issuer)  # A token is good for both.
        return start_relais(
            data,
            "--empty",
            code=code,
            RELAIS_DATABASE_URL=self.stack.database_url,
            RELAIS_KAFKA_BOOTSTRAP_SERVERS=self.stack.kafka_bootstrap_servers,
        )


@pytest.fixture
def upgrade(tmp_path: Path) -> Iterator[Upgrade]:
    stack = Stack.start(tmp_path / "stack", fast=True)
    yield Upgrade(stack, tmp_path)
    stack.stop()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_rolling_upgrade_from_the_version_before_loses_doubles_and_inverts_nothing(
    upgrade: Upgrade, tmp_path: Path, command_count: int, seed: int, results: Results
) -> None:
    fault = "upgrade from the version before, both at work; kill -9 of each old service"
    with (
        results.line(4, fault, seed) as line,
        rolled(upgrade, previous(tmp_path / "before"), ROOT, command_count, random.Random(seed)) as stream,
    ):
        line.add(stream.settled(), faults=len(KILLED))
        verdict = judge(stream.relais.database_url, stream.relais.kafka_bootstrap_servers, with_replay=True)
        assert verdict.is_clean, str(verdict)
        line.note = f"{verdict.row_counts['replayed']} rows = a replay from zero; {stream.repeated_count} repeated"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.mutation("giving way to a newer version")
def test_what_a_rolling_upgrade_has_read_again_is_whole(
    upgrade: Upgrade, tmp_path: Path, command_count: int, seed: int, results: Results
) -> None:
    """Of the consumers that are there only the new ones know of the new column; the old ones must not read for them."""
    fault = "upgrade to a version that has a topic read again, both at work; kill -9 of each old service"
    with (
        results.line(4, fault, seed) as line,
        rolled(upgrade, ROOT, next_version(tmp_path / "next"), command_count, random.Random(seed)) as stream,
    ):
        line.add(stream.settled(), faults=len(KILLED))
        with psycopg.connect(stream.relais.database_url) as connection:
            people, whole = connection.execute(NAMES).fetchone() or (0, 0)
        line.note = f"{whole} of {people} rows have the new column"
        assert whole == people > 0


@contextmanager
def rolled(
    upgrade: Upgrade, old_code: Path, new_code: Path, command_count: int, choice: random.Random
) -> Iterator[Stream]:
    """From the old version to the new one, amid commands to whatever runs. Gives their stream, to the new one."""
    old = upgrade.begin("old", old_code)
    try:
        stream = Stream(old)
        stream.prepare()
        sending = partial(stream.run, command_count // 4)
        with going_on(partial(sending, url=old.url)):
            new = upgrade.begin("new", new_code)  # Migrates, too.
    except BaseException:
        old.stop()
        raise
    try:
        try:
            with going_on(partial(sending, url=old.url)), going_on(partial(sending, url=new.url)):
                for victim in choice.sample(KILLED, len(KILLED)):
                    before = old.processes[victim]
                    old.kill(victim)
                    eventually(partial(is_another, old, victim, before), "the old version starts it again")
        finally:
            old.stop()
        stream.relais = new
        stream.run(command_count // 4)
        yield stream
    finally:
        new.stop()


def is_another(relais: RunningRelais, process: str, pid: int) -> bool:
    return relais.processes.get(process, pid) != pid


@contextmanager
def going_on(work: Callable[[], object]) -> Iterator[None]:
    """Does ``work`` again and again beside the body, at least once."""
    is_over = threading.Event()
    failures: list[BaseException] = []

    def repeat() -> None:
        try:
            while True:
                work()
                if is_over.is_set():
                    return
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    if failures:
        raise failures[0]
