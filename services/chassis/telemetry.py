"""Logs and metrics: one JSON object a line with the event and correlation ids, and Prometheus counters.

The standard library's logging with a small formatter, because structlog imports rich: half a second, 15 MB a service.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

import orjson
from prometheus_client import Counter, Histogram

EVENT_ID: ContextVar[str | None] = ContextVar("event_id", default=None)
CORRELATION_ID: ContextVar[str | None] = ContextVar("correlation_id", default=None)

# What logging itself puts on a record; anything else came from the caller's ``extra``.
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_MAX_TRACEBACK_CHARS = 8_000

HTTP_SECONDS = Histogram(
    "relais_http_request_seconds",
    "Time from a request to the end of its answer, by route template.",
    ("service", "method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
COMPONENT_FAILURES = Counter(
    "relais_component_failures_total",
    "Times a part of a service (relay, inbox, task) died and was started again.",
    ("service", "component"),
)


@contextmanager
def log_context(*, event_id: object = None, correlation_id: object = None) -> Iterator[None]:
    """Puts the ids on every log line written inside, also in threads started with ``asyncio.to_thread``."""
    tokens = [
        (variable, variable.set(str(value)))
        for variable, value in ((EVENT_ID, event_id), (CORRELATION_ID, correlation_id))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)


def configure_logging(
    service: str, log_format: Literal["json", "text"] = "json", *, level: str = "INFO", stream: TextIO | None = None
) -> None:
    """One handler on the root logger; what libraries log goes through it too, the chatty ones from WARNING on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonFormatter(service) if log_format == "json" else _TextFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("aiokafka", "faststream", "httpx", "httpcore", "asyncio", "uvicorn", "uvicorn.error", "mail.log"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
            **_extra(record),
        }
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))[-_MAX_TRACEBACK_CHARS:]
        return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()


class _TextFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__(f"%(asctime)s %(levelname)-7s {service} %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        details = " ".join(f"{name}={value}" for name, value in {**_ids(), **_extra(record)}.items())
        first, _, rest = super().format(record).partition("\n")
        return f"{first} {details}".rstrip() + (f"\n{rest}" if rest else "")


def _ids() -> dict[str, object]:
    ids = {"event_id": EVENT_ID.get(), "correlation_id": CORRELATION_ID.get()}
    return {name: value for name, value in ids.items() if value is not None}


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _OWN_ATTRIBUTES}
