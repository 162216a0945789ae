"""Row 5: from an accepted command to its row in a view, against a bare round trip through Kafka at the same rate.

Appending and relay are in this process, the projection in another, as deployed; the bare consumer is in another too.
"""

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection as Pipe
from uuid import UUID, uuid4

from confluent_kafka import Consumer, Producer

from benchmarks.ground import Ground, change, context, session_store
from benchmarks.harness import Row, compare, percentile
from benchmarks.relaying import publish_on
from services.billing.edges.tariff_file import read_tariff
from services.billing.main import reactions
from services.billing.views.statements import Statements
from services.chassis.effects import Reaction
from services.chassis.inbox import Inbox
from services.chassis.migrate import migrations_of
from services.chassis.relay import Relay
from services.chassis.settings import Settings
from services.sessions.edges.publish import SOURCE

RATE_PER_S = 200
ROUND_S = 8.0
WARM_UP_S = 1.0
SETTLE_S = 60.0

Seen = list[tuple[UUID, float]]


def rows(ground: Ground, *, short: bool) -> Iterator[Row]:
    round_s = ROUND_S / 2 if short else ROUND_S
    ground.execute("TRUNCATE sessions.stored_events, sessions.relay_position")
    context_of_processes = multiprocessing.get_context("spawn")
    view_topic, bare_topic = ground.new_topic("bench.latency"), ground.new_topic("bench.bare")
    pipes = []
    processes = []
    for target, topic in ((_project, view_topic), (_consume, bare_topic)):
        here, there = context_of_processes.Pipe()
        process = context_of_processes.Process(target=target, args=(ground, topic, there), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)
        assert here.recv() == "ready"
    database = ground.database("sessions")
    store = session_store(database)
    relay = Relay(
        service="sessions",
        database=database,
        store=store,
        publish=publish_on(view_topic),
        kafka=ground.kafka(),
        source=SOURCE,
    )
    store.on_appended = relay.wake
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    relaying = threading.Thread(target=loop.run_until_complete, args=(relay.run(stop),))
    relaying.start()
    producer = Producer({"bootstrap.servers": ground.kafka_bootstrap_servers, "linger.ms": 0, "acks": "all"})

    def command() -> UUID:
        return store.append([change(1)], context())[0].event_id

    def bare() -> UUID:
        event_id = uuid4()
        producer.produce(bare_topic, b"x" * 300, event_id.bytes)
        producer.poll(0)
        return event_id

    def p99_of(send: Callable[[], UUID], pipe: Pipe, *, accepted_before: bool) -> float:
        return percentile(_latencies(send, pipe, round_s, accepted_before=accepted_before), 0.99) * 1000

    yield compare(
        "5",
        f"command accepted → its row in a view, p99 at {RATE_PER_S} commands/s",
        "a bare Kafka round trip, p99, same rate",
        ours=lambda: p99_of(command, pipes[0], accepted_before=False),
        theirs=lambda: p99_of(bare, pipes[1], accepted_before=True),
        unit="ms",
        at_most=4.0,
    )
    loop.call_soon_threadsafe(stop.set)
    relaying.join()
    for process in processes:
        process.terminate()
        process.join()
    database.close()


def _latencies(send: Callable[[], UUID], pipe: Pipe, round_s: float, *, accepted_before: bool) -> Sequence[float]:
    """Seconds from each sending (from when it was accepted, or from when it was handed over) to when it was seen."""
    pipe.send("begin")
    began = time.monotonic()
    at: dict[UUID, float] = {}
    for number in range(int(RATE_PER_S * round_s)):
        time.sleep(max(0.0, began + number / RATE_PER_S - time.monotonic()))
        before = time.monotonic()
        event_id = send()
        if number >= RATE_PER_S * WARM_UP_S:
            at[event_id] = before if accepted_before else time.monotonic()
    deadline = time.monotonic() + SETTLE_S
    seen: dict[UUID, float] = {}
    while at.keys() - seen.keys() and time.monotonic() < deadline:
        pipe.send("give")
        seen |= dict(pipe.recv())
        time.sleep(0.1)
    assert not at.keys() - seen.keys(), f"{len(at.keys() - seen.keys())} never came"
    return [max(0.0, seen[event_id] - then) for event_id, then in at.items()]


def _project(ground: Ground, topic: str, pipe: Pipe) -> None:
    """Another process: billing's reactions; notes when each event's transaction was committed."""
    settings = Settings()
    statements = Statements(read_tariff(settings.tariff_file), settings.zone())
    in_transaction: list[UUID] = []
    seen: Seen = []
    lock = threading.Lock()

    def note(reaction: Reaction) -> Reaction:
        def noted(connection: object, event: object) -> None:
            reaction(connection, event)  # type: ignore[arg-type]
            in_transaction.append(event.id)  # type: ignore[attr-defined]

        return noted

    def committed() -> None:
        now = time.monotonic()
        with lock:
            seen.extend((event_id, now) for event_id in in_transaction)
        in_transaction.clear()

    database = ground.database("billing")
    inbox = Inbox(
        consumer="billing-latency",
        known_migrations=[migration.name for migration in migrations_of("billing")],
        topics=[topic],
        database=database,
        kafka=ground.kafka(),
        reactions={ce_type: [note(one) for one in several] for ce_type, several in reactions(statements).items()},
        after_commit=committed,
    )
    threading.Thread(target=lambda: asyncio.run(inbox.run(asyncio.Event())), daemon=True).start()
    _serve(pipe, seen, lock)


def _consume(ground: Ground, topic: str, pipe: Pipe) -> None:
    """Another process: a bare consumer."""
    seen: Seen = []
    lock = threading.Lock()

    def consume() -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": ground.kafka_bootstrap_servers,
                "group.id": f"bare-{uuid4()}",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 250,
            }
        )
        consumer.subscribe([topic])
        while True:
            message = consumer.poll(1.0)
            if message is not None and not message.error():
                with lock:
                    seen.append((UUID(bytes=bytes(message.key() or b"")), time.monotonic()))

    threading.Thread(target=consume, daemon=True).start()
    _serve(pipe, seen, lock)


def _serve(pipe: Pipe, seen: Seen, lock: threading.Lock) -> None:
    pipe.send("ready")
    while True:
        asked = pipe.recv()
        with lock:
            given = list(seen)
            seen.clear()
        if asked == "give":
            pipe.send(given)
