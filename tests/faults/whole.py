"""Where the oracle finds what a whole Relais holds: its stores, topics and rows, and the same rows made from zero."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
from psycopg.conninfo import make_conninfo

from relais_contracts import TOPICS, sessions, transfers
from services.attendance.main import REACTIONS as ATTENDANCE
from services.billing.domain.events import EVENT_TYPES as BILLING_EVENT_TYPES
from services.billing.edges.publish import publish as publish_billing
from services.billing.edges.tariff_file import read_tariff
from services.billing.main import reactions as billing_reactions
from services.billing.views.statements import Statements
from services.chassis.accounts import with_accounts
from services.chassis.clock import SystemClock
from services.chassis.database import Database
from services.chassis.effects import Effects, Reaction, StoredRecord
from services.chassis.effects_rows import EffectsRows
from services.chassis.event_store import EventStore, EventTypes, Recorded
from services.chassis.migrate import migrate_database
from services.chassis.operations import OPERATIONS_EVENTS, with_operations
from services.chassis.relay import Publication
from services.notifier.reactions import reactions as notifier_reactions
from services.sessions.domain.events import EVENT_TYPES as SESSIONS_EVENT_TYPES
from services.sessions.edges.publish import publish as publish_sessions
from services.sessions.views import directory, sessions_list
from services.support.edges.sign_ins import SIGN_IN_EVENTS
from services.support.edges.sign_ins import publish as publish_support
from services.support.main import reactions as support_reactions
from services.transfers.domain.event_types import EVENT_TYPES as TRANSFERS_EVENT_TYPES
from services.transfers.edges.publish import publish as publish_transfers
from services.transfers.main import LISTS
from services.transfers.views import absence_list, planned_sessions
from tests.faults.oracle import (
    CommittedReader,
    Published,
    TopicReader,
    Verdict,
    published,
    rows_of,
    set_aside,
)

PARIS = ZoneInfo("Europe/Paris")
BATCH = 500

STORES: Mapping[str, tuple[EventTypes, Callable[[Recorded], Publication | None]]] = {
    "sessions": ({**SESSIONS_EVENT_TYPES, **OPERATIONS_EVENTS}, with_operations(publish_sessions)),
    "transfers": ({**TRANSFERS_EVENT_TYPES, **OPERATIONS_EVENTS}, with_operations(publish_transfers)),
    "billing": ({**BILLING_EVENT_TYPES, **OPERATIONS_EVENTS}, with_operations(publish_billing)),
    "support": ({**OPERATIONS_EVENTS, **SIGN_IN_EVENTS}, with_operations(publish_support)),
}

BILLED = {sessions.SessionHeld.ce_type, sessions.SessionCancelled.ce_type}
WRITTEN_ABOUT = {sessions.SessionCancelled.ce_type, sessions.SessionRescheduled.ce_type}

ROWS: Mapping[str, tuple[str, str, Callable[[str], bool]]] = {
    "lines": ("billing", "SELECT event_id FROM billing.statement_lines", BILLED.__contains__),
    "entries": (
        "attendance",
        "SELECT event_id FROM attendance.session_states",
        lambda ce_type: ".sessions." in ce_type,
    ),
    "e-mails": ("notifier", "SELECT event_id FROM notifier.emails WHERE state = 'sent'", WRITTEN_ABOUT.__contains__),
    "audit": ("support", "SELECT event_id FROM support.audit_events", lambda _: True),
}
"""What each service makes of events: its schema, one event id a row, and the types that it makes exactly one row of."""

REACTIONS: Mapping[str, Mapping[str, Sequence[Reaction]]] = {
    "billing": billing_reactions(Statements(read_tariff(None), PARIS)),
    "attendance": ATTENDANCE,
    "support": support_reactions(),
    "notifier": notifier_reactions(mail_domain="example.org", support_email="support@example.org", clock=SystemClock()),
    "transfers": with_accounts({**LISTS, **absence_list.REACTIONS, **planned_sessions.REACTIONS}),
    # Without the one that appends: what it appended stands on the topic.
    "sessions": with_accounts({**sessions_list.REACTIONS, **directory.REACTIONS}),
}
"""The services' own reactions, as their main.py puts them together."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that events alone make. ``passing`` are its columns that say when or how often, not what."""

    schema: str
    name: str
    passing: tuple[str, ...] = ()


TABLES = (
    *(Table(schema, name) for schema in REACTIONS for name in ("accounts", "companions")),
    Table("billing", "statement_lines"),
    Table("billing", "names"),
    Table("attendance", "student_states"),
    Table("attendance", "session_states"),
    Table("attendance", "pairing_states"),
    Table("attendance", "mentors"),
    Table("support", "audit_events"),
    Table("transfers", "mentor_list"),
    Table("transfers", "student_list"),
    Table("transfers", "planned_sessions"),
    Table("transfers", "absence_list", ("checked_at",)),
    Table("sessions", "students"),
    Table("sessions", "mentors"),
    Table("sessions", "sessions_list"),
    Table("notifier", "people"),
    Table(
        "notifier",
        "emails",
        (
            *("state", "attempts", "resends", "created_at", "next_attempt_at", "sent_at", "settled_at", "last_error"),
            *("recipient", "language", "subject", "text_body", "html_body"),
        ),
    ),
)


def judge(
    database_url: str, kafka_bootstrap_servers: str, *, rows: Iterable[str] = ROWS, with_replay: bool = False
) -> Verdict:
    """Compares stores, topics and rows as they are now; ``with_replay``, also the rows with a replay from zero."""
    verdict = Verdict()
    committed = [event for service in STORES for event in committed_events(database_url, service)]
    records = {topic: records_of(kafka_bootstrap_servers, topic) for topic in TOPICS}
    verdict.compare_topic(committed, [published(record) for each in records.values() for record in each])
    for name in rows:
        schema, query, makes_row = ROWS[name]
        found = event_ids(database_url, query)
        verdict.row_counts[name] = len(found)
        verdict.compare(name, [event.event_id for event in committed if makes_row(event.type)], found)
        verdict.faults += set_aside(database_url, schema)
    if with_replay and verdict.is_clean:
        with fresh_database(database_url) as fresh_url:
            replay(fresh_url, records)
            verdict.row_counts["replayed"] = 0
            for table in TABLES:
                replayed = rows_of(fresh_url, table.schema, table.name, table.passing)
                live = rows_of(database_url, table.schema, table.name, table.passing)
                verdict.compare(f"{table.schema}.{table.name} against a replay from zero", replayed, live)
                verdict.row_counts["replayed"] += len(replayed)
    return verdict


def committed_events(database_url: str, service: str) -> list[Published]:
    """What a service's store holds for publication, in commit order."""
    event_types, publish = STORES[service]
    database = Database(make_conninfo(database_url, user=f"relais_{service}"), application_name="oracle")
    try:
        return CommittedReader(EventStore(database, service, event_types), publish).new_events()
    finally:
        database.close()


def records_of(kafka_bootstrap_servers: str, topic: str) -> list[StoredRecord]:
    """All records of a topic, in the order of each partition."""
    reader = TopicReader(kafka_bootstrap_servers, topic)
    try:
        return reader.new_records()
    finally:
        reader.close()


def event_ids(database_url: str, query: str) -> list[UUID]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        return [row[0] for row in connection.execute(query.encode())]


@contextmanager
def fresh_database(database_url: str) -> Iterator[str]:
    """A database beside that of ``database_url``, migrated and empty, and gone behind the body."""
    name = f"replay_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            url = make_conninfo(database_url, dbname=name)
            migrate_database(url)
            yield url
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def replay(database_url: str, records: Mapping[str, Sequence[StoredRecord]]) -> None:
    """Lets all records take effect in a database that knows nothing, by each service's own reactions.

    People come before sessions, as they did in life: between topics there is no order to go by.
    """
    for service, reactions in REACTIONS.items():
        database = Database(make_conninfo(database_url, user=f"relais_{service}"), application_name="replay")
        try:
            effects = Effects(consumer=service, rows=EffectsRows(database, service), reactions=reactions)
            for topic in (transfers.TOPIC, *(topic for topic in records if topic != transfers.TOPIC)):
                replay_topic(effects, topic, records[topic])
        finally:
            database.close()


def replay_topic(effects: Effects, topic: str, records: Sequence[StoredRecord]) -> None:
    by_partition: dict[int, list[StoredRecord]] = defaultdict(list)
    for record in records:
        by_partition[record.partition].append(record)
    for partition, all_of_it in by_partition.items():
        for start in range(0, len(all_of_it), BATCH):
            batch = {partition: all_of_it[start : start + BATCH]}
            effects.apply(topic, batch, effects.rows.positions(topic, [partition]))
