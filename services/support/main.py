"""Builds the service *support*: the only place where its parts come together."""

from collections.abc import Mapping

from relais_contracts import REGISTRY, TOPICS
from services.chassis.auth import Authenticator
from services.chassis.clock import clock_for
from services.chassis.commands import Commands
from services.chassis.database import Database
from services.chassis.effects import EVERY_TYPE, Reaction
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
from services.chassis.replay.view import Table, View
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.support.edges.api import audit_router
from services.support.edges.other_services import OtherServicesOverHttp
from services.support.edges.parked import ParkedOverHttp, all_parked_router
from services.support.edges.proof import proof_router
from services.support.edges.sign_ins import SIGN_IN_EVENTS, publish, sign_ins_router
from services.support.reactions.on_any_event import on_any_event

NAME = "support"


def reactions() -> Mapping[str, list[Reaction]]:
    """Every published event goes into the audit log, one that is newer than this code as soon as it is known."""
    return {EVERY_TYPE: [], **{ce_type: [on_any_event] for ce_type in REGISTRY}}


def view(settings: Settings) -> View:
    """The audit log, to be built again; late events then stand in their own place, so the chains may differ."""
    return View(
        service=NAME,
        names=("audit",),
        topics=TOPICS,
        reactions=reactions(),
        tables=[
            Table("audit_events", ("event_id",), ignored=("number", "digest")),
            Table("audit_heads", ("topic", "partition"), ignored=("digest",)),
        ],
        built_last=(
            "audit_events_newest",
            "audit_events_of_subject",
            "audit_events_of_student",
            "audit_events_of_actor",
            "audit_events_of_email",
            "audit_events_of_type",
            "audit_events_of_correlation",
            "audit_events_of_cause",
            "audit_events_chain",
            "audit_events_of_mentor",
            "audit_events_from_mentor",
            "audit_events_to_mentor",
        ),
    )


def build(settings: Settings) -> Service:
    """The service, ready to run."""
    database = Database(
        settings.database_url_for(NAME),
        application_name=f"relais-{NAME}",
        max_connections=settings.database_max_connections,
    )
    kafka = KafkaConnection(settings)
    store = EventStore(database, NAME, {**OPERATIONS_EVENTS, **SIGN_IN_EVENTS})
    relay = Relay(
        service=NAME,
        database=database,
        store=store,
        publish=with_operations(publish),
        kafka=kafka,
        source=f"/relais/{NAME}",
    )
    store.on_appended = relay.wake
    inbox = Inbox(consumer=NAME, topics=TOPICS, database=database, kafka=kafka, reactions=reactions())
    others, parked_elsewhere = OtherServicesOverHttp(settings), ParkedOverHttp(settings)

    def ready() -> Mapping[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    def close() -> None:
        others.close()
        parked_elsewhere.close()
        database.close()

    lag = LagWatch(service=NAME, database=database, kafka=kafka, inboxes=[inbox])
    api = create_api(
        "Relais: support",
        service=NAME,
        auth=Authenticator.from_settings(settings),
        routers=[
            audit_router(database, others),
            proof_router(database),
            sign_ins_router(Commands(store)),
            all_parked_router(parked_elsewhere),
            parked_router(NAME, inbox.effects, store, database),
            lag_router(lag),
            rebuilds_router(view(settings), store, database),
        ],
        ready=ready,
        clock=clock_for(settings.sandbox_clock_file),
        before_metrics=parked_gauges(database),
    )
    return Service(name=NAME, api=api, relay=relay, inboxes=[inbox], lag=lag, close=close)
