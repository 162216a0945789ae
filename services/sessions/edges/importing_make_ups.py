"""Make-ups among imported sessions: which missed session each new one makes up for, and which it leaves free."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.chassis.event_store import Change, EventStore, Recorded
from services.chassis.refusal import Refused
from services.sessions.domain.events import SessionEvent
from services.sessions.domain.make_up_session import PlanMakeUp, decide, tied
from services.sessions.domain.session import Cancelled, Session, evolve, fold


def with_make_ups(
    changes: Mapping[int, Change],
    streams: Mapping[UUID, Sequence[Recorded]],
    store: EventStore,
    now: datetime,
    *,
    taken_on_trust: bool,
) -> tuple[list[Change], list[tuple[int, Refused]]]:
    """The rows' changes, one a session, with those of missed sessions; and the rows that are refused, with why.

    ``streams`` are the rows' sessions as they were loaded when the changes were decided.
    A row stands for its session as the whole call leaves it, so that a make-up may stand before what it makes up for.
    ``taken_on_trust``: a missed session that is not known may come in another call.
    """
    if not any(_makes_up(change) for change in changes.values()):
        return list(changes.values()), []
    desk = _Desk(changes.values(), streams, store)
    refused: list[tuple[int, Refused]] = []
    # Sessions that are known come first: what one of them leaves free, a new one may take.
    for index, change in sorted(changes.items(), key=lambda row: row[1].expected_version == 0):
        before, after = desk.stored(change.aggregate_id), desk.as_left(change.aggregate_id)
        missed_id = after.appointment.makes_up_for if after is not None else None
        if after is None or missed_id is None:
            continue
        missed = desk.as_left(missed_id)
        if before is not None:
            desk.add(missed_id, tied(change.aggregate_id, before, change.events, missed, now).of_missed)
        elif not isinstance(after, Cancelled) and not (missed is None and taken_on_trust):
            try:
                desk.add(missed_id, decide(PlanMakeUp(change.aggregate_id, after.appointment.student_id, now), missed))
            except Refused as refusal:
                refused.append((index, refusal))
    return desk.changes(), refused


def _makes_up(change: Change) -> bool:
    """Every published event of a session says what it makes up for."""
    return any(event.appointment.makes_up_for is not None for event in change.events)


class _Desk:
    """The sessions that a call speaks of: as they are stored, and as the call leaves them."""

    def __init__(
        self, changes: Collection[Change], streams: Mapping[UUID, Sequence[Recorded]], store: EventStore
    ) -> None:
        self._streams = dict(streams)
        self._events: dict[UUID, list[SessionEvent]] = {change.aggregate_id: list(change.events) for change in changes}
        made_up_for = {session.appointment.makes_up_for for one in self._events if (session := self.as_left(one))}
        missed = [one for one in made_up_for if one is not None and one not in self._streams]
        if missed:
            self._streams |= store.load_many(missed)

    def stored(self, session_id: UUID) -> Session | None:
        return fold(one.data for one in self._streams[session_id])

    def as_left(self, session_id: UUID) -> Session | None:
        session = self.stored(session_id)
        for event in self._events.get(session_id, ()):
            session = evolve(session, event)
        return session

    def add(self, session_id: UUID, events: Sequence[SessionEvent]) -> None:
        self._events.setdefault(session_id, []).extend(events)

    def changes(self) -> list[Change]:
        return [
            Change(session_id, len(self._streams[session_id]), events)
            for session_id, events in self._events.items()
            if events
        ]
