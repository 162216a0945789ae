"""`relais audit` on one whole running Relais: searched, exported, verified here and offline."""

import json
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tests.chassis.pipeline import event
from tests.cli.test_parked import Shell, publish
from tests.conftest import RunningRelais


@pytest.fixture(scope="module")
def shell(relais: RunningRelais) -> Shell:
    shell = Shell(relais)
    student = uuid4()
    publish(relais, *(event(uuid4(), 1, student).to_record() for _ in range(5)))
    deadline = time.monotonic() + 30
    while len(shell.json("audit", "log", "--student", str(student))) < 5:
        assert time.monotonic() < deadline
    return shell


def test_the_log_is_searched_by_who_what_and_when(shell: Shell) -> None:
    everything = shell.json("audit", "log", "--limit", "300")
    held = shell.json("audit", "log", "--type", "relais.sessions.SessionHeld.v1", "--actor", "test@example.org")
    assert len(held) >= 5
    assert {item["actor"] for item in held} == {"support:test@example.org"}
    assert {item["event_id"] for item in held} <= {item["event_id"] for item in everything}
    assert shell.json("audit", "log", "--actor", "nobody@example.org") == []
    assert shell.json("audit", "log", "--to", "2020-01-01T00:00:00Z") == []


def test_it_is_verified_running_and_offline_and_a_changed_line_is_named(shell: Shell, tmp_path: Path) -> None:
    done = shell.run("audit", "verify", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["ok"], found["entries"] >= 5, len(found["heads"]) >= 1) == (True, True, True)
    (tmp_path / "heads.json").write_text(done.stdout)

    export = tmp_path / "audit.jsonl"
    assert shell.run("audit", "export", "--out", str(export)).returncode == 0
    alone = shell.run("audit", "verify", "--file", str(export), "--heads", str(tmp_path / "heads.json"))
    assert alone.returncode == 0, alone.stderr

    lines = export.read_text().splitlines(keepends=True)
    lines[0] = json.dumps(json.loads(lines[0]) | {"actor": "support:eve@example.org"}) + "\n"
    export.write_text("".join(lines))
    broken = shell.run("audit", "verify", "--file", str(export))
    assert (broken.returncode, json.loads(lines[0])["event_id"] in broken.stderr) == (1, True)
    export.write_text("no entry\n")
    assert shell.run("audit", "verify", "--file", str(export)).returncode == 1
