"""Row 8: a command over HTTP with one client, against the append of its events without HTTP."""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx

from benchmarks.ground import MENTORS, NOON, STUDENTS, Ground, change, context, session_store
from benchmarks.harness import Row, compare
from deploy.local.ports import free_ports
from services.chassis.auth import LocalIssuer
from services.chassis.service import run_service
from services.chassis.settings import Settings
from services.sessions.main import build

COMMANDS = 300
READY_S = 30.0
DIRECTORY = """
INSERT INTO sessions.mentors (mentor_id, timezone) VALUES ('{mentor_id}', 'Europe/Paris') ON CONFLICT DO NOTHING;
INSERT INTO sessions.students (student_id, mentor_id, path) VALUES ('{student_id}', '{mentor_id}', 'Python')
ON CONFLICT DO NOTHING
"""


def rows(ground: Ground, *, short: bool) -> Iterator[Row]:
    command_count = COMMANDS // 3 if short else COMMANDS
    for statement in DIRECTORY.format(mentor_id=MENTORS[0], student_id=STUDENTS[0]).split(";"):
        ground.execute(statement)
    with tempfile.TemporaryDirectory(prefix="relais-bench-") as folder:
        settings = Settings(
            database_url=ground.url_of("sessions"),
            kafka_bootstrap_servers=ground.kafka_bootstrap_servers,
            data_dir=Path(folder),
            port=free_ports(1)[0],
            log_level="WARNING",
        )
        token = LocalIssuer(settings.data_dir / "issuer").mint("support", "support@example.org", None)
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=(settings,), daemon=True)
        process.start()
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{settings.port}", headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        _wait_until_ready(client)
        database = ground.database("sessions")
        store = session_store(database)
        number = iter(range(10**9))

        def command() -> None:
            body = {
                "student_id": str(STUDENTS[0]),
                "starts_at": (NOON + timedelta(minutes=next(number))).isoformat(),
                "duration_minutes": 45,
            }
            client.post("/api/sessions", json=body, headers={"Idempotency-Key": str(uuid4())}).raise_for_status()

        yield compare(
            "8",
            "HTTP command (POST /api/sessions), p50, one client",
            "append of its event without HTTP",
            ours=lambda: _p50_ms(command, command_count),
            theirs=lambda: _p50_ms(lambda: store.append([change(1)], context()), command_count),
            unit="ms",
            at_most=3.0,
        )
        client.close()
        process.terminate()
        process.join()
        database.close()


def _serve(settings: Settings) -> None:
    """Another process: the service's API, as `relais serve sessions --only api` runs it."""
    run_service(build(settings), settings, "api")


def _wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            if client.get("/health/ready").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the service does not get ready")


def _p50_ms(act: Callable[[], object], count: int) -> float:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
