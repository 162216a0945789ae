"""The inbox on real servers: each event takes effect once, in order; what fails is set aside with its key."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow

from deploy.local import Stack
from relais_contracts import CloudEvent, Malformed, sessions
from services.chassis import parked
from services.chassis.at_once import AtOnce
from services.chassis.database import Database
from services.chassis.effects import EVERY_TYPE, Effects, PositionMoved, Reaction, StoredRecord
from services.chassis.effects_rows import EffectsRows
from services.chassis.inbox import Inbox, NotYet, group_id
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.migrate import migrations_of
from services.chassis.settings import Settings
from tests.chassis.pipeline import effects_in, event, eventually, record_effect, running, send

HELD = sessions.SessionHeld.ce_type
EFFECTS = """
CREATE TABLE billing.effects (
    effect_id bigint GENERATED ALWAYS AS IDENTITY, student_id text, session_id uuid, version bigint
);
GRANT ALL ON billing.effects TO relais_billing
"""


@pytest.fixture
def kafka(stack: Stack) -> KafkaConnection:
    return KafkaConnection(Settings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers))


@pytest.fixture
def topic(kafka: KafkaConnection) -> str:
    name = f"test.inbox.{uuid4().hex[:8]}"
    asyncio.run(ensure_topics(kafka, [name]))
    return name


@pytest.fixture
def billing(database_url: str) -> Iterator[Database]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS billing.effects")
        connection.execute("TRUNCATE billing.parked, billing.inbox_positions, billing.inbox_versions")
        connection.execute(EFFECTS)
    own = Database(make_conninfo(database_url, user="relais_billing"), application_name="test-billing")
    yield own
    own.close()


@pytest.fixture
def inbox_of(billing: Database, kafka: KafkaConnection, topic: str) -> Callable[..., Inbox]:
    """Makes a member of one and the same consumer."""

    def make(*reactions: Reaction, **options: Any) -> Inbox:
        return Inbox(
            consumer="billing",
            topics=[topic],
            database=billing,
            kafka=kafka,
            reactions={HELD: reactions or (record_effect,)},
            **options,
        )

    return make


def by_key(events: list[CloudEvent]) -> dict[str, list[tuple[UUID, int]]]:
    keys: dict[str, list[tuple[UUID, int]]] = {}
    for one in events:
        keys.setdefault(one.key, []).append((one.subject, one.sequence))
    return keys


def stream(students: int, versions: int) -> list[CloudEvent]:
    """Events of one session a student, round after round."""
    people = [(uuid4(), uuid4()) for _ in range(students)]
    return [event(session, version, student) for version in range(1, versions + 1) for session, student in people]


def records(events: list[CloudEvent]) -> list[tuple[bytes, bytes, list[tuple[str, bytes]]]]:
    return [one.to_record() for one in events]


def as_read(topic: str, offset: int, one: CloudEvent) -> StoredRecord:
    key, value, headers = one.to_record()
    return StoredRecord(topic, 0, offset, key, value, headers)


@pytest.mark.mutation("dropping doubles by aggregate and version")
def test_what_the_relay_sends_twice_takes_effect_once(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=20, versions=5)

    async def scenario() -> None:
        async with running(inbox_of().run):
            await send(kafka, topic, records(events[:60] + events[20:] + events[80:]))
            await eventually(lambda: sum(map(len, effects_in(billing).values())) >= 100)
            await send(kafka, topic, records(events[50:]))
            await asyncio.sleep(0.5)
        assert effects_in(billing) == by_key(events)

    asyncio.run(scenario())


def test_members_that_join_and_leave_lose_and_double_nothing(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=30, versions=60)
    choice = random.Random(11)

    async def come_and_go(done: asyncio.Event) -> None:
        while not done.is_set():
            async with running(inbox_of().run):
                await asyncio.sleep(choice.uniform(0.5, 2.0))

    async def scenario() -> None:
        async with running(inbox_of().run):
            async with running(come_and_go, come_and_go):
                for start in range(0, len(events), 90):
                    await send(kafka, topic, records(events[start : start + 90]))
                    await asyncio.sleep(0.2)
            await eventually(lambda: sum(map(len, effects_in(billing).values())) >= len(events))
        assert effects_in(billing) == by_key(events)

    asyncio.run(scenario())


def test_a_member_that_is_killed_before_or_after_its_commit_changes_nothing(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=10, versions=40)
    choice = random.Random(3)

    async def scenario() -> None:
        await send(kafka, topic, records(events))
        deadline = time.monotonic() + 30
        while sum(map(len, effects_in(billing).values())) < len(events) and time.monotonic() < deadline:
            member = asyncio.create_task(inbox_of(_slowly(record_effect)).run(asyncio.Event()))
            await asyncio.sleep(choice.uniform(0.2, 1.0))
            member.cancel()
            await asyncio.gather(member, return_exceptions=True)
        assert effects_in(billing) == by_key(events)

    asyncio.run(scenario())


def _slowly(reaction: Reaction) -> Reaction:
    def slow(connection: Connection[DictRow], one: CloudEvent) -> None:
        time.sleep(0.001)
        reaction(connection, one)

    return slow


def test_poison_is_parked_with_its_key_and_the_others_go_on(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=12, versions=6)
    poisoned = events[3]
    is_mended = False

    def react(connection: Connection[DictRow], one: CloudEvent) -> None:
        if (one.subject, one.sequence) == (poisoned.subject, 2) and not is_mended:
            connection.execute("SELECT 1 / 0")
        record_effect(connection, one)

    async def scenario() -> None:
        nonlocal is_mended
        inbox = inbox_of(react)
        expected = by_key(events)
        async with running(inbox.run):
            await send(kafka, topic, records(events))
            await eventually(lambda: sum(map(len, effects_in(billing).values())) >= 12 * 6 - 5)
            await send(kafka, topic, records([event(poisoned.subject, 7, UUID(poisoned.key))]))
            await eventually(lambda: len(parked.list_open(billing)) == 6)

            set_aside = parked.list_open(billing)
            assert [one.key for one in set_aside] == [poisoned.key] * 6
            assert "DivisionByZero" in set_aside[0].error
            assert set_aside[0].attempts == 3
            assert set_aside[0].type == HELD
            assert all(one.error.startswith("held back") for one in set_aside[1:])
            assert effects_in(billing)[poisoned.key] == expected[poisoned.key][:1]

            again = parked.retry(inbox.effects, set_aside[0], by="support:zoe@example.org")
            assert (again.settled_count, again.open_count) == (0, 6)
            assert "DivisionByZero" in (again.error or "")

            is_mended = True
            again = parked.retry(inbox.effects, set_aside[0], by="support:zoe@example.org")
            assert (again.settled_count, again.open_count, again.error) == (6, 0, None)
            expected[poisoned.key].append((poisoned.subject, 7))
            await send(kafka, topic, records([event(poisoned.subject, 8, UUID(poisoned.key))]))
            expected[poisoned.key].append((poisoned.subject, 8))
            await eventually(lambda: effects_in(billing) == expected)
        settled = parked.show(billing, set_aside[0].parked_id)
        assert settled is not None
        assert (settled.state, settled.settled_by) == ("retried", "support:zoe@example.org")

    asyncio.run(scenario())


def test_a_parked_event_is_skipped_only_with_a_reason(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=1, versions=3)

    def react(connection: Connection[DictRow], one: CloudEvent) -> None:
        if one.sequence == 1:
            raise LookupError("no tariff")
        record_effect(connection, one)

    async def scenario() -> None:
        inbox = inbox_of(react)
        async with running(inbox.run):
            await send(kafka, topic, records(events))
            await eventually(lambda: len(parked.list_open(billing)) == 3)
            first = parked.list_open(billing)[0]
            with billing.transaction() as connection:
                with pytest.raises(ValueError, match="reason"):
                    parked.skip(connection, first.parked_id, by="support:zoe@example.org", reason=" ")
                assert parked.skip(connection, first.parked_id, by="support:zoe@example.org", reason="a test")
                assert not parked.skip(connection, first.parked_id, by="support:zoe@example.org", reason="twice")
            assert parked.retry(inbox.effects, first, by="support:zoe@example.org").open_count == 0
        assert effects_in(billing) == {events[0].key: [(events[0].subject, 2), (events[0].subject, 3)]}
        skipped = parked.show(billing, first.parked_id)
        assert skipped is not None
        assert (skipped.state, skipped.reason) == ("skipped", "a test")

    asyncio.run(scenario())


def test_unknown_types_are_passed_over_and_what_is_malformed_or_of_a_newer_version_is_parked(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    good = stream(students=2, versions=2)
    bad_key = str(uuid4()).encode()
    _, value, headers = good[0].to_record()
    of_newer_version = [(name, b"relais.sessions.SessionHeld.v9" if name == "ce_type" else v) for name, v in headers]
    of_other_type = [(name, b"relais.sessions.SessionDreamt.v1" if name == "ce_type" else v) for name, v in headers]
    bad = [
        (bad_key, b"not json", headers),
        (bad_key, b'{"session_id": "no"}', headers),
        (bad_key, value, []),
        (bad_key, value, [("ce_type", b"\xff\xfe"), ("nul\0", b"\0")]),
        (bad_key, value, of_newer_version),
        (bad_key, value, of_other_type),
    ]

    async def scenario() -> None:
        async with running(inbox_of().run):
            await send(kafka, topic, [*bad, *records(good)])
            await eventually(lambda: sum(map(len, effects_in(billing).values())) >= len(good))
            await eventually(lambda: len(parked.list_open(billing)) >= 4)
        assert effects_in(billing) == by_key(good)
        assert {one.key for one in parked.list_open(billing)} == {bad_key.decode()}
        assert len(parked.list_open(billing)) == 4

    asyncio.run(scenario())


def test_an_event_that_refers_to_what_has_not_arrived_waits_with_its_key_and_no_other(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=8, versions=4)
    late = events[0]
    has_arrived = False

    def react(connection: Connection[DictRow], one: CloudEvent) -> None:
        if one.key == late.key and not has_arrived:
            raise NotYet("the student")
        record_effect(connection, one)

    async def scenario() -> None:
        nonlocal has_arrived
        async with running(inbox_of(react).run):
            await send(kafka, topic, records(events))
            await eventually(lambda: sum(map(len, effects_in(billing).values())) == 7 * 4, deadline_s=5)
            has_arrived = True
            await eventually(lambda: effects_in(billing) == by_key(events), deadline_s=5)
            assert parked.list_open(billing) == []

    asyncio.run(scenario())


def test_a_database_that_is_away_is_waited_for_and_nothing_is_parked(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str, database_url: str
) -> None:
    events = stream(students=10, versions=10)

    def let_in(is_let_in: bool) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("ALTER ROLE relais_billing LOGIN" if is_let_in else "ALTER ROLE relais_billing NOLOGIN")
            if not is_let_in:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE usename = 'relais_billing' AND datname = current_database()"
                )

    async def scenario() -> None:
        async with running(inbox_of(_slowly(record_effect)).run):
            await send(kafka, topic, records(events[:50]))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(let_in, False)
            await send(kafka, topic, records(events[50:]))
            await asyncio.sleep(1.0)
            await asyncio.to_thread(let_in, True)
            await eventually(lambda: effects_in(billing) == by_key(events))
        assert parked.list_open(billing) == []

    try:
        asyncio.run(scenario())
    finally:
        let_in(True)


def test_offsets_that_hold_no_record_are_passed_over(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    """The marker at the end of a transaction takes an offset of its own: reading goes on behind it, into poison too."""
    events = stream(students=1, versions=3)
    bad_key, other = str(uuid4()).encode(), events[0].to_record()[2]

    async def in_a_transaction(key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        producer = AIOKafkaProducer(**kafka.client_options(), transactional_id=str(uuid4()))
        async with producer, producer.transaction():
            await producer.send(topic, value, key, partition=0, headers=list(headers))

    async def scenario() -> None:
        async with running(inbox_of().run):
            for count, one in enumerate(events, start=1):
                await in_a_transaction(*one.to_record())
                await eventually(lambda wanted=count: sum(map(len, effects_in(billing).values())) == wanted)
                await in_a_transaction(bad_key, b"not json", other)
                await eventually(lambda wanted=count: len(parked.list_open(billing)) == wanted)
        assert effects_in(billing) == by_key(events)

    asyncio.run(scenario())


def test_a_member_begins_where_its_row_is_whatever_kafka_says(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=1, versions=6)

    async def scenario() -> None:
        await send(kafka, topic, records(events))
        group, consumer = group_id("billing", topic), AIOKafkaConsumer
        async with consumer(topic, **kafka.client_options(), group_id=group, enable_auto_commit=False) as foreign:
            await eventually(lambda: bool(foreign.assignment()))
            await foreign.commit(dict.fromkeys(foreign.assignment(), 4))
        async with running(inbox_of().run):
            await eventually(lambda: effects_in(billing) == by_key(events))
        async with consumer(**kafka.client_options(), group_id=group) as monitor:
            partitions = [TopicPartition(topic, number) for number in range(kafka.partitions)]
            assert max([await monitor.committed(partition) or 0 for partition in partitions]) == len(events)

    asyncio.run(scenario())


@pytest.mark.mutation("the fence of the inbox's position")
def test_a_consumer_that_was_replaced_leaves_no_effect(billing: Database, topic: str) -> None:
    def effects() -> Effects:
        return Effects(consumer="billing", rows=EffectsRows(billing, "billing"), reactions={HELD: [record_effect]})

    events = stream(students=1, versions=3)
    batch: Mapping[int, list[StoredRecord]] = {0: [as_read(topic, offset, one) for offset, one in enumerate(events)]}
    replaced, successor = effects(), effects()
    assert replaced.rows.positions(topic, [0]) == {0: 0}
    assert successor.rows.positions(topic, [0]) == {0: 0}
    successor.apply(topic, batch, {0: 0})
    with pytest.raises(PositionMoved):
        replaced.apply(topic, batch, {0: 0})
    with pytest.raises(PositionMoved):
        replaced.apply_one_by_one(topic, batch, {0: 0})
    assert effects_in(billing) == by_key(events)
    assert replaced.rows.positions(topic, [0]) == {0: 3}


def test_a_consumer_of_every_type_sets_aside_what_is_newer_than_its_code(billing: Database, topic: str) -> None:
    (known,) = stream(students=1, versions=1)
    key, value, headers = known.to_record()
    newer = [(name, b"relais.sessions.SessionDreamt.v1" if name == "ce_type" else given) for name, given in headers]
    batch = {0: [as_read(topic, 0, known), StoredRecord(topic, 0, 1, key, value, newer)]}
    every = Effects(
        consumer="billing", rows=EffectsRows(billing, "billing"), reactions={EVERY_TYPE: [], HELD: [record_effect]}
    )
    assert every.rows.positions(topic, [0]) == {0: 0}
    with pytest.raises(Malformed):
        every.apply(topic, batch, {0: 0})
    every.apply_one_by_one(topic, batch, {0: 0})
    assert effects_in(billing) == by_key([known])
    (aside,) = parked.list_open(billing)
    assert (aside.offset, aside.state) == (1, "parked")
    assert "not known here" in aside.error


@pytest.mark.mutation("the position in the transaction of the effect")
def test_position_and_effect_are_one(billing: Database, topic: str) -> None:
    def fail_at_the_end(connection: Connection[DictRow], one: CloudEvent) -> None:
        record_effect(connection, one)
        if one.sequence == 3:
            raise RuntimeError

    events = stream(students=1, versions=3)
    failing = Effects(consumer="billing", rows=EffectsRows(billing, "billing"), reactions={HELD: [fail_at_the_end]})
    failing.rows.positions(topic, [0])
    with pytest.raises(RuntimeError):
        failing.apply(topic, {0: [as_read(topic, number, one) for number, one in enumerate(events)]}, {0: 0})
    assert effects_in(billing) == {}
    assert failing.rows.positions(topic, [0]) == {0: 0}


@pytest.mark.mutation("a batch that fails at once is tried one by one")
def test_reactions_that_take_many_events_get_them_together_and_poison_stays_alone(
    inbox_of: Callable[..., Inbox], billing: Database, kafka: KafkaConnection, topic: str
) -> None:
    events = stream(students=20, versions=3)
    poison, sizes = events[0].subject, []

    def react(connection: Connection[DictRow], several: Sequence[CloudEvent]) -> None:
        sizes.append(len(several))
        for one in several:
            record_effect(connection, one)
            if one.subject == poison and one.sequence == 2:
                raise LookupError("no tariff")

    async def scenario() -> None:
        await send(kafka, topic, records(events))
        async with running(inbox_of(AtOnce(react)).run):
            await eventually(lambda: sum(map(len, effects_in(billing).values())) == len(events) - 2)
        assert [one.event_id for one in parked.list_open(billing)] == [
            str(one.id) for one in events if one.subject == poison and one.sequence > 1
        ]
        expected = by_key([one for one in events if one.subject != poison or one.sequence == 1])
        assert effects_in(billing) == expected

    asyncio.run(scenario())
    assert max(sizes) > 1


UPGRADE = """
DELETE FROM billing.inbox_positions;
DELETE FROM billing.inbox_versions;
TRUNCATE billing.effects;
INSERT INTO billing.schema_migrations (name, sha256, applied_at) VALUES ('billing/9999_next.sql', '', clock_timestamp())
"""
"""What a migration of a later version does that needs the topic read again."""


@pytest.fixture
def later_version(inbox_of: Callable[..., Inbox], database_url: str) -> Iterator[Inbox]:
    """A member that knows of the upgrade; the others do not."""
    names = [*(migration.name for migration in migrations_of("billing")), "billing/9999_next.sql"]
    yield inbox_of(known_migrations=names)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM billing.schema_migrations WHERE name = 'billing/9999_next.sql'")


@pytest.mark.mutation("giving way to a newer version")
def test_a_member_of_an_older_version_gives_way_where_a_migration_has_all_read_again(
    inbox_of: Callable[..., Inbox],
    later_version: Inbox,
    billing: Database,
    database_url: str,
    kafka: KafkaConnection,
    topic: str,
) -> None:
    """Also where it starts again afterwards; but one that reads nothing again is none of its business."""
    events = stream(students=20, versions=5)

    async def scenario() -> None:
        async with asyncio.timeout(20):
            older = asyncio.create_task(inbox_of().run(asyncio.Event()))
            await send(kafka, topic, records(events[:60]))
            await eventually(lambda: sum(map(len, effects_in(billing).values())) >= 60)
            with psycopg.connect(database_url) as connection:
                connection.execute(UPGRADE)
            await send(kafka, topic, records(events[60:80]))
            await older
            assert effects_in(billing) == {}
            async with running(later_version.run):
                await eventually(lambda: sum(map(len, effects_in(billing).values())) >= 80)
            await inbox_of().run(asyncio.Event())
            await send(kafka, topic, records(events[80:]))
            async with running(later_version.run):
                await eventually(lambda: sum(map(len, effects_in(billing).values())) >= 100)
            assert effects_in(billing) == by_key(events)

    asyncio.run(scenario())


def test_a_migration_that_has_nothing_read_again_leaves_an_older_member_at_work(
    inbox_of: Callable[..., Inbox], billing: Database, later_version: Inbox, database_url: str, topic: str
) -> None:
    older = inbox_of().effects.rows
    older.positions(topic, [0, 1])
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO billing.schema_migrations (name, sha256) VALUES ('billing/9999_next.sql', '')")
    assert older.positions(topic, [0, 1]) == {0: 0, 1: 0}
    assert later_version.effects.rows.positions(topic, [0, 1]) == {0: 0, 1: 0}
