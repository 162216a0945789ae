"""Row 2: what was acknowledged is durable, and nothing has happened that was not, whatever becomes of PostgreSQL."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis.auth import Principal
from services.chassis.commands import CommandRequest, Commands, Decision
from services.chassis.database import Database
from services.chassis.event_store import Change, EventStore
from services.chassis.migrate import migrate_database
from services.chassis.refusal import Unavailable
from tests.chassis.pipeline import EVENT_TYPES, Noted, context
from tests.faults.oracle import Verdict
from tests.faults.proxy import ProxyHouse
from tests.faults.small import at_once
from tests.faults.table import Results

CLIENTS = 6
COMMANDS = 25
SHORT_RUNS = 2
GIVE_UP_S = 60.0
SOMEBODY = Principal("support", "test@example.org", "Test", ("support",))
STORED = "SELECT originator_id, originator_version FROM sessions.stored_events"
ANSWERED = "SELECT count(*) FROM sessions.commands"


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A PostgreSQL that keeps what it acknowledges, as in production; the one that all tests share does not."""
    stack = Stack.start(tmp_path_factory.mktemp("durable"), brokers=0)
    migrate_database(stack.database_url)
    yield stack
    stack.stop()


@dataclass
class Clients:
    """Clients that repeat each command under its Idempotency-Key until it is answered."""

    commands: Commands
    store: EventStore
    shared: UUID = field(default_factory=uuid4)
    """An aggregate that all of them change."""
    accepted: list[tuple[UUID, int]] = field(default_factory=list)
    repeated_count: int = 0

    def run(self, seed: int) -> None:
        at_once([partial(self._client, random.Random(seed + number)) for number in range(CLIENTS)])

    def _client(self, choice: random.Random) -> None:
        own = uuid4()
        for _ in range(COMMANDS):
            self.accepted.append(self._answered(self.shared if choice.random() < 0.2 else own))

    def _answered(self, aggregate_id: UUID) -> tuple[UUID, int]:
        request = CommandRequest(context(), str(uuid4()), "same", None, "en", SOMEBODY)
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            try:
                answer = orjson.loads(self.commands.execute(request, partial(self._decide, aggregate_id)).body)
            except (psycopg.OperationalError, Unavailable):
                assert time.monotonic() < deadline, "the command was not answered"
                self.repeated_count += 1
                time.sleep(0.05)
            else:
                return UUID(answer["aggregate_id"]), answer["version"]

    def _decide(self, aggregate_id: UUID) -> Decision:
        version = len(self.store.load(aggregate_id))
        return Decision(
            [Change(aggregate_id, version, [Noted(None)])],
            lambda: {"aggregate_id": str(aggregate_id), "version": version + 1},
            status=201,
        )


def compare(database_url: str, accepted: list[tuple[UUID, int]]) -> Verdict:
    """Exactly the accepted commands have happened, each once."""
    verdict = Verdict(committed_count=CLIENTS * COMMANDS)
    with psycopg.connect(database_url) as connection:
        verdict.compare("accepted commands", accepted, [(row[0], row[1]) for row in connection.execute(STORED)])
        answers = connection.execute(ANSWERED).fetchone()
    assert answers == (len(accepted),)
    return verdict


@pytest.mark.timeout(3600)
def test_a_postgres_that_is_killed_amid_commands_loses_and_invents_nothing(
    durable: Stack, results: Results, runs: int | None, seed: int
) -> None:
    assert durable.postgres is not None
    database = Database(make_conninfo(durable.database_url, user="relais_sessions"), application_name="test")
    store = EventStore(database, "sessions", EVENT_TYPES)
    accepted: list[tuple[UUID, int]] = _accepted_before(durable.database_url)
    with results.line(2, "kill -9 of PostgreSQL, all of it, amid commands", seed) as line:
        for run in range(runs or SHORT_RUNS):
            clients = Clients(Commands(store), store)
            at_once([partial(clients.run, seed + run), partial(_kill, durable, clients, random.Random(seed + run))])
            accepted += clients.accepted
            line.add(compare(durable.database_url, accepted))
    database.close()


def _kill(durable: Stack, clients: Clients, choice: random.Random) -> None:
    at_count = choice.randrange(5, CLIENTS * COMMANDS * 3 // 4)
    while len(clients.accepted) < at_count:
        time.sleep(0.001)
    assert durable.postgres is not None
    durable.postgres.kill()
    durable.postgres.start()


@pytest.mark.timeout(3600)
def test_a_command_whose_reply_is_lost_has_happened_once_and_is_answered_as_accepted(
    durable: Stack, house: ProxyHouse, results: Results, runs: int | None, seed: int
) -> None:
    """The proxy cuts between the commit and its reply: only the event's own id says whether it was ours."""
    proxy, url = house.postgres(durable.database_url)
    database = Database(make_conninfo(url, user="relais_sessions"), application_name="test")
    store = EventStore(database, "sessions", EVENT_TYPES)
    accepted: list[tuple[UUID, int]] = _accepted_before(durable.database_url)
    with results.line(2, "the reply to an append is lost (cut by a proxy)", seed) as line:
        for run in range(runs or SHORT_RUNS):
            choice = random.Random(seed + run)
            clients = Clients(Commands(store), store)
            traps = [
                proxy.trap("INSERT INTO stored_events", choice.choice(["before", "after", "after"]), nth)
                for nth in sorted(choice.sample(range(1, 100), 5))
            ]
            for trap in traps:
                trap.cut()  # Decided beforehand: it is cut as soon as it is met.
            clients.run(seed + run)
            accepted += clients.accepted
            line.add(compare(durable.database_url, accepted), faults=sum(trap.sprung.is_set() for trap in traps))
    database.close()


def _accepted_before(database_url: str) -> list[tuple[UUID, int]]:
    with psycopg.connect(database_url) as connection:
        return [(row[0], row[1]) for row in connection.execute(STORED)]
