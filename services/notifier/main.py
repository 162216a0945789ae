"""The notifier, put together."""

from email.utils import parseaddr

from services.chassis.auth import Authenticator
from services.chassis.clock import clock_for
from services.chassis.commands import Commands
from services.chassis.database import Database
from services.chassis.event_store import EventStore
from services.chassis.http import create_api
from services.chassis.inbox import Inbox
from services.chassis.kafka import KafkaConnection
from services.chassis.parked_api import PARKED_EVENTS, no_others, parked_gauges, parked_router, with_skips
from services.chassis.relay import Relay
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.notifier.edges.api import create_router
from services.notifier.edges.calendar_feed import feed_router, link_router
from services.notifier.edges.rendering import Renderer
from services.notifier.edges.sender import Sender
from services.notifier.edges.smtp import SmtpAddress, SmtpServer
from services.notifier.reactions import reactions

NAME = "notifier"


def build(settings: Settings) -> Service:
    """Without ``smtp_url`` e-mails are queued and none is sent."""
    url = settings.database_url_for(NAME)
    database = Database(url, application_name=NAME, max_connections=settings.database_max_connections)
    kafka = KafkaConnection(settings)
    # Beside what it skips it decides nothing, and keeps the answers to repeated Idempotency-Keys.
    store = EventStore(database, NAME, PARKED_EVENTS)
    relay = Relay(
        service=NAME,
        database=database,
        store=store,
        publish=with_skips(no_others),
        kafka=kafka,
        source=f"/relais/{NAME}",
    )
    store.on_appended = relay.wake
    renderer, clock = Renderer(settings.zone()), clock_for(settings.sandbox_clock_file)
    sender = None
    if settings.smtp_url is not None:
        server = SmtpServer(SmtpAddress.parse(settings.smtp_url))
        sender = Sender(database_url=url, renderer=renderer, server=server, mail_from=settings.mail_from, clock=clock)
    inbox = Inbox(
        consumer=NAME,
        topics=("relais.transfers", "relais.sessions"),
        database=database,
        kafka=kafka,
        reactions=reactions(
            mail_domain=parseaddr(settings.mail_from)[1].rpartition("@")[2],
            support_email=settings.support_email,
            clock=clock,
        ),
        after_commit=sender.wake if sender else None,
    )

    def ready() -> dict[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    api = create_api(
        "Relais · notifier",
        service=NAME,
        auth=Authenticator.from_settings(settings),
        routers=[
            create_router(database, renderer, Commands(store)),
            link_router(database, Commands(store)),
            parked_router(NAME, inbox.effects, store, database),
        ],
        ready=ready,
        clock=clock,
        before_metrics=parked_gauges(database),
    )
    # Outside /api: calendar programs have no token, the link itself is the permission.
    clock = clock_for(settings.sandbox_clock_file)
    api.include_router(feed_router(database, clock, school_zone=settings.zone(), portal_url=settings.portal_url))
    return Service(
        name=NAME,
        api=api,
        relay=relay,
        inboxes=(inbox,),
        tasks=(sender.run,) if sender else (),
        close=database.close,
    )
