"""Builds the service *attendance*: the only place where its parts come together."""

from collections.abc import Callable, Mapping, Sequence

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts.sessions import (
    SessionCancelled,
    SessionCorrected,
    SessionHeld,
    SessionReassigned,
    SessionRescheduled,
    SessionScheduled,
)
from relais_contracts.transfers import (
    MentorRegistered,
    MentorUpdated,
    StudentEnrolled,
    StudentTransferred,
    StudentUpdated,
)
from services.attendance.domain.attendance_file import SessionState
from services.attendance.edges.api import attendance_router, entries_router
from services.attendance.edges.continuity import continuity_router
from services.attendance.edges.period import period_router
from services.attendance.reactions.on_mentor_registered import on_mentor_registered
from services.attendance.reactions.on_session_cancelled import on_session_cancelled
from services.attendance.reactions.on_session_corrected import on_session_corrected
from services.attendance.reactions.on_session_held import on_session_held
from services.attendance.reactions.on_session_reassigned import on_session_reassigned
from services.attendance.reactions.on_session_rescheduled import on_session_rescheduled
from services.attendance.reactions.on_session_scheduled import on_session_scheduled
from services.attendance.reactions.on_student_enrolled import on_student_enrolled
from services.attendance.reactions.on_student_transferred import on_student_transferred
from services.attendance.reactions.on_student_updated import on_student_updated
from services.attendance.views import sessions
from services.chassis.access import Guard
from services.chassis.accounts import Accounts, with_accounts
from services.chassis.at_once import AtOnce, in_one_go
from services.chassis.auth import Authenticator
from services.chassis.clock import clock_for
from services.chassis.database import Database
from services.chassis.effects import Reaction
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
from services.chassis.replay.view import ACCOUNTS, Table, View
from services.chassis.service import Service
from services.chassis.settings import Settings

NAME = "attendance"
TOPICS = ("relais.sessions", "relais.transfers")

STATES: Mapping[str, Callable[[CloudEvent], SessionState]] = {
    SessionScheduled.ce_type: on_session_scheduled,
    SessionRescheduled.ce_type: on_session_rescheduled,
    SessionReassigned.ce_type: on_session_reassigned,
    SessionCancelled.ce_type: on_session_cancelled,
    SessionHeld.ce_type: on_session_held,
    SessionCorrected.ce_type: on_session_corrected,
}
"""What events say of a session, by event type."""


def keep_states(connection: Connection[DictRow], events: Sequence[CloudEvent]) -> None:
    sessions.add_states(connection, [(event, STATES[event.type](event)) for event in events])


PEOPLE: Mapping[str, Reaction] = {
    MentorRegistered.ce_type: on_mentor_registered,
    MentorUpdated.ce_type: on_mentor_registered,
    StudentEnrolled.ce_type: on_student_enrolled,
    StudentTransferred.ce_type: on_student_transferred,
    StudentUpdated.ce_type: on_student_updated,
}

KEEP_STATES = AtOnce(keep_states)
KEEP_PEOPLE = in_one_go(lambda connection, event: PEOPLE[event.type](connection, event))

REACTIONS: Mapping[str, list[Reaction]] = with_accounts(
    {**dict.fromkeys(PEOPLE, (KEEP_PEOPLE,)), **dict.fromkeys(STATES, (KEEP_STATES,))}
)
"""What attendance does when something happens, by event type."""

VIEW = View(
    service=NAME,
    names=("attendance", "continuity"),
    topics=TOPICS,
    reactions=REACTIONS,
    tables=[
        Table("session_states", ("student_id", "session_id", "sequence")),
        Table("student_states", ("student_id", "sequence")),
        Table("pairing_states", ("student_id", "sequence")),
        Table("mentors", ("mentor_id",)),
        *ACCOUNTS,
    ],
    built_last=("session_states_by_start", "session_states_make_ups"),
)


def view(settings: Settings) -> View:
    """The students' files, and with them everybody's week, to be built again."""
    return VIEW


def build(settings: Settings) -> Service:
    """The service, ready to run."""
    database = Database(
        settings.database_url_for(NAME),
        application_name=f"relais-{NAME}",
        max_connections=settings.database_max_connections,
    )

    kafka = KafkaConnection(settings)
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

    def ready() -> Mapping[str, str]:
        with database.connection() as connection:
            connection.execute("SELECT 1")
        return {"database": "ok"}

    clock, zone = clock_for(settings.sandbox_clock_file), settings.zone()
    inbox = Inbox(
        consumer=NAME,
        topics=TOPICS,
        database=database,
        kafka=kafka,
        reactions=REACTIONS,
    )
    guard = Guard(Accounts(database))
    lag = LagWatch(service=NAME, database=database, kafka=kafka, inboxes=[inbox])
    api = create_api(
        "Relais: attendance",
        service=NAME,
        auth=Authenticator.from_settings(settings),
        routers=[
            attendance_router(database, guard, clock, zone),
            entries_router(database, zone),
            continuity_router(database, guard, clock, zone),
            period_router(database, guard, clock, zone),
            parked_router(NAME, inbox.effects, store, database),
            lag_router(lag),
            rebuilds_router(view(settings), store, database),
        ],
        ready=ready,
        clock=clock,
        before_metrics=parked_gauges(database),
    )
    return Service(name=NAME, api=api, relay=relay, inboxes=[inbox], lag=lag, close=database.close)
