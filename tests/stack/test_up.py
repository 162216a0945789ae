"""`relais up`: ready, kept running, stopped without a trace, and the same data at the next start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local import Stack
from tests.conftest import ROOT, RunningRelais, start_relais

SERVICES = {"mail", "sessions", "transfers", "billing", "attendance", "notifier", "support", "portal"}
TIMEOUT_S = 60


def up(data_dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs `relais up` where it is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli.main", "up", "--empty", "--data-dir", str(data_dir), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def family(relais: RunningRelais) -> set[psutil.Process]:
    supervisor = psutil.Process(relais.process.pid)
    return {supervisor, *supervisor.children(recursive=True)}


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_names_its_addresses_and_every_process(relais: RunningRelais) -> None:
    state = relais.state
    assert set(state["processes"]) == {"supervisor", "watchdog", "postgres", "kafka"} | SERVICES
    assert state["processes"]["supervisor"] == relais.process.pid
    assert all(psutil.pid_exists(pid) for pid in state["processes"].values())
    assert state["smtp_url"].startswith("smtp://127.0.0.1:")
    assert all(answers(url) for url in state["services"].values())
    with psycopg.connect(state["database_url"]) as connection:
        assert connection.execute("SELECT count(*) FROM sessions.stored_events").fetchone() == (0,)
    eventually(lambda: f"Relais is ready: {state['url']}\nMemory in use: " in relais.log.read_text())


@pytest.mark.parametrize("name", ["sessions", "portal", "kafka", "postgres", "watchdog"])
def test_what_dies_is_started_again_and_relais_json_follows(name: str, relais: RunningRelais) -> None:
    before = relais.processes[name]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: relais.processes.get(name, before) != before)
    eventually(lambda: all(answers(url) for url in relais.state["services"].values()))
    assert psutil.pid_exists(relais.processes[name])


def test_ctrl_c_and_sigterm_stop_it_without_a_trace_and_its_data_are_there_again(tmp_path: Path) -> None:
    first = start_relais(tmp_path, "--empty")
    with psycopg.connect(first.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'été' AS word")
    stop_without_a_trace(first, signal.SIGINT)

    second = start_relais(tmp_path, "--empty")
    with psycopg.connect(second.database_url) as connection:
        assert connection.execute("SELECT word FROM kept").fetchone() == ("été",)
    stop_without_a_trace(second, signal.SIGTERM)


def stop_without_a_trace(relais: RunningRelais, end: signal.Signals) -> None:
    everything = family(relais)
    relais.process.send_signal(end)
    assert relais.process.wait(TIMEOUT_S) == 0
    assert [process for process in everything if not gone(process)] == []
    assert not (relais.data_dir / "relais.json").exists()
    for log in (relais.data_dir / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text(), log


def test_kill_9_of_the_supervisor_leaves_nothing_running(tmp_path: Path) -> None:
    relais = start_relais(tmp_path, "--empty")
    everything = family(relais)
    relais.process.kill()
    relais.process.wait(TIMEOUT_S)
    eventually(lambda: all(gone(process) for process in everything))

    again = start_relais(tmp_path, "--empty")
    assert again.stop() == 0


def test_servers_that_are_configured_are_used_and_left_alone(tmp_path: Path) -> None:
    stack = Stack.start(tmp_path / "servers", fast=True)
    try:
        relais = start_relais(
            tmp_path / "relais",
            "--empty",
            RELAIS_DATABASE_URL=stack.database_url,
            RELAIS_KAFKA_BOOTSTRAP_SERVERS=stack.kafka_bootstrap_servers,
            RELAIS_SMTP_URL="smtp://127.0.0.1:1",
        )
        assert set(relais.processes) == {"supervisor"} | SERVICES - {"mail"}
        assert relais.database_url == stack.database_url
        assert relais.kafka_bootstrap_servers == stack.kafka_bootstrap_servers
        assert relais.smtp_url == "smtp://127.0.0.1:1"
        assert relais.stop() == 0
        assert set(stack.processes) == {"postgres", "kafka"}
    finally:
        stack.stop()


def test_a_folder_in_use_is_one_sentence(relais: RunningRelais) -> None:
    refused = up(relais.data_dir, "--port", "0")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"The data folder {relais.data_dir} is in use by another Relais (process {relais.process.pid}). "
        "Stop it, or choose another folder with --data-dir.\n"
    )
    assert json.loads((relais.data_dir / "relais.json").read_text())["processes"]


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = up(tmp_path, "--port", str(port))
    assert refused.returncode == 1
    assert refused.stderr == f"Port {port} on 127.0.0.1 is taken by another program; choose another port.\n"
    assert not list(tmp_path.iterdir())


def test_wrong_use_is_exit_status_2(tmp_path: Path) -> None:
    assert up(tmp_path, "--port", "70000").returncode == 2
    assert up(tmp_path, "--no-such-option").returncode == 2


def test_help_is_quick_and_names_every_command() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "services.cli.main", "--help"]
    helped = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert helped.returncode == 0
    for heavy in ("fastapi", "aiokafka", "psycopg", "pydantic", "psutil"):
        assert f" {heavy}\n" not in helped.stderr
    for name in ("up", "serve", "migrate", "import", "token", "tail", "explain", "lag", "doctor"):
        assert f" {name} " in helped.stdout
