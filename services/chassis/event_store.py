"""The event store of a service, on the mapper and the recorder of the ``eventsourcing`` library.

Three things differ from the library's own PostgreSQL recorder, each for a measured reason (DECISIONS.md):

- an append is **one statement** and takes no table lock;
- rows are read in **commit order**, (transaction id, notification id), below a bound that only the writers of this
  table can hold back: a long transaction elsewhere in the cluster does not stall the reader;
- a lost COMMIT reply is settled by the events' own ids: what is there under our id is ours, not a conflict.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, OperationalError
from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow
from pydantic import BaseModel, TypeAdapter

from services.chassis.context import Context
from services.chassis.database import Database
from services.chassis.ids import new_id

EventTypes = Mapping[str, type]
"""Written-out stored name -> the frozen dataclass of the domain. Never a module path: code moves, history stays."""

D = TypeVar("D")

MAX_EVENTS_PER_APPEND = 10_000
SETTLE_ATTEMPTS = 3

APPEND = """
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT * FROM unnest(%(ids)b::uuid[], %(versions)b::bigint[], %(topics)b::text[], %(states)b::bytea[])
"""

APPEND_ONE = """
INSERT INTO stored_events (originator_id, originator_version, topic, state)
VALUES (%b::uuid, %b::bigint, %b::text, %b::bytea)
"""

APPEND_WITH_COMMAND = """
WITH command AS (
    INSERT INTO commands (command_id, fingerprint, status, answer)
    VALUES (%(command_id)b, %(fingerprint)s, %(status)s::smallint, %(answer)b)
)
INSERT INTO stored_events (originator_id, originator_version, topic, state)
SELECT * FROM unnest(%(ids)b::uuid[], %(versions)b::bigint[], %(topics)b::text[], %(states)b::bytea[])
"""

LOAD = """
SELECT originator_id, originator_version, topic, state FROM stored_events
WHERE originator_id = ANY(%b::uuid[]) ORDER BY originator_id, originator_version
"""

# No transaction below this bound can still add a row. In progress by our snapshot, and not proven harmless, is what
# holds it back; harmless is a transaction that is seen to hold its own id's lock but no write lock on this table.
# A writer takes the table's lock before it gets an id, and the snapshot is older than the look at the locks, so a
# writer whose id is in the snapshot is either seen with its lock, or has ended and its rows are visible to the next
# statement. An id whose lock is not seen (just made, or just gone) counts as not harmless and holds for one poll.
SAFE_BOUND = """
WITH locks AS MATERIALIZED (
    SELECT locktype, relation, transactionid, virtualtransaction FROM pg_locks
    WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock'
       OR locktype = 'relation' AND relation = 'stored_events'::regclass AND mode = 'RowExclusiveLock'
)
SELECT coalesce(min(running), pg_snapshot_xmax(pg_current_snapshot())) AS bound
FROM pg_snapshot_xip(pg_current_snapshot()) AS running
WHERE NOT EXISTS (
    SELECT FROM locks AS own
    WHERE own.locktype = 'transactionid' AND own.transactionid = running::xid
      AND NOT EXISTS (
          SELECT FROM locks AS writer
          WHERE writer.locktype = 'relation' AND writer.virtualtransaction = own.virtualtransaction
      )
)
"""

READ_BELOW_BOUND = """
SELECT originator_id, originator_version, topic, state, transaction_id::text::bigint AS transaction_id, notification_id
FROM stored_events
WHERE (transaction_id, notification_id) > (%(transaction_id)s::text::xid8, %(notification_id)s)
  AND transaction_id < %(bound)s::text::xid8
ORDER BY transaction_id, notification_id LIMIT %(limit)s
"""

LOCK_FOR_APPEND = "LOCK TABLE stored_events IN ROW EXCLUSIVE MODE"


class Position(NamedTuple):
    """A place in commit order; ``START`` is before the first row."""

    transaction_id: int
    notification_id: int


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One stored event with what was recorded beside it. ``version`` counts from 1 within its aggregate."""

    event_id: UUID
    aggregate_id: UUID
    version: int
    name: str
    data: Any
    recorded_at: datetime
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """New events of one aggregate. ``expected_version`` is that of its last event as loaded, 0 where it is new."""

    aggregate_id: UUID
    expected_version: int
    events: Sequence[Any]


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """The answer to a command with an Idempotency-Key, kept in the same statement as its events."""

    command_id: UUID
    fingerprint: str
    status: int
    answer: bytes


class VersionConflict(Exception):
    """Somebody else appended to the aggregate first: load, decide, and append again."""


class DuplicateCommand(Exception):
    """The command's id is known already: its answer stands in ``commands``."""


class _State(BaseModel, Generic[D]):
    """What a row's ``state`` holds."""

    event_id: UUID
    recorded_at: datetime
    actor: str
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None
    data: D


class NewerEvent(Exception):
    """A stored event has a name that this code does not know: a newer version runs beside it, and can read it."""


class _RecordedMapper(Mapper[UUID]):
    """Maps ``Recorded`` to the library's ``StoredEvent`` and back, with written-out names for topics."""

    def __init__(self, event_types: EventTypes) -> None:
        super().__init__(JSONTranscoder())
        self._adapters: dict[str, TypeAdapter[Any]] = {name: TypeAdapter(cls) for name, cls in event_types.items()}
        self._states = {name: _State[cls] for name, cls in event_types.items()}  # type: ignore[valid-type]
        self._names = {cls: name for name, cls in event_types.items()}

    def name_of(self, event: object) -> str:
        return self._names[type(event)]

    def to_stored_event(self, domain_event: Recorded) -> StoredEvent:  # type: ignore[override]
        adapter = self._adapters[domain_event.name]
        return StoredEvent(
            domain_event.aggregate_id,
            domain_event.version,
            domain_event.name,
            orjson.dumps(
                {
                    "event_id": domain_event.event_id,
                    "recorded_at": domain_event.recorded_at,
                    "actor": domain_event.actor,
                    "correlation_id": domain_event.correlation_id,
                    "causation_id": domain_event.causation_id,
                    "traceparent": domain_event.traceparent,
                    "data": orjson.Fragment(adapter.dump_json(domain_event.data)),
                }
            ),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        raise TypeError("A stored event is read as Recorded: use to_recorded")

    def to_recorded(self, aggregate_id: UUID, version: int, name: str, state: bytes) -> Recorded:
        known = self._states.get(name)
        if known is None:
            raise NewerEvent(f"{name}, version {version} of {aggregate_id}")
        read = known.model_validate_json(state)
        return Recorded(
            event_id=read.event_id,
            aggregate_id=aggregate_id,
            version=version,
            name=name,
            data=read.data,
            recorded_at=read.recorded_at,
            actor=read.actor,
            correlation_id=read.correlation_id,
            causation_id=read.causation_id,
            traceparent=read.traceparent,
        )


class _Datastore(PostgresDatastore):
    """The library's datastore, standing on the service's one pool."""

    def __init__(self, database: Database, schema: str) -> None:
        super().__init__(dbname="", host="", port="", user="", password="", schema=schema)
        self.pool = database.pool  # type: ignore[assignment]

    def register_type_adapters(self) -> None:
        """Nothing to register: rows travel as arrays of plain types, not as composites."""

    def close(self) -> None:
        """The pool is the service's, and closed by it."""


class _Recorder(PostgresApplicationRecorder):
    """The library's recorder, with the append in one statement and no table lock."""

    def __init__(self, database: Database, schema: str) -> None:
        super().__init__(_Datastore(database, schema))

    def insert_on(
        self, connection: Connection[DictRow], stored: Sequence[StoredEvent], command: CommandRecord | None
    ) -> None:
        if command is None and len(stored) == 1:
            event = stored[0]
            connection.execute(
                APPEND_ONE, (event.originator_id, event.originator_version, event.topic, event.state), prepare=True
            )
            return
        columns: dict[str, Any] = {
            "ids": [event.originator_id for event in stored],
            "versions": [event.originator_version for event in stored],
            "topics": [event.topic for event in stored],
            "states": [event.state for event in stored],
        }
        if command is None:
            connection.execute(APPEND, columns, prepare=True)
            return
        columns |= {
            "command_id": command.command_id,
            "fingerprint": command.fingerprint,
            "status": command.status,
            "answer": command.answer,
        }
        connection.execute(APPEND_WITH_COMMAND, columns, prepare=True)


class EventStore:
    """Loads and appends the events of a service's aggregates. Safe to use from several threads."""

    def __init__(self, database: Database, schema: str, event_types: EventTypes) -> None:
        self.database = database
        self._mapper = _RecordedMapper(event_types)
        self._recorder = _Recorder(database, schema)
        self.on_appended: Callable[[], None] = lambda: None
        """Called after each append of this process: a hint to the relay, never what it relies on."""

    def load(self, aggregate_id: UUID, *, as_of: datetime | None = None) -> list[Recorded]:
        """The aggregate's events in order, those recorded up to ``as_of`` where it is given; empty where unknown.

        Raises ``NewerEvent``, as every reading does.
        """
        return [
            event
            for event in self.load_many([aggregate_id])[aggregate_id]
            if as_of is None or event.recorded_at <= as_of
        ]

    def load_many(
        self, aggregate_ids: Sequence[UUID], *, connection: Connection[DictRow] | None = None
    ) -> dict[UUID, list[Recorded]]:
        """The events of several aggregates, read in one statement (so: as of one instant)."""
        streams: dict[UUID, list[Recorded]] = {aggregate_id: [] for aggregate_id in aggregate_ids}
        if connection is not None:
            rows = connection.execute(LOAD, (list(streams),), binary=True).fetchall()
        else:
            with self.database.connection() as own:
                rows = own.execute(LOAD, (list(streams),), binary=True).fetchall()
        for row in rows:
            streams[row["originator_id"]].append(
                self._mapper.to_recorded(row["originator_id"], row["originator_version"], row["topic"], row["state"])
            )
        return streams

    def append(
        self,
        changes: Sequence[Change],
        context: Context,
        *,
        connection: Connection[DictRow] | None = None,
        also: Callable[[Connection[DictRow]], None] | None = None,
        command: CommandRecord | None = None,
    ) -> list[Recorded]:
        """Appends all ``changes`` or none, in one statement.

        ``also`` writes further rows in the same transaction, after the events. ``connection`` is that of a surrounding
        transaction whose first statement was :meth:`lock_for_append`, and it must have written nothing before: its
        transaction id orders these events, and one that is older than an event of the same aggregate that another
        transaction appended meanwhile would put the later version first. Raises ``VersionConflict``,
        ``DuplicateCommand``, and ``psycopg.OperationalError`` where the server stays away.
        """
        recorded = self._record(changes, context)
        if len(recorded) > MAX_EVENTS_PER_APPEND:
            raise ValueError(f"At most {MAX_EVENTS_PER_APPEND} events go into one append, not {len(recorded)}")
        stored = [self._mapper.to_stored_event(event) for event in recorded]
        if connection is not None:
            self._insert(connection, stored, command)
            if also is not None:
                also(connection)
            return recorded
        for attempt in range(1, SETTLE_ATTEMPTS + 1):
            try:
                if also is None:
                    with self.database.connection() as own:
                        self._insert(own, stored, command)
                else:
                    with self.database.transaction() as own:
                        self._insert(own, stored, command)
                        also(own)
                break
            except (VersionConflict, DuplicateCommand):
                # The reply to an earlier attempt may have been lost after its commit: then these rows are our own.
                if attempt > 1 and recorded and self._is_stored(recorded[0]):
                    break
                raise
            except OperationalError:
                if attempt == SETTLE_ATTEMPTS:
                    raise
        self.on_appended()
        return recorded

    def lock_for_append(self, connection: Connection[DictRow]) -> None:
        """To be the first statement of a transaction that writes other rows before it appends.

        The reader's bound holds for transactions that take this lock before they get a transaction id.
        """
        connection.execute(LOCK_FOR_APPEND)

    def read_committed_since(self, position: Position, limit: int) -> tuple[list[Recorded], Position]:
        """Up to ``limit`` events after ``position`` in commit order, and the position of the last of them."""
        with self.database.connection() as connection:
            bound = connection.execute(SAFE_BOUND, prepare=True).fetchone()
            assert bound is not None
            rows = connection.execute(
                READ_BELOW_BOUND,
                {
                    "transaction_id": str(position.transaction_id),
                    "notification_id": position.notification_id,
                    "bound": bound["bound"],
                    "limit": limit,
                },
                prepare=True,
                binary=True,
            ).fetchall()
        events = [
            self._mapper.to_recorded(row["originator_id"], row["originator_version"], row["topic"], row["state"])
            for row in rows
        ]
        return events, Position(rows[-1]["transaction_id"], rows[-1]["notification_id"]) if rows else position

    def _record(self, changes: Sequence[Change], context: Context) -> list[Recorded]:
        return [
            Recorded(
                event_id=new_id(),
                aggregate_id=change.aggregate_id,
                version=version,
                name=self._mapper.name_of(event),
                data=event,
                recorded_at=context.now,
                actor=context.actor,
                correlation_id=context.correlation_id,
                causation_id=context.causation_id,
                traceparent=context.traceparent,
            )
            for change in changes
            for version, event in enumerate(change.events, start=change.expected_version + 1)
        ]

    def _insert(
        self, connection: Connection[DictRow], stored: Sequence[StoredEvent], command: CommandRecord | None
    ) -> None:
        try:
            self._recorder.insert_on(connection, stored, command)
        except UniqueViolation as violation:
            if violation.diag.constraint_name == "commands_pkey":
                raise DuplicateCommand from violation
            raise VersionConflict from violation

    def _is_stored(self, event: Recorded) -> bool:
        stream = self.load(event.aggregate_id)
        return len(stream) >= event.version and stream[event.version - 1].event_id == event.event_id
