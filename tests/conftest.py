"""Real servers for the tests: one embedded stack a session, and one whole `relais up`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local import Stack
from deploy.local.containers import ContainerStack
from deploy.local.ports import free_ports
from services.chassis.auth import LocalIssuer

ROOT = Path(__file__).parent.parent
OWN_FOLDER = pytest.StashKey[str]()
UP_TIMEOUT_S = 180.0
DOWN_TIMEOUT_S = 60.0


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A folder of this run's own for temporary files.

    pytest's usual one is shared by all runs of a user, and each run that starts closes it to others again: then the
    PostgreSQL of another run, which does not run as root, no longer reaches its data.
    """
    if config.option.basetemp is None:
        config.option.basetemp = config.stash[OWN_FOLDER] = tempfile.mkdtemp(prefix="relais-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = config.stash.get(OWN_FOLDER, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need servers, so that ``make unit`` can leave them out."""
    for item in items:
        if isinstance(item, pytest.Function) and {"stack", "relais"} & set(item.fixturenames):
            item.add_marker("stack")


@dataclass(frozen=True, slots=True)
class GivenStack:
    """Servers that somebody else started and stops: the run of tests that this run is a part of."""

    database_url: str
    kafka_bootstrap_servers: str

    def stop(self) -> None: ...


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack | ContainerStack | GivenStack]:
    """PostgreSQL and one Kafka broker for the whole session: embedded, in containers, or given."""
    running: Stack | ContainerStack | GivenStack
    match os.environ.get("RELAIS_TEST_STACK", "embedded").split(","):
        case ["containers"]:
            running = ContainerStack.start()
        case ["given", database_url, kafka_bootstrap_servers]:
            running = GivenStack(database_url, kafka_bootstrap_servers)
        case _:
            running = Stack.start(tmp_path_factory.mktemp("stack"), fast=True)
    yield running
    running.stop()


@dataclass(frozen=True, slots=True)
class RunningRelais:
    """A `relais up --empty` in a process of its own."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    log: Path

    @property
    def state(self) -> dict[str, Any]:
        """relais.json as it is now."""
        state: dict[str, Any] = json.loads((self.data_dir / "relais.json").read_text())
        return state

    @property
    def url(self) -> str:
        return str(self.state["url"])

    @property
    def database_url(self) -> str:
        return str(self.state["database_url"])

    @property
    def kafka_bootstrap_servers(self) -> str:
        return str(self.state["kafka_bootstrap_servers"])

    @property
    def smtp_url(self) -> str:
        return str(self.state["smtp_url"])

    @property
    def processes(self) -> dict[str, int]:
        return dict(self.state["processes"])

    def token(self, role: str, email: str, name: str | None = None) -> str:
        """An access token of this Relais' own issuer."""
        return LocalIssuer(self.data_dir / "issuer").mint(role, email, name)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + UP_TIMEOUT_S
        while not self._says_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"relais up is not ready:\n{self.log.read_text()}{_ends_of_logs(self.data_dir)}")
            time.sleep(0.05)

    def _says_ready(self) -> bool:
        """A file that a killed Relais has left behind does not count."""
        try:
            return self.processes["supervisor"] == self.process.pid
        except FileNotFoundError:
            return False

    def kill(self, process: str) -> None:
        """kill -9 of one of its processes; the supervisor starts it again."""
        os.kill(self.processes[process], signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; gives the exit status."""
        self.process.terminate()
        return self.process.wait(DOWN_TIMEOUT_S)


def start_relais(data_dir: Path, *options: str, code: Path = ROOT, **environment: str) -> RunningRelais:
    """Starts `relais up` on a free port, from the ``code`` of any version, and waits until it is ready."""
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "up.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "services.cli.main", "up"),
                *("--port", str(free_ports(1)[0]), "--data-dir", str(data_dir), *options),
            ],
            cwd=code,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": f"{code}{os.pathsep}{code / 'schemas'}", **environment},
        )
    relais = RunningRelais(process, data_dir, log)
    try:
        relais.wait_until_ready()
    except BaseException:
        process.terminate()
        process.wait(DOWN_TIMEOUT_S)
        raise
    return relais


@pytest.fixture(scope="session")
def relais(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRelais]:
    """One whole, empty Relais for the session: all services, real PostgreSQL, Kafka and mail."""
    running = start_relais(tmp_path_factory.mktemp("relais"), "--empty")
    yield running
    running.stop()


def _ends_of_logs(data_dir: Path) -> str:
    logs = sorted((data_dir / "logs").glob("*.log"))
    return "".join(f"\n== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)
