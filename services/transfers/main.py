"""The only place that builds the service."""

from collections.abc import Mapping

from relais_contracts import transfers as contract
from services.chassis.auth import Authenticator
from services.chassis.clock import clock_for
from services.chassis.commands import Commands
from services.chassis.database import Database
from services.chassis.event_store import EventStore
from services.chassis.http import create_api
from services.chassis.inbox import Inbox
from services.chassis.kafka import KafkaConnection
from services.chassis.relay import Relay
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.transfers.domain.event_types import EVENT_TYPES
from services.transfers.edges.api import routers
from services.transfers.edges.office import Office
from services.transfers.edges.place_locks import PlaceLocks
from services.transfers.edges.publish import publish
from services.transfers.views import mentor_list, student_list

LISTS = {
    contract.MentorRegistered.ce_type: [mentor_list.on_profile],
    contract.MentorUpdated.ce_type: [mentor_list.on_profile],
    contract.MentorCapacityChanged.ce_type: [mentor_list.on_capacity],
    contract.StudentEnrolled.ce_type: [student_list.on_enrolled],
    contract.StudentUpdated.ce_type: [student_list.on_updated],
    contract.StudentTransferred.ce_type: [student_list.on_transferred],
}


def build(settings: Settings) -> Service:
    """Transfers with its API, its relay and the inbox that feeds the lists."""
    database = Database(
        settings.database_url_for("transfers"),
        application_name="relais-transfers",
        max_connections=settings.database_max_connections,
    )
    kafka = KafkaConnection(settings)
    store = EventStore(database, "transfers", EVENT_TYPES)
    relay = Relay(
        service="transfers", database=database, store=store, publish=publish, kafka=kafka, source="/relais/transfers"
    )
    store.on_appended = relay.wake
    lists = Inbox(consumer="transfers", topics=[contract.TOPIC], database=database, kafka=kafka, reactions=LISTS)

    def ready() -> Mapping[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    api = create_api(
        "Relais: transfers",
        service="transfers",
        auth=Authenticator.from_settings(settings),
        routers=routers(Office(database, store, Commands(store), PlaceLocks())),
        ready=ready,
        clock=clock_for(settings.sandbox_clock_file),
    )
    return Service("transfers", api=api, relay=relay, inboxes=[lists], close=database.close)
