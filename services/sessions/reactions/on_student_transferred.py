"""When a student is transferred, the upcoming sessions go to the new mentor at once (T1, T3).

The directory learns the new mentor in the inbox's transaction, which locks the student's row until that commits; then
every session that the student has is looked at. A session that is being planned at this very instant holds that lock
(``keep_with_mentor``): it is either committed when we get to read, or is decided again with the new mentor.

The events are appended in a transaction of their own. In the inbox's they would carry its transaction id, which may be
older than that of the event before them (a session planned or moved meanwhile), and the relay publishes in the order of
those ids. So the append may be there although the inbox's transaction was not to be; the second time it is recognised
by its cause, and nothing is said twice.
"""

from collections.abc import Sequence

from psycopg import Connection
from psycopg.rows import DictRow

from relais_contracts import CloudEvent
from relais_contracts import transfers as contract
from services.chassis.clock import Clock
from services.chassis.context import Context
from services.chassis.effects import Reaction
from services.chassis.event_store import Change, EventStore, Recorded, VersionConflict
from services.sessions.domain import reassign_session
from services.sessions.domain.events import SessionEvent
from services.sessions.domain.reassign_session import ReassignSession
from services.sessions.domain.session import fold
from services.sessions.views import directory

ATTEMPTS = 10


def on_student_transferred(store: EventStore, clock: Clock) -> Reaction:
    """The reaction, appending to ``store``."""

    def react(connection: Connection[DictRow], event: CloudEvent) -> None:
        directory.change_mentor(connection, event)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _reassign(store, connection, event, clock)
                return
            except VersionConflict:  # Somebody moved or cancelled one of the sessions meanwhile: look again.
                if attempt == ATTEMPTS:
                    raise

    return react


def _reassign(store: EventStore, connection: Connection[DictRow], event: CloudEvent, clock: Clock) -> None:
    data = event.data
    assert isinstance(data, contract.StudentTransferred)
    command = ReassignSession(data.to_mentor_id, transferred_at=event.time)
    streams = store.load_many(directory.sessions_of(connection, data.student_id), connection=connection)
    changes = [
        Change(session_id, len(stream), events)
        for session_id, stream in streams.items()
        if (events := _decide(command, stream, event))
    ]
    if changes:
        store.append(
            changes, Context("service:sessions", event.correlation_id, event.id, event.traceparent, clock.now())
        )


def _decide(command: ReassignSession, stream: Sequence[Recorded], event: CloudEvent) -> list[SessionEvent]:
    if any(recorded.causation_id == event.id for recorded in stream):
        return []
    return reassign_session.decide(command, fold(recorded.data for recorded in stream))
