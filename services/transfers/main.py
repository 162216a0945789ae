"""The only place that builds the service."""

from collections.abc import Mapping

from relais_contracts import sessions
from relais_contracts import transfers as contract
from services.chassis.access import Guard
from services.chassis.accounts import with_accounts
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
from services.transfers.domain.event_types import EVENT_TYPES
from services.transfers.edges.api import routers
from services.transfers.edges.office import KnownPeople, Office
from services.transfers.edges.place_locks import PlaceLocks
from services.transfers.edges.publish import publish
from services.transfers.edges.reminders import Reminders
from services.transfers.views import absence_list, mentor_list, planned_sessions, student_list

LISTS = {
    contract.MentorRegistered.ce_type: [mentor_list.on_profile],
    contract.MentorUpdated.ce_type: [mentor_list.on_profile],
    contract.MentorCapacityChanged.ce_type: [mentor_list.on_capacity],
    contract.StudentEnrolled.ce_type: [student_list.on_enrolled],
    contract.StudentUpdated.ce_type: [student_list.on_updated],
    contract.StudentTransferred.ce_type: [student_list.on_transferred],
}


TOPICS = (contract.TOPIC, sessions.TOPIC)
REACTIONS = with_accounts({**LISTS, **absence_list.REACTIONS, **planned_sessions.REACTIONS})

VIEW = View(
    service="transfers",
    names=("transfers", "mentors", "students", "absences"),
    topics=TOPICS,
    reactions=REACTIONS,
    tables=[
        Table("mentor_list", ("mentor_id", "version")),
        Table("student_list", ("student_id", "version")),
        Table("absence_list", ("absence_id", "version"), ignored=("checked_at",)),
        Table("planned_sessions", ("session_id", "version")),
        *ACCOUNTS,
    ],
    built_last=("planned_sessions_by_student",),
)


def view(settings: Settings) -> View:
    """The lists of mentors, students and absences, to be built again."""
    return VIEW


def build(settings: Settings) -> Service:
    """Transfers with its API, its relay and the inbox that feeds the lists, and the reminders of absences."""
    database = Database(
        settings.database_url_for("transfers"),
        application_name="relais-transfers",
        max_connections=settings.database_max_connections,
    )
    kafka = KafkaConnection(settings)
    store = EventStore(database, "transfers", {**EVENT_TYPES, **OPERATIONS_EVENTS})
    relay = Relay(
        service="transfers",
        database=database,
        store=store,
        publish=with_operations(publish),
        kafka=kafka,
        source="/relais/transfers",
    )
    store.on_appended = relay.wake
    inbox = Inbox(
        consumer="transfers",
        topics=TOPICS,
        database=database,
        kafka=kafka,
        reactions=REACTIONS,
    )

    locks = PlaceLocks(settings.database_url_for("transfers"))
    office = Office(database, store, Commands(store), locks, Guard(KnownPeople(database, store), tie_patience_s=0))
    clock = clock_for(settings.sandbox_clock_file)

    def close() -> None:
        locks.close()
        database.close()

    def ready() -> Mapping[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    lag = LagWatch(service="transfers", database=database, kafka=kafka, inboxes=[inbox])
    api = create_api(
        "Relais: transfers",
        service="transfers",
        auth=Authenticator.from_settings(settings),
        routers=[
            *routers(office, clock),
            parked_router("transfers", inbox.effects, store, database),
            lag_router(lag),
            rebuilds_router(view(settings), store, database),
        ],
        ready=ready,
        clock=clock,
        before_metrics=parked_gauges(database),
    )
    return Service(
        "transfers", api=api, relay=relay, inboxes=[inbox], lag=lag, tasks=[Reminders(office, clock).run], close=close
    )
