"""A transfer and a command at the same instant, step by step, in each order that can be."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pytest
from psycopg import Rollback
from psycopg.conninfo import make_conninfo

from relais_contracts import CloudEvent
from services.chassis.clock import SystemClock
from services.chassis.context import Context
from services.chassis.database import Database
from services.chassis.event_store import START as FIRST
from services.chassis.event_store import Change, EventStore, VersionConflict
from services.chassis.ids import new_id
from services.sessions.domain.events import EVENT_TYPES, Appointment, SessionScheduled
from services.sessions.domain.session import fold
from services.sessions.edges import handling
from services.sessions.reactions.on_student_transferred import on_student_transferred
from services.sessions.views import directory
from tests.sessions.running import Running, in_a_week, transferred

WAITS_S = 0.5


@dataclass
class Desk:
    """The parts of the service, taken apart, so that a test decides what happens when."""

    database: Database
    store: EventStore

    def context(self) -> Context:
        return Context("mentor:alice@example.org", new_id(), None, None, datetime.now(UTC))

    def planned(self, student_id: UUID, mentor_id: UUID) -> SessionScheduled:
        starts_at = in_a_week()
        return SessionScheduled(Appointment(student_id, mentor_id, starts_at, 45, "Europe/Paris"), starts_at)

    def mentor_of(self, session_id: UUID) -> UUID:
        session = fold(recorded.data for recorded in self.store.load(session_id))
        assert session is not None
        return session.appointment.mentor_id

    def versions_as_published(self, session_id: UUID) -> list[int]:
        recorded, _ = self.store.read_committed_since(FIRST, 10_000)
        return [one.version for one in recorded if one.aggregate_id == session_id]


@pytest.fixture
def desk(service: Running) -> Iterator[Desk]:
    database = Database(make_conninfo(service.database_url, user="relais_sessions"), application_name="desk")
    yield Desk(database, EventStore(database, "sessions", EVENT_TYPES))
    database.close()


@pytest.fixture
def people(service: Running) -> tuple[UUID, UUID, UUID]:
    """A student, the mentor until now, and the one to be."""
    alice, bruno = service.mentor(), service.mentor()
    return service.student(alice), alice, bruno


def event_of(service: Running, student_id: UUID, alice: UUID, bruno: UUID) -> CloudEvent:
    return service.enveloped(transferred(student_id, alice, bruno))


def append(desk: Desk, session_id: UUID, event: SessionScheduled) -> None:
    desk.store.append(
        [Change(session_id, 0, [event])], desk.context(), also=partial(handling.place, session_id, event.appointment)
    )


@pytest.mark.rule("T3")
def test_a_session_that_is_just_being_planned_is_waited_for_and_handed_over(
    service: Running, desk: Desk, people: tuple[UUID, UUID, UUID]
) -> None:
    student_id, alice, bruno = people
    session_id = new_id()
    react = on_student_transferred(desk.store, SystemClock())
    event = event_of(service, *people)

    def transfer() -> None:
        with desk.database.transaction() as connection:
            react(connection, event)

    reaction = threading.Thread(target=transfer)
    with desk.database.transaction() as connection:
        desk.store.append(
            [Change(session_id, 0, [desk.planned(student_id, alice)])], desk.context(), connection=connection
        )
        directory.keep_with_mentor(connection, {student_id: alice})
        directory.add_sessions(connection, [(student_id, session_id)])
        reaction.start()
        reaction.join(WAITS_S)
        assert reaction.is_alive(), "the transfer did not wait for the session that was being planned"
    reaction.join()
    assert desk.mentor_of(session_id) == bruno


@pytest.mark.rule("T3")
def test_a_session_planned_while_the_transfer_is_under_way_waits_and_is_decided_again(
    service: Running, desk: Desk, people: tuple[UUID, UUID, UUID]
) -> None:
    student_id, alice, _ = people
    session_id, outcome = new_id(), list[type[Exception]]()

    def plan() -> None:
        try:
            append(desk, session_id, desk.planned(student_id, alice))
        except Exception as error:
            outcome.append(type(error))

    planning = threading.Thread(target=plan)
    with desk.database.transaction() as connection:
        on_student_transferred(desk.store, SystemClock())(connection, event_of(service, *people))
        planning.start()
        planning.join(WAITS_S)
        assert planning.is_alive(), "the session did not wait for the transfer that was under way"
    planning.join()
    assert outcome == [VersionConflict]
    assert desk.store.load(session_id) == []


@pytest.mark.rule("T3")
def test_a_session_planned_after_the_transfers_transaction_began_is_published_in_order(
    service: Running, desk: Desk, people: tuple[UUID, UUID, UUID]
) -> None:
    student_id, alice, bruno = people
    session_id = new_id()
    with desk.database.transaction() as connection:
        connection.execute("SELECT pg_current_xact_id()")  # As the inbox has, once it moved its position.
        append(desk, session_id, desk.planned(student_id, alice))
        on_student_transferred(desk.store, SystemClock())(connection, event_of(service, *people))
    assert desk.mentor_of(session_id) == bruno
    assert desk.versions_as_published(session_id) == [1, 2]


@pytest.mark.rule("T3")
def test_a_reaction_whose_transaction_failed_says_nothing_twice(
    service: Running, desk: Desk, people: tuple[UUID, UUID, UUID]
) -> None:
    student_id, alice, bruno = people
    session_id = new_id()
    append(desk, session_id, desk.planned(student_id, alice))
    there, back = event_of(service, *people), event_of(service, student_id, bruno, alice)
    react = on_student_transferred(desk.store, SystemClock())
    with desk.database.transaction() as connection:
        react(connection, there)
        react(connection, back)
        raise Rollback
    with desk.database.transaction() as connection:
        react(connection, there)
        react(connection, back)
    assert desk.mentor_of(session_id) == alice
    assert len(desk.store.load(session_id)) == 3


@pytest.mark.mutation("sessions: the student's row is locked while a session is planned")
def test_without_the_lock_a_session_is_left_behind(
    service: Running, desk: Desk, people: tuple[UUID, UUID, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    student_id, alice, _ = people
    session_id = new_id()
    monkeypatch.setattr(handling, "keep_with_mentor", lambda *_: None)
    with desk.database.transaction() as connection:
        on_student_transferred(desk.store, SystemClock())(connection, event_of(service, *people))
        append(desk, session_id, desk.planned(student_id, alice))
    assert desk.mentor_of(session_id) == alice
