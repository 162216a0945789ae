"""The notifier as it runs: events on real Kafka become e-mails on a real mail server, and its API shows them."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import Stack
from deploy.local.ports import free_ports
from relais_contracts import CloudEvent
from relais_contracts.transfers import StudentUpdated
from services.chassis.auth import LocalIssuer
from services.chassis.http import encode_cursor
from services.chassis.ids import new_id
from services.chassis.kafka import KafkaConnection, ensure_topics
from services.chassis.service import serve
from services.chassis.settings import Settings
from services.notifier.main import build
from tests.notifier.conftest import SOON_S, School, event
from tests.notifier.mail_server import MailServer


@dataclass(frozen=True)
class Running:
    settings: Settings
    url: str
    issuer: LocalIssuer
    mail: MailServer

    def publish(self, *events: CloudEvent) -> None:
        async def send() -> None:
            producer = AIOKafkaProducer(**KafkaConnection(self.settings).client_options())
            await producer.start()
            try:
                for event in events:
                    key, value, headers = event.to_record()
                    await producer.send_and_wait(event.data.topic, value, key=key, headers=headers)
            finally:
                await producer.stop()

        asyncio.run(send())

    def ask(self, method: str, path: str, role: str, email: str = "sam@example.org", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.issuer.mint(role, email)}", **more.pop("headers", {})}
        return httpx.request(method, f"{self.url}/api{path}", headers=headers, **more)

    def emails(self, event_id: UUID, role: str = "support", email: str = "sam@example.org") -> list[dict[str, Any]]:
        answer = self.ask("GET", f"/emails?event_id={event_id}", role, email)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def sent(self, event_id: UUID, count: int) -> list[dict[str, Any]]:
        """The e-mails of an event, once all ``count`` are sent."""
        found = soon(lambda: [email for email in self.emails(event_id) if email["state"] == "sent"], count)
        return sorted(found, key=lambda email: str(email["template"]))


def soon(look: Callable[[], list[dict[str, Any]]], count: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + SOON_S
    while len(found := look()) != count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def running(
    stack: Stack, database_urls: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    mail = MailServer()
    mail.start()
    data_dir: Path = tmp_path_factory.mktemp("notifier")
    issuer = LocalIssuer(data_dir / "issuer")
    (port,) = free_ports(1)
    settings = Settings(
        database_url=database_urls[0],
        kafka_bootstrap_servers=stack.kafka_bootstrap_servers,
        smtp_url=mail.url,
        data_dir=data_dir,
        port=port,
    )
    asyncio.run(ensure_topics(KafkaConnection(settings)))
    service = build(settings)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(service, settings, None, stop)))
    thread.start()
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + SOON_S
    while not _ready(url):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield Running(settings, url, issuer, mail)
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    service.close()
    loop.close()
    mail.stop()


def at_version(event: CloudEvent, version: int) -> CloudEvent:
    return replace(event, sequence=version)


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.rule("S10")
def test_from_kafka_to_the_mail_server(running: Running, school: School) -> None:
    cancelled, transferred = at_version(school.cancelled(), 3), school.transferred()
    running.publish(*school.people(), school.rescheduled(), cancelled, cancelled, transferred)
    (email,) = running.sent(cancelled.id, 1)
    assert len(running.sent(transferred.id, 3)) == 3
    (received,) = [m for m in running.mail.received if m["Message-ID"] == email["message_id"]]
    assert received["Subject"] == email["subject"]
    assert email["to"] == school.student_email
    assert (email["template"], email["language"], email["attempts"]) == ("session_cancelled", "fr", 1)
    assert email["event_id"] == str(cancelled.id)
    assert email["created_at"].endswith("Z")
    assert email["sent_at"].endswith("Z")
    one = running.ask("GET", f"/emails/{email['email_id']}", "support").json()
    assert one == email


def test_only_support_reads_what_was_written_to_others(running: Running, school: School) -> None:
    moved = school.rescheduled()
    running.publish(*school.people(), moved)
    (email,) = running.sent(moved.id, 1)
    readers = {
        ("support", "sam@example.org"): 1,
        ("student", school.student_email): 1,
        ("mentor", school.jean_email): 1,  # It is about a session of theirs.
        ("mentor", school.ana_email): 0,
        ("student", school.jean_email): 0,
        ("student", "other@example.org"): 0,
    }
    for (role, address), count in readers.items():
        assert len(running.emails(moved.id, role, address)) == count, (role, address)
        status = running.ask("GET", f"/emails/{email['email_id']}", role, address).status_code
        assert status == (200 if count else 404), (role, address)
    assert running.ask("GET", "/emails", "billing").status_code == 403
    assert httpx.get(f"{running.url}/api/emails").status_code == 401


def test_letters_are_read_by_account_and_not_by_whoever_has_the_address_next(running: Running, school: School) -> None:
    moved = school.rescheduled()
    running.publish(*school.people(), moved)
    running.sent(moved.id, 1)
    profile = school.student().data.model_dump(exclude={"mentor_id", "enrolled_at", "training_day"})
    running.publish(event(StudentUpdated(**profile | {"email": f"new-{school.student_email}"}), sequence=2))
    soon(lambda: running.emails(moved.id, "student", f"NEW-{school.student_email}"), 1)
    assert running.emails(moved.id, "student", school.student_email) == []


def test_support_sends_an_email_again_once_for_each_idempotency_key(running: Running, school: School) -> None:
    moved = school.rescheduled()
    running.publish(*school.people(), moved)
    (email,) = running.sent(moved.id, 1)
    path, key = f"/emails/{email['email_id']}/resend", {"Idempotency-Key": str(uuid4())}
    assert running.ask("POST", path, "mentor", school.jean_email).status_code == 403
    first = running.ask("POST", path, "support", headers=key)
    queued = first.json()
    assert (first.status_code, first.headers["etag"]) == (202, '"2"')
    assert queued == email | {
        "state": "queued",
        "attempts": 0,
        "sent_at": None,
        "message_id": queued["message_id"],
        "version": 2,
    }
    (again,) = soon(lambda: [e for e in running.emails(moved.id) if e["message_id"] != email["message_id"]], 1)
    running.sent(moved.id, 1)
    repeated = running.ask("POST", path, "support", headers=key)
    assert (repeated.status_code, repeated.json()) == (202, first.json())
    received = [str(m["Message-ID"]) for m in running.mail.received if m["X-Relais-Event-Id"] == str(moved.id)]
    assert sorted(received) == sorted([email["message_id"], again["message_id"]])
    assert again["message_id"] == queued["message_id"]
    stale = running.ask("POST", path, "support", headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_stale")
    third = running.ask("POST", path, "support", headers={"If-Match": '"2"'}).json()
    assert third["version"] == 3
    assert len({email["message_id"], again["message_id"], third["message_id"]}) == 3


def test_emails_are_read_as_of_an_earlier_instant(running: Running, school: School) -> None:
    moved = school.rescheduled()
    running.publish(*school.people(), moved)
    (email,) = running.sent(moved.id, 1)
    created_at, sent_at = (datetime.fromisoformat(email[name]) for name in ("created_at", "sent_at"))
    moment = timedelta(microseconds=1)

    def read(as_of: datetime, **more: str) -> list[dict[str, Any]]:
        asked = {"event_id": str(moved.id), "as_of": as_of.isoformat(), **more}
        items: list[dict[str, Any]] = running.ask("GET", "/emails", "support", params=asked).json()["items"]
        one = running.ask("GET", f"/emails/{email['email_id']}", "support", params={"as_of": asked["as_of"]})
        assert one.status_code == (200 if items or more else 404)
        return items

    assert read(created_at - moment) == []
    waiting = email | {"state": "queued", "attempts": 0, "sent_at": None}
    assert read(created_at) == [waiting]
    assert read(sent_at - moment) == [waiting]
    assert read(sent_at - moment, state="queued") == [waiting]
    assert read(sent_at - moment, state="sent") == []
    assert read(sent_at) == [email]


def test_an_unknown_email_is_404(running: Running) -> None:
    for method, path in (("GET", f"/emails/{new_id()}"), ("POST", f"/emails/{new_id()}/resend")):
        answer = running.ask(method, path, "support")
        assert (answer.status_code, answer.json()["code"]) == (404, "email_unknown")


def test_the_list_is_paged_newest_first_and_filtered(running: Running, school: School) -> None:
    moves = [school.rescheduled() for _ in range(5)]
    moves = [at_version(move, version) for version, move in enumerate(moves, start=2)]
    running.publish(*school.people(), *moves)
    for move in moves:
        running.sent(move.id, 1)
    read: list[str] = []
    cursor: str | None = None
    while True:
        query = {"to": school.student_email, "state": "sent", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = running.ask("GET", "/emails", "support", params=query).json()
        read += [email["event_id"] for email in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(read) == sorted(str(move.id) for move in moves)
    assert running.ask("GET", "/emails?state=lost", "support").status_code == 422
    for foreign in ({"before": "2026-11"}, {"created_at": "soon", "email_id": read[0]}, {"created_at": 1}):
        answer = running.ask("GET", "/emails", "support", params={"cursor": encode_cursor(foreign)})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), foreign


def test_an_email_that_was_not_tried_yet_can_be_read(running: Running, school: School) -> None:
    imported = school.cancelled(actor="import:office@example.org")
    running.publish(imported)
    (email,) = soon(lambda: running.emails(imported.id), 1)
    assert (email["state"], email["to"], email["subject"]) == ("suppressed", None, None)
    running.publish(*school.people())
    (email,) = soon(lambda: [e for e in running.emails(imported.id) if e["to"]], 1)
    assert email["to"] == school.student_email
    assert "Panne de train" in email["text"]
