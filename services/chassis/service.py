"""One service as a process: API, relay, inboxes and tasks in one event loop, started, kept alive, stopped cleanly."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import psycopg
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.garbage import search_rarely
from services.chassis.settings import Settings
from services.chassis.telemetry import COMPONENT_FAILURES, configure_logging

if TYPE_CHECKING:
    from services.chassis.inbox import Inbox
    from services.chassis.lag import LagWatch
    from services.chassis.relay import Relay

Only = Literal["api", "relay", "consumer"]
Task = Callable[[asyncio.Event], Awaitable[None]]

BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 10.0
MAX_FAILURES = 5  # Within FAILURE_WINDOW_S, of an error that waiting does not mend: then the process gives up.
FAILURE_WINDOW_S = 60.0
LISTEN_BACKLOG = 1_024

_log = logging.getLogger("relais.service")


@dataclass(frozen=True, slots=True)
class Service:
    """What ``main.py`` of a service builds.

    ``tasks`` run beside the inboxes, ``beside_api`` where the API does; ``close`` is called last of all.
    """

    name: str
    api: FastAPI | None = None
    relay: "Relay | None" = None
    inboxes: "Sequence[Inbox]" = ()
    lag: "LagWatch | None" = None
    tasks: Sequence[Task] = field(default_factory=tuple)
    beside_api: Sequence[Task] = field(default_factory=tuple)
    close: Callable[[], object] = lambda: None


class GaveUp(Exception):
    """A part of the service died again and again; the process ends, and whoever supervises it starts a fresh one."""


class _Clock(Protocol):
    def __call__(self) -> float: ...


def run_service(service: Service, settings: Settings, only: Only | None = None) -> None:
    """Runs until SIGTERM or SIGINT, then finishes the work in hand within ``shutdown_timeout_s``.

    ``only="api"`` runs the API alone, ``"relay"`` the relay, ``"consumer"`` inboxes and tasks; the latter two serve
    health and metrics, not ``/api``. Exits with status 1 where a part of it can't be kept alive or the port is taken.
    """
    configure_logging(service.name, settings.log_format, level=settings.log_level)
    search_rarely()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(service, settings, only))
    except* (GaveUp, OSError) as failures:
        for failure in failures.exceptions:
            _log.critical("service ends", extra={"error": str(failure)})
        sys.exit(1)
    finally:
        service.close()


async def serve(service: Service, settings: Settings, only: Only | None, stop: asyncio.Event | None = None) -> None:
    """The same in a running loop, until ``stop`` is set or a signal comes. Raises GaveUp; OSError for a taken port."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError, RuntimeError):  # Only the main thread may; a test sets ``stop`` itself.
            loop.add_signal_handler(number, stop.set)
    parts = _parts(service, settings, only)
    running = [asyncio.create_task(_keep_alive(service.name, name, run, stop), name=name) for name, run in parts]
    _log.info("service started", extra={"parts": [name for name, _ in parts]})
    watch = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            ended, _ = await asyncio.wait([watch, *running], return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in running if task in ended]:
                task.result()  # Raises what it died of; a part that has nothing to do has simply ended.
                running.remove(task)
    finally:
        stop.set()
        watch.cancel()
        await _finish(running, settings.shutdown_timeout_s)
    _log.info("service stopped")


def _parts(service: Service, settings: Settings, only: Only | None) -> list[tuple[str, Task]]:
    parts: list[tuple[str, Task]] = []
    if service.api is not None:
        app: ASGIApp = service.api if only in (None, "api") else _without_api(service.api)
        listener = _listen(settings.host, settings.port)
        parts.append(("api", lambda stop: _serve_http(app, listener, settings, stop)))
    if only in (None, "api"):
        parts += [("lag", service.lag.run)] if service.lag is not None else []
        parts += [(f"beside-api-{number}", task) for number, task in enumerate(service.beside_api)]
    if service.relay is not None and only in (None, "relay"):
        parts.append(("relay", service.relay.run))
    if only in (None, "consumer"):
        parts += [(f"inbox-{number}", inbox.run) for number, inbox in enumerate(service.inboxes)]
        parts += [(f"task-{number}", task) for number, task in enumerate(service.tasks)]
    return parts


async def _keep_alive(
    service: str, name: str, run: Task, stop: asyncio.Event, *, monotonic: _Clock = time.monotonic
) -> None:
    """Runs one part, and again with growing pauses where it dies.

    A server that is away (database, broker, network) is waited for as long as it takes. Any other error may come
    MAX_FAILURES times within FAILURE_WINDOW_S; then it is ours, and GaveUp ends the process.
    """
    failures: deque[float] = deque(maxlen=MAX_FAILURES)
    pause_s = BACKOFF_FIRST_S
    while True:
        started_at = monotonic()
        try:
            await run(stop)
            return
        except Exception as error:
            COMPONENT_FAILURES.labels(service, name).inc()
            if stop.is_set():
                _log.warning("part failed while stopping", extra={"part": name}, exc_info=True)
                return
            _log.error("part died", extra={"part": name, "again_in_s": pause_s}, exc_info=True)
            now = monotonic()
            if now - started_at > FAILURE_WINDOW_S:
                pause_s = BACKOFF_FIRST_S
            if not _passing(error):
                failures.append(now)
                if len(failures) == MAX_FAILURES and now - failures[0] < FAILURE_WINDOW_S:
                    raise GaveUp(f"{name} of {service} died {MAX_FAILURES} times: {type(error).__name__}") from error
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
            return
        pause_s = min(pause_s * 2, BACKOFF_MAX_S)


def _passing(error: BaseException) -> bool:
    """Whether waiting may mend it: the database, the broker or the network is away."""
    if isinstance(error, BaseExceptionGroup):
        return all(_passing(inner) for inner in error.exceptions)
    if isinstance(error, OSError | TimeoutError | psycopg.OperationalError):
        return True
    kafka_errors = sys.modules.get("aiokafka.errors")  # Only where the service uses Kafka at all.
    return kafka_errors is not None and isinstance(error, kafka_errors.KafkaError)


async def _finish(running: Sequence[asyncio.Task[None]], timeout_s: float) -> None:
    """Lets each part finish its work in hand; cancels what has not after ``timeout_s``."""
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=timeout_s)
    for task in late:
        _log.warning("part cancelled, it did not stop in time", extra={"part": task.get_name()})
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=1.0)


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: ``serve`` stops all parts together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve_http(app: ASGIApp, listener: socket.socket, settings: Settings, stop: asyncio.Event) -> None:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="off",
        http="httptools",
        ws="none",
        h11_max_incomplete_event_size=65_536,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_timeout_s) - 1),
        forwarded_allow_ips="",
    )
    server = _Server(config)
    # A duplicate, since uvicorn closes what it is given, and a part that died is started again on the same port.
    serving: Coroutine[Any, Any, None] = server.serve(sockets=[listener.dup()])
    task = asyncio.create_task(serving)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            listener.close()  # First, so that nobody connects any more while the requests in hand are finished.
        server.should_exit = True
        await task
        if not stop.is_set():
            raise RuntimeError("the HTTP server ended by itself")
    finally:
        stopped.cancel()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG)
    except OSError as error:
        raise OSError(
            error.errno, f"can't listen on {host}:{port} ({error.strerror}): choose another RELAIS_PORT"
        ) from error


def _without_api(app: ASGIApp) -> ASGIApp:
    """Health and metrics of a process that runs no API."""

    async def operations(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api"):
            await PlainTextResponse("this process serves no API\n", status_code=404)(scope, receive, send)
            return
        await app(scope, receive, send)

    return operations
