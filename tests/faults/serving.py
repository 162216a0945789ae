"""`relais serve` beside a running Relais: one more replica of a service, in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.local.ports import HOST, free_ports
from tests.conftest import ROOT, RunningRelais

STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class Replica:
    """A service that answers at ``url``; ``log`` is what it printed."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path

    def answers(self) -> bool:
        assert self.process.poll() is None, f"the replica ended:\n{self.log.read_text()}"
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).is_success
        except httpx.TransportError:
            return False

    def metric(self, name: str) -> float:
        """The sum over its labels; 0 where it is not there yet."""
        lines = httpx.get(f"{self.url}/metrics", timeout=5).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@contextmanager
def replica(service: str, relais: RunningRelais, log: Path, environment: Mapping[str, str]) -> Iterator[Replica]:
    """On the servers and with the issuer of ``relais``, but without its clock. Begun: whether it answers, it says."""
    (port,) = free_ports(1)
    own = {
        "RELAIS_DATABASE_URL": relais.database_url,
        "RELAIS_KAFKA_BOOTSTRAP_SERVERS": relais.kafka_bootstrap_servers,
        "RELAIS_SMTP_URL": relais.smtp_url,
        "RELAIS_DATA_DIR": str(relais.data_dir),
        "RELAIS_PORT": str(port),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "serve", service],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **own, **environment},
        )
    started = Replica(process, f"http://{HOST}:{port}", log)
    try:
        yield started
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
