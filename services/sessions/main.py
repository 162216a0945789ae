"""Builds the service *sessions*; nothing else does."""

from collections.abc import Mapping

from relais_contracts import sessions as own_events
from relais_contracts import transfers as foreign_events
from services.chassis.access import Guard
from services.chassis.accounts import Accounts, with_accounts
from services.chassis.auth import Authenticator
from services.chassis.clock import clock_for
from services.chassis.commands import Commands
from services.chassis.database import Database
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
from services.sessions.domain.events import EVENT_TYPES
from services.sessions.edges.api import create_router
from services.sessions.edges.handling import SessionHandling
from services.sessions.edges.importing import SessionImport
from services.sessions.edges.publish import SOURCE, publish
from services.sessions.reactions.on_student_transferred import on_student_transferred
from services.sessions.views import directory, sessions_list

NAME = "sessions"


TOPICS = (own_events.TOPIC, foreign_events.TOPIC)

VIEW = View(
    service=NAME,
    names=("sessions",),
    topics=TOPICS,
    # A transfer hands over sessions by a command of ours; that is done, and is not done again.
    reactions=with_accounts({**sessions_list.REACTIONS, **directory.REACTIONS}),
    tables=[
        Table("sessions_list", ("session_id", "version")),
        Table("students", ("student_id",)),
        Table("mentors", ("mentor_id",)),
        *ACCOUNTS,
    ],
    built_last=(
        "sessions_list_by_start",
        "sessions_list_by_mentor",
        "sessions_list_by_student",
        "sessions_list_make_ups",
    ),
)


def view(settings: Settings) -> View:
    """The list of sessions and the directory, to be built again."""
    return VIEW


def build(settings: Settings) -> Service:
    """The service with its API, its relay and its inbox, on the servers that ``settings`` name."""
    clock = clock_for(settings.sandbox_clock_file)
    database = Database(
        settings.database_url_for(NAME),
        application_name=f"relais-{NAME}",
        max_connections=settings.database_max_connections,
    )
    store = EventStore(database, NAME, {**EVENT_TYPES, **OPERATIONS_EVENTS})
    kafka = KafkaConnection(settings)
    relay = Relay(
        service=NAME, database=database, store=store, publish=with_operations(publish), kafka=kafka, source=SOURCE
    )
    store.on_appended = relay.wake

    people = directory.Directory(database)
    commands = Commands(store)
    guard = Guard(Accounts(database))
    router = create_router(
        SessionHandling(commands, store, people, guard),
        SessionImport(commands, store, people, settings.timezone, more_to_come=relay.hold),
        sessions_list.SessionsList(database),
        guard,
        clock,
    )

    def ready() -> Mapping[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    inbox = Inbox(
        consumer=NAME,
        topics=TOPICS,
        database=database,
        kafka=kafka,
        reactions=with_accounts(
            {
                **sessions_list.REACTIONS,
                **directory.REACTIONS,
                foreign_events.StudentTransferred.ce_type: (on_student_transferred(store, clock),),
            }
        ),
        after_commit=relay.wake,
    )
    lag = LagWatch(service=NAME, database=database, kafka=kafka, inboxes=[inbox])
    api = create_api(
        "Relais: sessions",
        service=NAME,
        auth=Authenticator.from_settings(settings),
        routers=[
            router,
            parked_router(NAME, inbox.effects, store, database),
            lag_router(lag),
            rebuilds_router(view(settings), store, database),
        ],
        ready=ready,
        clock=clock,
        before_metrics=parked_gauges(database),
    )
    return Service(NAME, api=api, relay=relay, inboxes=[inbox], lag=lag, close=database.close)
