"""`relais lag`: how far each service is behind, by topic and partition."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import orjson
import psycopg
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from psycopg.rows import DictRow, dict_row
from rich.table import Column, Table

from relais_contracts import TOPICS
from services.chassis.database import CONNECT_TIMEOUT_S
from services.chassis.kafka import KafkaConnection
from services.chassis.settings import SERVICES, Settings
from services.cli.failing import fail
from services.cli.running_stack import settings_of_running
from services.cli.serve import module_of
from services.cli.showing import table_console

FETCH_TIMEOUT_S = 5.0
KAFKA_TIMEOUT_S = 3.0

log = logging.getLogger(__name__)

RELAY_BACKLOG = """
SELECT count(*) AS backlog,
    (SELECT convert_from(state, 'UTF8')::json ->> 'recorded_at' FROM stored_events
     WHERE (transaction_id, notification_id) > (position.transaction_id, position.notification_id)
     ORDER BY transaction_id, notification_id LIMIT 1)::timestamptz AS oldest_at
FROM (SELECT coalesce(max(transaction_id), 0)::text::xid8 AS transaction_id,
             coalesce(max(notification_id), 0) AS notification_id FROM relay_position) AS position
JOIN stored_events AS waiting
  ON (waiting.transaction_id, waiting.notification_id) > (position.transaction_id, position.notification_id)
GROUP BY position.transaction_id, position.notification_id
"""

POSITIONS = "SELECT consumer, topic, partition, next_offset FROM inbox_positions"

PARKED = """
SELECT consumer, topic, partition, count(*) AS parked, min(parked_at) AS oldest_at FROM parked
WHERE state IN ('waiting', 'parked') GROUP BY consumer, topic, partition
"""

Place = tuple[str, str, int]
"""Consumer, topic, partition."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a service is behind in one place: its relay (then ``topic`` is None), or a partition that it reads.

    ``oldest_age_s`` is the age of the oldest event that is still to be published, read, or taken from what is parked.
    """

    service: str
    topic: str | None
    partition: int | None
    relay_backlog: int | None
    consumer_lag: int | None
    parked: int
    oldest_age_s: float | None


def command(
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.", show_default=".relais")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Shows the backlog of each relay, the lag of each consumer, what is parked, and how old the oldest is."""
    settings = settings_of_running(data_dir)
    for name in ("database_url", "kafka_bootstrap_servers"):
        if getattr(settings, name) is None:
            fail(
                f"Aucun serveur : lancez « relais up », ou renseignez RELAIS_{name.upper()}.\n"
                f"No server: start relais up, or set RELAIS_{name.upper()}."
            )
    try:
        found = asyncio.run(measure(settings))
    except (psycopg.OperationalError, OSError) as error:
        fail(f"Un serveur ne répond pas : {error}\nA server does not answer.")
    if any(each.topic is not None and each.consumer_lag is None for each in found):
        typer.echo("Kafka ne répond pas : le retard des lecteurs est inconnu.\nKafka does not answer.", err=True)
    if json:
        typer.echo(orjson.dumps({"items": [asdict(each) for each in found]}, option=orjson.OPT_INDENT_2))
        return
    columns = ("Service", "Topic", "Partition", "Relais", "Retard", "Mis de côté", "Âge (s)")
    table = Table(*(Column(name, no_wrap=True) for name in columns), title="Ce qui attend d’être publié, lu ou repris")
    for each in found:
        table.add_row(*("" if value is None else str(value) for value in asdict(each).values()))
    table_console().print(table)


async def measure(settings: Settings) -> list[Lag]:
    """One entry for each relay and for each partition that a service reads; without its lag where Kafka is away."""
    consumer = AIOKafkaConsumer(
        *TOPICS, **KafkaConnection(settings).client_options(), group_id=None, enable_auto_commit=False
    )
    ends: Mapping[TopicPartition, int] | None = None
    try:
        try:
            async with asyncio.timeout(KAFKA_TIMEOUT_S):
                await consumer.start()
                ends = await consumer.end_offsets(list(consumer.assignment()))
        except (KafkaError, TimeoutError) as error:
            log.debug("the brokers do not answer: %r", error)
        found = [each for service in SERVICES for each in await _of_service(service, settings, consumer, ends)]
    finally:
        await consumer.stop()
    return sorted(found, key=lambda each: (each.service, each.topic or "", each.partition or 0))


async def _of_service(
    service: str, settings: Settings, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int] | None
) -> list[Lag]:
    built = import_module(module_of(service)).build(settings)
    reads = [(inbox.consumer, topic) for inbox in built.inboxes for topic in inbox.topics]
    has_relay = built.relay is not None
    built.close()
    rows = await asyncio.to_thread(_rows, settings.database_url_for(service))
    now = datetime.now(UTC)
    found = []
    if has_relay:
        backlog, oldest_at = (rows.relay["backlog"], rows.relay["oldest_at"]) if rows.relay else (0, None)
        found.append(Lag(service, None, None, backlog, None, 0, _age_s(now, oldest_at)))
    if ends is None:
        for place in sorted(place for place in rows.positions if place[:2] in reads):
            parked, oldest_at = rows.parked.get(place, (0, None))
            found.append(Lag(service, place[1], place[2], None, None, parked, _age_s(now, oldest_at)))
        return found
    for name, topic in reads:
        for partition, end in sorted((tp, end) for tp, end in ends.items() if tp.topic == topic):
            place = (name, topic, partition.partition)
            next_offset = rows.positions.get(place, 0)
            parked, oldest_at = rows.parked.get(place, (0, None))
            behind = max(0, end - next_offset)
            if behind:
                unread_at = await _written_at(consumer, partition, next_offset)
                oldest_at = min(filter(None, (oldest_at, unread_at)), default=None)
            found.append(Lag(service, topic, place[2], None, behind, parked, _age_s(now, oldest_at)))
    return found


@dataclass(frozen=True, slots=True)
class _Rows:
    relay: Mapping[str, Any] | None
    positions: Mapping[Place, int]
    parked: Mapping[Place, tuple[int, datetime]]


def _rows(database_url: str) -> _Rows:
    with psycopg.connect(
        database_url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT_S, application_name="lag"
    ) as connection:
        return _Rows(
            relay=connection.execute(RELAY_BACKLOG).fetchone(),
            positions={place: row["next_offset"] for place, row in _placed(connection.execute(POSITIONS).fetchall())},
            parked={
                place: (row["parked"], row["oldest_at"])
                for place, row in _placed(connection.execute(PARKED).fetchall())
            },
        )


def _placed(rows: Sequence[DictRow]) -> Iterator[tuple[Place, DictRow]]:
    for row in rows:
        yield (row["consumer"], row["topic"], row["partition"]), row


async def _written_at(consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> datetime | None:
    """When the record at ``offset`` was written; None where it can't be read in time."""
    consumer.seek(partition, offset)
    try:
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            record = await consumer.getone(partition)
    except (TimeoutError, KafkaError):
        return None
    return datetime.fromtimestamp(record.timestamp / 1_000, UTC)


def _age_s(now: datetime, oldest_at: datetime | None) -> float | None:
    return None if oldest_at is None else round(max(0.0, (now - oldest_at).total_seconds()), 1)
