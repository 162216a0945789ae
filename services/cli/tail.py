"""`relais tail`: follows the topics, and what the services make of each event, as it happens."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import orjson
import typer
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.text import Text

from relais_contracts import TOPICS, CloudEvent, ContractError
from services.chassis.kafka import KafkaConnection
from services.chassis.settings import Settings
from services.cli.asking import api_client
from services.cli.explain import effect_rows, event_row
from services.cli.failing import fail
from services.cli.running_stack import settings_of_running

POLL_S = 0.3
WATCHED_FOR_S = 15.0
WATCHED_MAX = 100
EFFECTS_WITHIN_S = 3.0
"""How long the effects of the last event are waited for, where the number of events is limited."""
WHAT = {"statement_lines": "statement_line", "attendance_entries": "attendance_entry", "emails": "email"}
STYLES = {"sessions": "cyan", "transfers": "magenta", "billing": "green", "attendance": "blue"}


def command(
    type: Annotated[str | None, typer.Option(help="Only this type: SessionCancelled, or the whole ce_type.")] = None,
    student: Annotated[UUID | None, typer.Option(metavar="ID", help="Only this student.")] = None,
    from_beginning: Annotated[bool, typer.Option(help="All events of all time first.")] = False,
    limit: Annotated[int | None, typer.Option(help="End after so many events.", min=1)] = None,
    effects: Annotated[bool, typer.Option(help="Also statement lines, attendance entries and e-mails.")] = True,
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Follows events and their effects, until Ctrl-C."""
    settings = settings_of_running(data_dir)
    if settings.kafka_bootstrap_servers is None:
        fail(
            "Aucun courtier Kafka : lancez « relais up », ou renseignez RELAIS_KAFKA_BOOTSTRAP_SERVERS.\n"
            "No Kafka broker: start relais up, or set RELAIS_KAFKA_BOOTSTRAP_SERVERS."
        )
    out = _Out(Console(), json)
    wanted = Wanted(type, student)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(api_client(settings)) if effects else None
        follow = _follow(settings, wanted, out, client, from_beginning=from_beginning, limit=limit)
        try:
            asyncio.run(follow)
        except KeyboardInterrupt:
            return
        except (KafkaError, OSError) as error:
            fail(f"Kafka ne répond pas ({error}).\nKafka does not answer.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown."""

    type: str | None
    student: UUID | None

    def matches(self, event: CloudEvent) -> bool:
        if self.student is not None and getattr(event.data, "student_id", None) != self.student:
            return False
        return self.type is None or self.type in (event.type, event.type.split(".")[2])


@dataclass
class _Watched:
    """The latest events, whose effects are still looked for, and which of these were shown already."""

    until: dict[UUID, float] = field(default_factory=dict)
    shown: set[tuple[str, ...]] = field(default_factory=set)

    def add(self, event_id: UUID) -> None:
        self.until[event_id] = time.monotonic() + WATCHED_FOR_S
        while len(self.until) > WATCHED_MAX:
            del self.until[next(iter(self.until))]

    def ids(self) -> list[UUID]:
        now = time.monotonic()
        self.until = {event_id: until for event_id, until in self.until.items() if until > now}
        if not self.until:
            self.shown.clear()
        return list(self.until)


@dataclass(frozen=True)
class _Out:
    console: Console
    json: bool

    def event(self, event: CloudEvent) -> None:
        shown = {
            "event_id": str(event.id),
            "event_type": event.type,
            "topic": event.topic,
            "partition": event.partition,
            "offset": event.offset,
            "subject": str(event.subject),
            "sequence": event.sequence,
            "occurred_at": event.time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "actor": event.actor,
            "correlation_id": str(event.correlation_id),
            "causation_id": str(event.causation_id) if event.causation_id else None,
            "data": event.data.model_dump(mode="json"),
        }
        if self.json:
            self._line({"what": "event", **shown})
            return
        name, actor, at, facts = event_row(shown, indent="  ↳ " if event.causation_id else "")
        style = STYLES.get(event.type.split(".")[1], "")
        self.console.print(
            Text.assemble((at, "dim"), " ", (name, f"bold {style}"), f" {actor} ", (str(event.id), "dim")),
            soft_wrap=True,
        )
        self.console.print(Text(f"    {facts}"), soft_wrap=True)

    def effects(self, found: Mapping[str, Any], shown: set[tuple[str, ...]]) -> None:
        for (kind, item), row in zip(_items(found), effect_rows(found), strict=True):
            own_id = item.get("line_id") or item.get("email_id") or item["session_id"]
            identity = (kind, str(own_id), str(item["event_id"]), str(item.get("state", "")))
            if identity in shown:
                continue
            shown.add(identity)
            if self.json:
                self._line({"what": WHAT[kind], **{name: value for name, value in item.items() if name != "html"}})
            else:
                self.console.print(
                    Text(f"    {' · '.join(cell for cell in row if cell)}", style="yellow"), soft_wrap=True
                )

    def _line(self, value: Mapping[str, Any]) -> None:
        typer.echo(orjson.dumps(value))


def _items(found: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in WHAT:
        for item in found[kind]:
            yield kind, item


async def _follow(
    settings: Settings,
    wanted: Wanted,
    out: _Out,
    client: httpx.Client | None,
    *,
    from_beginning: bool,
    limit: int | None,
) -> None:
    watched = _Watched()
    watcher = asyncio.create_task(_watch(watched, out, client)) if client is not None else None
    count = 0
    async with contextlib.aclosing(_events(settings, from_beginning=from_beginning)) as events:
        async for event in events:
            if not wanted.matches(event):
                continue
            out.event(event)
            watched.add(event.id)
            count += 1
            if count == limit:
                break
    if watcher is not None:
        await asyncio.sleep(EFFECTS_WITHIN_S)
        watcher.cancel()


async def _events(settings: Settings, *, from_beginning: bool) -> AsyncGenerator[CloudEvent, None]:
    """The events of all topics from now on, or of all time. Belongs to no group and commits nothing."""
    consumer = AIOKafkaConsumer(
        *TOPICS,
        **KafkaConnection(settings).client_options(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        await (consumer.seek_to_beginning() if from_beginning else consumer.seek_to_end())
        typer.echo("À l’écoute des événements ; Ctrl-C pour arrêter. Listening; Ctrl-C ends it.", err=True)
        async for record in consumer:
            with contextlib.suppress(ContractError):  # Not ours to judge here: a consumer parks it.
                yield CloudEvent.from_record(
                    record.key, record.value, record.headers, record.topic, record.partition, record.offset
                )
    finally:
        await consumer.stop()


async def _watch(watched: _Watched, out: _Out, client: httpx.Client) -> None:
    while True:
        await asyncio.sleep(POLL_S)
        with contextlib.suppress(httpx.HTTPError, ValueError):
            await _show_effects(watched, out, client)


async def _show_effects(watched: _Watched, out: _Out, client: httpx.Client) -> None:
    ids = watched.ids()
    if ids:
        query = httpx.QueryParams([("event_id", str(event_id)) for event_id in ids])
        answer = await asyncio.to_thread(client.get, "/api/audit/effects", params=query)
        out.effects(answer.raise_for_status().json(), watched.shown)
