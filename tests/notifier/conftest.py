"""The notifier on a real database of its own and a real SMTP server; its events are handed to its reactions."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from relais_contracts import CloudEvent, Contract
from relais_contracts.sessions import SessionCancelled, SessionCorrected, SessionRescheduled
from relais_contracts.transfers import (
    AbsenceReminderDue,
    HelpRequested,
    MentorRegistered,
    StudentEnrolled,
    StudentTransferred,
)
from services.chassis.clock import SystemClock
from services.chassis.database import Database
from services.chassis.ids import new_id
from services.chassis.migrate import migrate_database
from services.notifier.edges.rendering import Renderer
from services.notifier.edges.sender import Sender
from services.notifier.edges.smtp import SmtpAddress, SmtpServer
from services.notifier.reactions import reactions
from tests.notifier.mail_server import MailServer

PARIS = ZoneInfo("Europe/Paris")
SMTP_TIMEOUT_S = 1.0
SOON_S = 15.0


def event(data: Contract, *, actor: str = "mentor:jean@example.org", sequence: int = 2, **changed: Any) -> CloudEvent:
    """``data`` as the inbox hands it over."""
    fields: dict[str, Any] = {
        "id": new_id(),
        "type": data.ce_type,
        "source": "/relais/test",
        "subject": getattr(data, "session_id", None) or UUID(data.key),
        "sequence": sequence,
        "time": datetime.now(UTC),
        "correlation_id": uuid4(),
        "causation_id": None,
        "actor": actor,
        "traceparent": None,
        "key": data.key,
        "data": data,
    }
    return CloudEvent(**fields | changed)


@dataclass(frozen=True)
class School:
    """Two mentors and a student, and what happens to them."""

    student_id: UUID
    jean_id: UUID
    ana_id: UUID
    session_id: UUID

    @classmethod
    def new(cls) -> "School":
        return cls(new_id(), new_id(), new_id(), new_id())

    @property
    def student_email(self) -> str:
        return f"lea-{self.student_id}@example.org"

    @property
    def jean_email(self) -> str:
        return f"jean-{self.jean_id}@example.org"

    @property
    def ana_email(self) -> str:
        return f"ana-{self.ana_id}@example.org"

    def mentors(self) -> list[CloudEvent]:
        return [
            event(
                MentorRegistered(
                    mentor_id=mentor_id,
                    email=email,
                    name=name,
                    capacity=5,
                    paths=("data",),
                    projects=("p3",),
                    timezone="Europe/Paris",
                ),
                sequence=1,
            )
            for mentor_id, email, name in (
                (self.jean_id, self.jean_email, "Jean Roux"),
                (self.ana_id, self.ana_email, "Ana Paz"),
            )
        ]

    def student(self, **changed: Any) -> CloudEvent:
        fields: dict[str, Any] = {
            "student_id": self.student_id,
            "email": self.student_email,
            "name": "Léa Martin",
            "path": "data",
            "project": "p3",
            "funding": "apprenticeship",
            "language": "fr",
            "mentor_id": self.jean_id,
            "enrolled_at": datetime(2026, 9, 1, tzinfo=UTC),
        }
        return event(StudentEnrolled(**fields | changed), sequence=1)

    def people(self, **student: Any) -> list[CloudEvent]:
        return [*self.mentors(), self.student(**student)]

    def rescheduled(self, **changed: Any) -> CloudEvent:
        fields: dict[str, Any] = {
            "session_id": self.session_id,
            "student_id": self.student_id,
            "mentor_id": self.jean_id,
            "previous_starts_at": datetime(2026, 10, 20, 16, 0, tzinfo=UTC),
            "starts_at": datetime(2026, 11, 1, 17, 0, tzinfo=UTC),
            "duration_minutes": 45,
            "requested_by": "mentor",
            "late": False,
        }
        return event(SessionRescheduled(**fields | changed))

    def cancelled(self, *, actor: str = "mentor:jean@example.org", **changed: Any) -> CloudEvent:
        fields: dict[str, Any] = {
            "session_id": self.session_id,
            "student_id": self.student_id,
            "mentor_id": self.jean_id,
            "starts_at": datetime(2026, 11, 1, 17, 0, tzinfo=UTC),
            "duration_minutes": 45,
            "reason": "other",
            "recoverable": True,
            "cause": "mentor",
            "note": "Panne de train,\nje suis désolé.",
            "notice_at": datetime(2026, 11, 1, 12, 0, tzinfo=UTC),
            "cancelled_at": datetime(2026, 11, 1, 12, 0, tzinfo=UTC),
        }
        return event(SessionCancelled(**fields | changed), actor=actor)

    def corrected(self, **changed: Any) -> CloudEvent:
        """By default, a no-show that was none."""
        fields: dict[str, Any] = {
            "session_id": self.session_id,
            "student_id": self.student_id,
            "mentor_id": self.jean_id,
            "starts_at": datetime(2026, 11, 1, 17, 0, tzinfo=UTC),
            "duration_minutes": 45,
            "previous_status": "cancelled",
            "previous_reason": "student_no_show",
            "status": "held",
            "recoverable": None,
            "why": "Vu avec le mentor, qui s’est trompé de session.",
            "corrected_at": datetime(2026, 11, 3, 9, 0, tzinfo=UTC),
        }
        return event(SessionCorrected(**fields | changed), actor="support:sam@example.org")

    def transferred(self, **changed: Any) -> CloudEvent:
        fields: dict[str, Any] = {
            "student_id": self.student_id,
            "from_mentor_id": self.jean_id,
            "to_mentor_id": self.ana_id,
            "path": "data",
            "project": "p3",
            "funding": "apprenticeship",
            "kind": "one_off",
            "expected_return_on": datetime(2026, 12, 1).date(),  # noqa: DTZ001 - a day has no zone
        }
        return event(StudentTransferred(**fields | changed))

    def reminder(self, kind: str, **changed: Any) -> CloudEvent:
        fields: dict[str, Any] = {
            "absence_id": new_id(),
            "mentor_id": self.jean_id,
            "kind": kind,
            "from_at": datetime(2026, 11, 15, 23, 0, tzinfo=UTC),
            "to_at": datetime(2026, 11, 29, 23, 0, tzinfo=UTC),
            "student_ids": (self.student_id,),
            "replacement_ids": (),
            "due_at": datetime(2026, 11, 12, 23, 0, tzinfo=UTC),
        }
        data = AbsenceReminderDue(**fields | changed)
        return event(data, subject=data.absence_id)

    def help_requested(self) -> CloudEvent:
        data = HelpRequested(
            absence_id=new_id(),
            mentor_id=self.jean_id,
            from_at=datetime(2026, 11, 15, 23, 0, tzinfo=UTC),
            to_at=datetime(2026, 11, 29, 23, 0, tzinfo=UTC),
            student_ids=(self.student_id,),
            message="Personne n’est libre.",
            late=True,
            requested_at=datetime(2026, 11, 13, 8, 0, tzinfo=UTC),
        )
        return event(data, subject=data.absence_id)


@dataclass
class Notifier:
    """The service without Kafka: ``hear`` is one committed inbox transaction."""

    database: Database
    database_url: str
    mail: MailServer
    renderer: Renderer

    def hear(self, *events: CloudEvent) -> None:
        known = reactions(mail_domain="relais.example.org", support_email="support@example.org", clock=SystemClock())
        with self.database.transaction() as connection:
            for each in events:
                for reaction in known.get(each.type, ()):
                    reaction(connection, each)

    def sender(self) -> Sender:
        return Sender(
            database_url=self.database_url,
            renderer=self.renderer,
            server=SmtpServer(SmtpAddress.parse(self.mail.url), timeout_s=SMTP_TIMEOUT_S),
            mail_from="Relais <relais@example.org>",
            clock=SystemClock(),
        )

    def send_until(self, done: Callable[[], bool], *, within_s: float = SOON_S) -> None:
        """Runs the sender, as the chassis does (again where it dies of the database), until ``done``."""

        async def run() -> None:
            stop, sender = asyncio.Event(), self.sender()

            async def keep_alive() -> None:
                while not stop.is_set():
                    try:
                        await sender.run(stop)
                    except psycopg.OperationalError:
                        await asyncio.sleep(0.05)

            running = asyncio.create_task(keep_alive())
            try:
                async with asyncio.timeout(within_s):
                    while not await asyncio.to_thread(done):  # noqa: ASYNC110 - rows in a database
                        await asyncio.sleep(0.02)
            finally:
                stop.set()
                await running

        asyncio.run(run())

    def send_all(self) -> None:
        self.send_until(lambda: not self.rows("state = 'queued'"))

    def rows(self, where: str = "true") -> list[dict[str, Any]]:
        with self.database.connection() as connection:
            return connection.execute(f"SELECT * FROM emails WHERE {where} ORDER BY created_at, template").fetchall()


@pytest.fixture(scope="module")
def database_urls(stack: Stack) -> Iterator[tuple[str, str]]:
    """A fresh, migrated database: the administrator's URL and the notifier's own."""
    name = f"notifier_{uuid4().hex[:12]}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = make_conninfo(stack.database_url, dbname=name)
    migrate_database(url)
    yield url, make_conninfo(url, user="relais_notifier")
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def notifier(database_urls: tuple[str, str], mail: MailServer) -> Iterator[Notifier]:
    admin_url, url = database_urls
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("TRUNCATE notifier.emails, notifier.people")
    database = Database(url, application_name="test-notifier")
    yield Notifier(database, url, mail, Renderer(PARIS))
    database.close()


@pytest.fixture
def school() -> School:
    return School.new()
