"""Builds the service *billing*: the only place where its parts come together."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.sessions import SessionCancelled, SessionCorrected, SessionHeld
from relais_contracts.transfers import MentorRegistered, MentorUpdated, StudentEnrolled, StudentUpdated
from services.billing.domain.events import EVENT_TYPES
from services.billing.domain.statement import Documented
from services.billing.edges.api import lines_router, statements_router
from services.billing.edges.disputes import disputes_router
from services.billing.edges.months import months_router
from services.billing.edges.publish import publish
from services.billing.edges.tariff_file import read_tariff
from services.billing.reactions.on_mentor_registered import on_mentor_registered
from services.billing.reactions.on_session_cancelled import on_session_cancelled
from services.billing.reactions.on_session_corrected import on_session_corrected
from services.billing.reactions.on_session_held import on_session_held
from services.billing.reactions.on_student_enrolled import on_student_enrolled
from services.billing.views import names
from services.billing.views.recording import Place, Said
from services.billing.views.statements import Statements
from services.chassis.access import Guard
from services.chassis.accounts import Accounts, with_accounts
from services.chassis.at_once import AtOnce
from services.chassis.auth import Authenticator
from services.chassis.clock import clock_for
from services.chassis.commands import Commands
from services.chassis.database import Database
from services.chassis.effects import Reaction
from services.chassis.event_store import EventStore
from services.chassis.http import create_api
from services.chassis.inbox import Inbox
from services.chassis.kafka import KafkaConnection
from services.chassis.lag import LagWatch
from services.chassis.lag_api import lag_router
from services.chassis.operations import OPERATIONS_EVENTS, with_operations
from services.chassis.parked_api import parked_gauges, parked_router
from services.chassis.relay import Relay
from services.chassis.replay.rebuilds_api import rebuilds_router
from services.chassis.replay.view import ACCOUNTS, Table, View
from services.chassis.service import Service
from services.chassis.settings import Settings

NAME = "billing"
TOPICS = ("relais.sessions", "relais.transfers")


DOCUMENTED: Mapping[str, Callable[[CloudEvent], Documented]] = {
    SessionHeld.ce_type: on_session_held,
    SessionCancelled.ce_type: on_session_cancelled,
    SessionCorrected.ce_type: on_session_corrected,
}
"""What events say of a session that goes on a statement, by event type."""


NAMED: Mapping[str, Callable[[CloudEvent], tuple[UUID, str]]] = {
    MentorRegistered.ce_type: on_mentor_registered,
    MentorUpdated.ce_type: on_mentor_registered,
    StudentEnrolled.ce_type: on_student_enrolled,
    StudentUpdated.ce_type: on_student_enrolled,
}
"""How events say that people are called, by event type."""


def reactions(statements: Statements) -> Mapping[str, list[Reaction]]:
    """What billing does when something happens, by event type."""

    def record(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
        statements.record(
            connection, [Said(DOCUMENTED[event.type](event), event.time, _place(event)) for event in events]
        )

    def name(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
        names.keep(connection, dict(NAMED[event.type](event) for event in events))

    record_all, name_all = AtOnce(record), AtOnce(name)
    return with_accounts({**dict.fromkeys(NAMED, (name_all,)), **dict.fromkeys(DOCUMENTED, (record_all,))})


def view(settings: Settings) -> View:
    """The statements' lines, to be built again. Closings are commands: the lines are built around them."""
    return View(
        service=NAME,
        names=("billing", "statements"),
        topics=TOPICS,
        reactions=reactions(Statements(read_tariff(settings.tariff_file), settings.zone(), rebuilding=True)),
        tables=[Table("statement_lines", ("line_id",)), Table("names", ("person_id",)), *ACCOUNTS],
        built_last=("statement_lines_of_mentor", "statement_lines_of_month"),
        looks_at={"closed_statements": "closed_at"},
    )


def build(settings: Settings) -> Service:
    """The service, ready to run. Raises TariffError where the tariff file can't be used."""
    statements = Statements(read_tariff(settings.tariff_file), settings.zone())
    database = Database(
        settings.database_url_for(NAME),
        application_name=f"relais-{NAME}",
        max_connections=settings.database_max_connections,
    )
    kafka = KafkaConnection(settings)
    store = EventStore(database, NAME, {**EVENT_TYPES, **OPERATIONS_EVENTS})
    relay = Relay(
        service=NAME,
        database=database,
        store=store,
        publish=with_operations(publish),
        kafka=kafka,
        source=f"/relais/{NAME}",
    )
    store.on_appended = relay.wake

    def ready() -> Mapping[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    clock = clock_for(settings.sandbox_clock_file)
    inbox = Inbox(
        consumer=NAME,
        topics=TOPICS,
        database=database,
        kafka=kafka,
        reactions=reactions(statements),
    )
    accounts = Accounts(database)
    guard = Guard(accounts)
    lag = LagWatch(service=NAME, database=database, kafka=kafka, inboxes=[inbox])
    api = create_api(
        "Relais: billing",
        service=NAME,
        auth=Authenticator.from_settings(settings),
        routers=[
            statements_router(database, store, Commands(store), statements, guard, accounts),
            lines_router(database, statements),
            months_router(database, Commands(store), statements, clock),
            disputes_router(database, store, Commands(store), statements, guard),
            parked_router(NAME, inbox.effects, store, database),
            lag_router(lag),
            rebuilds_router(view(settings), store, database),
        ],
        ready=ready,
        clock=clock,
        before_metrics=parked_gauges(database),
    )
    return Service(name=NAME, api=api, relay=relay, inboxes=[inbox], lag=lag, close=database.close)


def _place(event: CloudEvent) -> Place | None:
    if event.topic is None or event.partition is None or event.offset is None:
        return None
    return event.topic, event.partition, event.offset
