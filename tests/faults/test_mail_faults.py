"""Row 7: an e-mail is honest: none is missing, and one at most arrives twice a crash, with the same Message-ID."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local import Stack
from services.chassis.clock import SystemClock
from services.notifier.reactions import reactions
from tests.faults.members import Crew, Member
from tests.faults.oracle import Verdict
from tests.faults.proxy import ProxyHouse
from tests.faults.small import eventually
from tests.faults.table import Results
from tests.faults.whole import fresh_database
from tests.notifier.conftest import School
from tests.notifier.mail_server import MailServer

EMAILS = 30
REFUSED = 3
HANG_S = 1.6
CUT_BEFORE = 2
CUT_AFTER = 2
KILLED = 1
AWAY_S = 0.7
SENT_WITHIN_S = 150.0
"""Each try that was not answered in time makes the next one wait for longer."""
ROWS = "SELECT message_id, state FROM emails"


@dataclass
class Moody:
    """What the mail server answers: it refuses some for now, and hangs once after it has the message."""

    refused: int = REFUSED
    hangs: int = 1
    seen: set[str] = field(default_factory=set)

    def __call__(self, message: EmailMessage) -> str | None:
        if str(message["Message-ID"]) in self.seen:
            return None
        self.seen.add(str(message["Message-ID"]))
        if self.refused > 0:
            self.refused -= 1
            return "451 4.3.0 Try later"
        if self.hangs > 0:
            self.hangs -= 1
            time.sleep(HANG_S)
        return None


@pytest.fixture(scope="module")
def notifier_url(stack: Stack) -> Iterator[str]:
    with fresh_database(stack.database_url) as url:
        yield make_conninfo(url, user="relais_notifier")


def queue(url: str) -> None:
    """As the inbox does: one letter each to as many students."""
    known = reactions(mail_domain="relais.example.org", support_email="support@example.org", clock=SystemClock())
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute("DELETE FROM emails")
        for school in (School.new() for _ in range(EMAILS)):
            for event in (*school.people(), school.cancelled()):
                for reaction in known.get(event.type, ()):
                    reaction(connection, event)


def states(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(ROWS).fetchall()


@pytest.mark.timeout(3600)
def test_no_email_is_missing_and_a_crash_doubles_one_at_most(
    notifier_url: str, house: ProxyHouse, crew: Crew, results: Results, runs: int | None, seed: int
) -> None:
    with results.line(
        7, "SMTP refuses, hangs, is away, dies before and after DATA; kill -9 of the sender", seed
    ) as line:
        doubles = 0
        for number in range(runs or 1):
            verdict, arrived_twice = run(notifier_url, house, crew, random.Random(seed + number))
            doubles += arrived_twice
            line.note = (
                f"{doubles} e-mails arrived twice, with the same Message-ID, in {CRASHES * (number + 1)} crashes"
            )
            line.add(verdict, faults=REFUSED + 1 + 1 + CUT_BEFORE + CUT_AFTER + KILLED)


CRASHES = 1 + CUT_AFTER + KILLED
"""Faults after which nobody knows whether the message was taken: the hang, the cuts behind DATA, the kill."""


def run(url: str, house: ProxyHouse, crew: Crew, choice: random.Random) -> tuple[Verdict, int]:
    mail = MailServer(answer=Moody())
    mail.start()
    proxy = house.smtp(mail.port)
    queue(url)
    moments = choice.sample(range(2, EMAILS), CUT_BEFORE + CUT_AFTER)
    for number, nth in enumerate(moments):
        proxy.trap(".", "before" if number < CUT_BEFORE else "after", nth).cut()
    death = proxy.trap(".", "after", choice.randrange(2, EMAILS // 2))
    smtp_url = f"smtp://127.0.0.1:{proxy.port}"
    member: Member = crew.sender(url, smtp_url)
    assert death.sprung.wait(30), "the sender sends"
    member.kill()
    death.cut()
    proxy.cut_off()
    member = crew.sender(url, smtp_url)
    time.sleep(AWAY_S)
    proxy.heal()
    eventually(
        lambda: all(state == "sent" for _, state in states(url)), "all e-mails are sent", deadline_s=SENT_WITHIN_S
    )
    member.stop()
    mail.stop()
    verdict = Verdict(committed_count=EMAILS)
    arrived = Counter(str(message["Message-ID"]) for message in mail.received)
    verdict.compare("e-mails", [message_id for message_id, _ in states(url)], list(arrived))
    doubled = arrived.total() - len(arrived)
    assert doubled <= CRASHES, "one double at most a crash"
    return verdict, doubled
