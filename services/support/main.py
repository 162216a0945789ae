"""Builds the service *support*: the only place where its parts come together."""

from collections.abc import Mapping

from relais_contracts import REGISTRY, TOPICS
from services.chassis.auth import Authenticator
from services.chassis.clock import clock_for
from services.chassis.database import Database
from services.chassis.effects import Reaction
from services.chassis.http import create_api
from services.chassis.inbox import Inbox
from services.chassis.kafka import KafkaConnection
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.support.edges.api import audit_router
from services.support.edges.other_services import OtherServicesOverHttp
from services.support.reactions.on_any_event import on_any_event

NAME = "support"


def reactions() -> Mapping[str, list[Reaction]]:
    """Every published event goes into the audit log."""
    return {ce_type: [on_any_event] for ce_type in REGISTRY}


def build(settings: Settings) -> Service:
    """The service, ready to run."""
    database = Database(
        settings.database_url_for(NAME),
        application_name=f"relais-{NAME}",
        max_connections=settings.database_max_connections,
    )
    others = OtherServicesOverHttp(settings)

    def ready() -> Mapping[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    def close() -> None:
        others.close()
        database.close()

    api = create_api(
        "Relais: support",
        service=NAME,
        auth=Authenticator.from_settings(settings),
        routers=[audit_router(database, others)],
        ready=ready,
        clock=clock_for(settings.sandbox_clock_file),
    )
    inbox = Inbox(
        consumer=NAME, topics=TOPICS, database=database, kafka=KafkaConnection(settings), reactions=reactions()
    )
    return Service(name=NAME, api=api, inboxes=[inbox], close=close)
