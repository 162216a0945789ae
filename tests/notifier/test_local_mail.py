"""The local mail server: keeps what it is sent, shows it, and lets nothing in a message do anything."""

import asyncio
import smtplib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from deploy.local.mail import MAX_MESSAGE_BYTES, Mailbox, build
from deploy.local.ports import free_ports
from services.chassis.service import serve
from services.chassis.settings import Settings

SOON_S = 10.0


@dataclass(frozen=True)
class LocalMail:
    smtp_port: int
    url: str
    folder: Path

    def send(self, to: str = "Léa <lea@example.org>", subject: str = "Été", **headers: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "relais@example.org", to, subject
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content("Bonjour\n.\nFin")
        message.add_alternative("<p>Bonjour</p><script>alert(1)</script>", subtype="html")
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as server:
            server.send_message(message)

    def get(self, path: str, language: str = "fr") -> httpx.Response:
        return httpx.get(self.url + path, headers={"Accept-Language": language})


@pytest.fixture
def local_mail(tmp_path: Path) -> Iterator[LocalMail]:
    smtp_port, port = free_ports(2)
    settings = Settings(data_dir=tmp_path, smtp_url=f"smtp://127.0.0.1:{smtp_port}", port=port)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    service = build(settings)
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(service, settings, None, stop)))
    thread.start()
    running = LocalMail(smtp_port, f"http://127.0.0.1:{port}", tmp_path / "mail")
    deadline = time.monotonic() + SOON_S
    while not _ready(running):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield running
    loop.call_soon_threadsafe(stop.set)
    thread.join(SOON_S)
    loop.close()


def _ready(running: LocalMail) -> bool:
    try:
        return running.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_a_message_is_kept_listed_and_shown(local_mail: LocalMail) -> None:
    local_mail.send(X_Relais_Event_Id="e-1", Message_ID="<m-1@example.org>")
    local_mail.send(to="sam@example.org", subject="Autre")
    newest, oldest = local_mail.get("/mail/messages.json").json()["items"]
    assert (newest["to"], newest["subject"]) == ("sam@example.org", "Autre")
    assert oldest["to"] == "Léa <lea@example.org>"
    assert oldest["recipients"] == ["lea@example.org"]
    assert (oldest["message_id"], oldest["event_id"], oldest["subject"]) == ("<m-1@example.org>", "e-1", "Été")
    assert len(local_mail.get("/mail/messages.json?to=LEA@example.org").json()["items"]) == 1
    assert len(list(local_mail.folder.glob("*.eml"))) == 2

    page = local_mail.get("/mail").text
    assert "Boîte aux lettres locale" in page
    assert f"/mail/{oldest['id']}" in page
    assert "Local mailbox" in local_mail.get("/mail", "en").text
    whole = local_mail.get(f"/mail/{oldest['id']}/message.json").json()
    assert whole["text"].replace("\r\n", "\n") == "Bonjour\n.\nFin\n"
    assert "Bonjour" in local_mail.get(f"/mail/{oldest['id']}").text
    assert "Message-ID: <m-1@example.org>" in local_mail.get(f"/mail/{oldest['id']}/source").text


def test_nothing_in_a_message_does_anything(local_mail: LocalMail) -> None:
    local_mail.send(to='"<script>alert(1)</script>" <lea@example.org>', subject="<script>alert(1)</script>")
    (message,) = local_mail.get("/mail/messages.json").json()["items"]
    for path in ("/mail", f"/mail/{message['id']}", "/mail?to=<script>alert(1)</script>"):
        answer = local_mail.get(path)
        assert "<script" not in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    html = local_mail.get(f"/mail/{message['id']}/html")
    assert "<script>" in html.text  # As it came; but in a sandbox that runs and loads nothing.
    assert html.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "x", "0" * 29, "00000000000000000000-00000000"])
def test_what_is_no_message_is_404(local_mail: LocalMail, name: str) -> None:
    for rest in ("", "/html", "/source", "/message.json"):
        assert local_mail.get(f"/mail/{name}{rest}").status_code == 404


def test_a_message_that_is_too_long_is_refused(local_mail: LocalMail) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "relais@example.org", "lea@example.org"
    message.set_content("x" * MAX_MESSAGE_BYTES)
    with smtplib.SMTP("127.0.0.1", local_mail.smtp_port) as server, pytest.raises(smtplib.SMTPException):
        server.send_message(message)
    assert local_mail.get("/mail/messages.json").json() == {"items": []}


def test_the_folder_keeps_the_newest_messages_also_after_a_restart(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, max_messages=3)
    names = [mailbox.keep(b"Subject: %d\r\n\r\nx" % number, ["lea@example.org"]) for number in range(5)]
    (tmp_path / ".half.part").write_text("cut off by a crash")
    again = Mailbox(tmp_path, max_messages=3)
    assert again.names() == mailbox.names() == names[:1:-1]
    assert [summary["subject"] for summary in again.summaries(to=None, limit=10)] == ["4", "3", "2"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{name}.eml" for name in names[2:]]


def test_headers_that_are_broken_do_not_break_the_list(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    mailbox.keep(b'To: "<<>@@\r\nSubject: =?utf-9?q?x?=\r\nFrom: \xff\xfe\r\n\r\nx', ["lea@example.org"])
    mailbox.keep(b"", [])
    assert len(mailbox.summaries(to=None, limit=10)) == 2
