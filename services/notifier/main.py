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
from services.chassis.lag import LagWatch
from services.chassis.lag_api import lag_router
from services.chassis.operations import OPERATIONS_EVENTS, with_operations
from services.chassis.parked_api import no_others, parked_gauges, parked_router
from services.chassis.relay import Relay
from services.chassis.replay.rebuilds_api import rebuilds_router
from services.chassis.replay.view import Table, View
from services.chassis.service import Service
from services.chassis.settings import Settings
from services.notifier.edges.api import create_router
from services.notifier.edges.calendar_feed import feed_router, link_router
from services.notifier.edges.rendering import Renderer
from services.notifier.edges.sender import Sender
from services.notifier.edges.smtp import SmtpAddress, SmtpServer
from services.notifier.reactions import reactions

NAME = "notifier"
TOPICS = ("relais.transfers", "relais.sessions")


def view(settings: Settings) -> View:
    """The people and the e-mails, to be built again: none is ever sent by that, and what was sent stays as it was."""
    return View(
        service=NAME,
        names=("emails", "notifier"),
        topics=TOPICS,
        reactions=reactions(
            mail_domain=_mail_domain(settings),
            support_email=settings.support_email,
            clock=clock_for(settings.sandbox_clock_file),
            quiet=True,
        ),
        tables=[
            Table("people", ("person_id",)),
            Table("calendar_sessions", ("session_id",)),
            Table(
                "emails",
                ("email_id",),
                ignored=(
                    *(
                        "state",
                        "attempts",
                        "resends",
                        "message_id",
                        "created_at",
                        "next_attempt_at",
                        "sent_at",
                        "settled_at",
                    ),
                    *("last_error", "recipient", "language", "subject", "text_body", "html_body"),
                ),
                kept=True,
            ),
        ],
        built_last=(
            "emails_due",
            "emails_newest",
            "emails_recipient",
            "emails_needs",
            "people_by_email",
            "calendar_sessions_by_mentor",
            "calendar_sessions_by_student",
        ),
    )


def build(settings: Settings) -> Service:
    """Without ``smtp_url`` e-mails are queued and none is sent."""
    url = settings.database_url_for(NAME)
    database = Database(url, application_name=NAME, max_connections=settings.database_max_connections)
    kafka = KafkaConnection(settings)
    # Beside what it skips it decides nothing, and keeps the answers to repeated Idempotency-Keys.
    store = EventStore(database, NAME, OPERATIONS_EVENTS)
    relay = Relay(
        service=NAME,
        database=database,
        store=store,
        publish=with_operations(no_others),
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
        topics=TOPICS,
        database=database,
        kafka=kafka,
        reactions=reactions(mail_domain=_mail_domain(settings), support_email=settings.support_email, clock=clock),
        after_commit=sender.wake if sender else None,
    )

    def ready() -> dict[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    lag = LagWatch(service=NAME, database=database, kafka=kafka, inboxes=[inbox])
    api = create_api(
        "Relais · notifier",
        service=NAME,
        auth=Authenticator.from_settings(settings),
        routers=[
            create_router(database, renderer, Commands(store)),
            link_router(database, Commands(store)),
            parked_router(NAME, inbox.effects, store, database),
            lag_router(lag),
            rebuilds_router(view(settings), store, database),
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
        lag=lag,
        tasks=(sender.run,) if sender else (),
        close=database.close,
    )


def _mail_domain(settings: Settings) -> str:
    return parseaddr(settings.mail_from)[1].rpartition("@")[2]
