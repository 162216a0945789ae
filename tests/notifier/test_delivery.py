"""An e-mail is honest: none missing, none twice, except one double a crash with the same Message-ID."""

import time
from email.message import EmailMessage

import psycopg
import pytest

from services.notifier.domain.delivery import MAX_ATTEMPTS, MAX_PAUSE_S, Accepted, Refused, Uncertain, pause_after
from tests.notifier.conftest import Notifier, School


def test_the_same_event_twice_is_one_email(notifier: Notifier, school: School) -> None:
    cancelled = school.cancelled()
    notifier.hear(*school.people(), cancelled, cancelled)
    notifier.hear(cancelled)
    notifier.send_all()
    (row,) = notifier.rows()
    assert (row["state"], row["attempts"], row["event_id"]) == ("sent", 1, cancelled.id)
    assert row["sent_at"] >= row["created_at"]
    assert [message["Message-ID"] for message in notifier.mail.received] == [row["message_id"]]
    assert row["message_id"] == f"<{row['email_id']}@relais.example.org>"


def test_an_email_waits_until_everybody_it_names_is_known(notifier: Notifier, school: School) -> None:
    notifier.hear(school.cancelled(), school.student())
    other = School.new()
    notifier.hear(*other.people(), other.cancelled())
    notifier.send_until(lambda: len(notifier.mail.received) == 1)  # It holds up nobody else.
    (waiting,) = notifier.rows("state = 'queued'")
    assert waiting["attempts"] == 0
    notifier.hear(*school.mentors())
    notifier.send_all()
    assert len(notifier.mail.received) == 2


def test_what_an_import_caused_is_kept_but_not_sent(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(), school.cancelled(actor="import:office@example.org"), school.rescheduled())
    notifier.send_all()
    assert sorted(row["state"] for row in notifier.rows()) == ["sent", "suppressed"]
    assert len(notifier.mail.received) == 1


def test_a_temporary_refusal_is_tried_again_with_the_same_words(notifier: Notifier, school: School) -> None:
    answers = iter(["451 4.3.0 Try later"])
    tried: list[EmailMessage] = []

    def answer(message: EmailMessage) -> str | None:
        tried.append(message)
        return next(answers, None)

    notifier.mail.answer = answer
    notifier.hear(*school.people(), school.cancelled())
    notifier.send_all()
    (row,) = notifier.rows()
    assert (row["state"], row["attempts"], row["last_error"]) == ("sent", 2, None)
    assert [message["Message-ID"] for message in tried] == [row["message_id"]] * 2
    assert tried[0]["Subject"] == tried[1]["Subject"]


@pytest.mark.parametrize("where", ["recipient", "message"])
def test_a_refusal_for_good_fails_and_says_why_and_the_next_goes_on(
    notifier: Notifier, school: School, where: str
) -> None:
    if where == "recipient":
        notifier.mail.refuse_recipient = "550 5.1.1 No such user"
    else:
        notifier.mail.answer = lambda _: "550 5.1.1 No such user"
    notifier.hear(*school.people(), school.cancelled())
    notifier.send_all()
    (row,) = notifier.rows()
    assert (row["state"], row["attempts"], row["sent_at"]) == ("failed", 1, None)
    assert "550" in row["last_error"]
    notifier.mail.refuse_recipient, notifier.mail.answer = None, lambda _: None
    notifier.hear(school.rescheduled())
    notifier.send_all()
    assert len(notifier.mail.received) == 1


def test_an_address_that_is_none_fails_alone(notifier: Notifier, school: School) -> None:
    notifier.hear(*school.people(email="not an address"), school.transferred())
    notifier.send_all()
    assert sorted((row["template"], row["state"]) for row in notifier.rows()) == [
        ("mentor_changed", "failed"),
        ("student_arrived", "sent"),
        ("student_left", "sent"),
    ]


def test_a_server_that_is_away_is_waited_for_and_counts_as_no_attempt(notifier: Notifier, school: School) -> None:
    notifier.mail.stop()
    notifier.hear(*school.people(), school.cancelled())
    began = time.monotonic()

    def done() -> bool:
        if time.monotonic() - began > 1.0 and notifier.mail._thread is None:
            notifier.mail.start()
        return not notifier.rows("state = 'queued'")

    notifier.send_until(done)
    (row,) = notifier.rows()
    assert (row["state"], row["attempts"]) == ("sent", 1)


def test_a_server_that_hangs_after_the_data_is_given_up_and_asked_again(notifier: Notifier, school: School) -> None:
    tried: list[str] = []

    def answer(message: EmailMessage) -> str | None:
        tried.append(str(message["Message-ID"]))
        if len(tried) == 1:
            time.sleep(2.5)  # Past the sender's patience.
        return None

    notifier.mail.answer = answer
    notifier.hear(*school.people(), school.cancelled())
    notifier.send_all()
    (row,) = notifier.rows()
    assert (row["state"], row["attempts"]) == ("sent", 2)
    assert tried == [row["message_id"]] * 2


def test_a_server_that_dies_after_the_data_makes_one_double_at_most(notifier: Notifier, school: School) -> None:
    seen: list[str] = []

    def answer(message: EmailMessage) -> str | None:
        seen.append(str(message["Message-ID"]))
        if len(seen) == 1:
            assert notifier.mail._loop is not None
            notifier.mail._loop.call_soon_threadsafe(notifier.mail._loop.stop)
            time.sleep(0.3)
        return None

    def done() -> bool:
        thread = notifier.mail._thread
        if thread is not None and not thread.is_alive():
            notifier.mail.start()
        return not notifier.rows("state = 'queued'")

    notifier.mail.answer = answer
    notifier.hear(*school.people(), school.cancelled())
    notifier.send_until(done)
    (row,) = notifier.rows()
    assert row["state"] == "sent"
    assert seen == [row["message_id"]] * 2


def test_a_crash_between_the_servers_yes_and_our_note_of_it_sends_once_more_with_the_same_id(
    notifier: Notifier, database_urls: tuple[str, str], school: School
) -> None:
    seen: list[str] = []

    def answer(message: EmailMessage) -> str | None:
        seen.append(str(message["Message-ID"]))
        if len(seen) == 1:
            with psycopg.connect(database_urls[0], autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'notifier-sender'"
                )
        return None

    notifier.mail.answer = answer
    first, second = School.new(), School.new()
    notifier.hear(*first.people(), first.cancelled(), *second.people(), second.cancelled())
    notifier.send_all()
    assert sorted(row["state"] for row in notifier.rows()) == ["sent", "sent"]
    assert len(seen) == 3
    assert len(set(seen)) == 2


def test_two_senders_at_once_send_each_email_once(notifier: Notifier) -> None:
    import asyncio

    schools = [School.new() for _ in range(30)]
    for each in schools:
        notifier.hear(*each.people(), each.cancelled())

    async def run() -> None:
        stop = asyncio.Event()
        senders = [asyncio.create_task(notifier.sender().run(stop)) for _ in range(3)]
        async with asyncio.timeout(30):
            while await asyncio.to_thread(notifier.rows, "state = 'queued'"):  # noqa: ASYNC110 - a database
                await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*senders)

    asyncio.run(run())
    assert len(notifier.mail.received) == 30
    assert len({message["Message-ID"] for message in notifier.mail.received}) == 30


def test_after_a_yes_or_a_no_there_is_no_next_try_and_pauses_grow_up_to_a_limit() -> None:
    assert pause_after(Accepted(), 1) is None
    assert pause_after(Refused("550"), 1) is None
    pauses = [pause_after(Uncertain("451"), attempts) for attempts in range(1, MAX_ATTEMPTS)]
    assert pauses[:3] == [2.0, 4.0, 8.0]
    assert pauses[-1] == MAX_PAUSE_S
    assert sum(pause or 0.0 for pause in pauses) > 24 * 3600
    assert pause_after(Uncertain("451"), MAX_ATTEMPTS) is None


@pytest.mark.parametrize(
    ("url", "port", "encryption", "username"),
    [
        ("smtp://mail.example.org", 25, "smtp", None),
        ("smtp+starttls://relais:p%40ss@mail.example.org", 587, "smtp+starttls", "relais"),
        ("smtps://relais:x@mail.example.org:2465", 2465, "smtps", "relais"),
    ],
)
def test_a_mail_server_is_given_as_a_url(url: str, port: int, encryption: str, username: str | None) -> None:
    from services.notifier.edges.smtp import SmtpAddress

    address = SmtpAddress.parse(url)
    assert (address.host, address.port, address.encryption, address.username) == (
        "mail.example.org",
        port,
        encryption,
        username,
    )
    assert address.password in (None, "p@ss", "x")
