"""A service as a process: its parts start, are started again, and stop with their work in hand finished."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from services.chassis import service as chassis_service
from services.chassis.service import GaveUp, Service, Task, serve
from services.chassis.settings import Settings


def settings(port: int = 0, **changed: object) -> Settings:
    return Settings.model_validate({"port": port, "shutdown_timeout_s": 2.0} | changed)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chassis_service, "BACKOFF_FIRST_S", 0.01)


def test_a_part_that_dies_of_a_server_that_is_away_is_started_again_for_as_long_as_it_takes() -> None:
    starts = 0

    async def part(stop: asyncio.Event) -> None:
        nonlocal starts
        starts += 1
        if starts < 8:
            raise psycopg.OperationalError("away")
        stop.set()

    asyncio.run(serve(Service("test", tasks=(part,)), settings(), None))
    assert starts == 8


def test_a_part_with_an_error_of_its_own_ends_the_process_after_a_few_times() -> None:
    starts = 0

    async def part(stop: asyncio.Event) -> None:
        nonlocal starts
        starts += 1
        raise ZeroDivisionError

    with pytest.raises(GaveUp, match="task-0 of test died 5 times: ZeroDivisionError"):
        asyncio.run(serve(Service("test", tasks=(part,)), settings(), None))
    assert starts == 5


def test_work_in_hand_is_finished_before_the_end_and_what_hangs_is_cut_off() -> None:
    done: list[str] = []

    async def finishes(stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(0.2)
        done.append("finished")

    async def hangs(stop: asyncio.Event) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            done.append("cut off")
            raise

    async def stops(stop: asyncio.Event) -> None:
        await asyncio.sleep(0.05)
        stop.set()

    tasks: tuple[Task, ...] = (finishes, hangs, stops)
    began = time.monotonic()
    asyncio.run(serve(Service("test", tasks=tasks), settings(shutdown_timeout_s=0.5), None))
    assert done == ["finished", "cut off"]
    assert time.monotonic() - began < 2.0


def test_a_request_in_hand_is_answered_before_the_end() -> None:
    api = FastAPI()
    started = asyncio.Event()

    @api.get("/api/slow")
    async def slow() -> str:
        started.set()
        await asyncio.sleep(0.3)
        return "whole"

    async def run() -> httpx.Response:
        port, stop = free_port(), asyncio.Event()
        serving = asyncio.create_task(serve(Service("test", api=api), settings(port), None, stop))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await _until_up(client)
            asked = asyncio.create_task(client.get("/api/slow"))
            await started.wait()
            stop.set()
            answer = await asked
        await serving
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=1.0)
        return answer

    assert asyncio.run(run()).json() == "whole"


@pytest.mark.parametrize(("only", "api_status", "tasks_run"), [("api", 200, False), ("consumer", 404, True)])
def test_a_part_of_a_service_can_run_alone(only: chassis_service.Only, api_status: int, tasks_run: bool) -> None:
    api = FastAPI()
    ran: list[str] = []

    @api.get("/api/x")
    async def x() -> str:
        return "x"

    async def part(stop: asyncio.Event) -> None:
        ran.append("task")

    async def run() -> int:
        port, stop = free_port(), asyncio.Event()
        service = Service("test", api=api, tasks=(part,))
        serving = asyncio.create_task(serve(service, settings(port), only, stop))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await _until_up(client)
            status = (await client.get("/api/x")).status_code
        stop.set()
        await serving
        return status

    assert asyncio.run(run()) == api_status
    assert bool(ran) == tasks_run


async def _until_up(client: httpx.AsyncClient) -> None:
    for _ in range(200):
        try:
            await client.get("/health/live")
            return
        except httpx.TransportError:
            await asyncio.sleep(0.02)
    pytest.fail("the service does not listen")


PROGRAM = """
import sys
from fastapi import FastAPI
from services.chassis.service import Service, run_service
from services.chassis.settings import Settings

run_service(Service("test", api=FastAPI(), close=lambda: print("closed", flush=True)), Settings())
"""


def _start(tmp_path: Path, port: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "RELAIS_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    process = _start(tmp_path, port := free_port())
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            break
        except OSError:
            time.sleep(0.02)
    process.send_signal(number)
    output, log = process.communicate(timeout=20)
    assert process.returncode == 0, log
    assert output == "closed\n"
    assert '"message":"service stopped"' in log


def test_a_port_that_is_taken_is_one_clear_sentence_and_status_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = _start(tmp_path, int(taken.getsockname()[1]))
        output, log = process.communicate(timeout=20)
    assert process.returncode == 1
    assert output == "closed\n"
    assert "can't listen on 127.0.0.1:" in log
    assert "Traceback" not in log
