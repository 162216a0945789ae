"""A stream of commands that does not give up: each one is repeated under its Idempotency-Key until it is answered."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from email.parser import BytesHeaderParser
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from confluent_kafka import KafkaException

from tests.conftest import RunningRelais
from tests.faults.oracle import Verdict
from tests.faults.whole import committed_events, judge
from tests.journeys.school import School, at

UP = ("--empty", "--sandbox")
STUDENTS = 25
CLIENTS = 8
RETRY_PAUSE_S = 0.1
GIVE_UP_S = 120.0
SETTLE_S = 120.0
KNOWN_STUDENTS = "SELECT count(*) FROM sessions.students JOIN sessions.mentors USING (mentor_id)"
TRANSIENT = {429, 502, 503, 504}


@dataclass
class Stream:
    """Commands of one school: two for each session, scheduled and then cancelled or held."""

    relais: RunningRelais
    students: list[dict[str, Any]] = field(default_factory=list)
    repeated_count: int = 0
    accepted: list[tuple[str, int]] = field(default_factory=list)
    """Aggregate and version of each command that was accepted."""
    answered_count: int = 0
    unavailable: list[httpx.Response] = field(default_factory=list)
    """Every 503."""
    _looked_at: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self) -> None:
        school = School(self.relais)
        for _ in range(STUDENTS // 5):
            mentor = school.mentor(capacity=5)
            self.students += [school.student(mentor) for _ in range(5)]
        self._wait_until_known()

    def _wait_until_known(self) -> None:
        """Planning waits two seconds for a student on the way from transfers; a service that is killed needs longer."""
        deadline = time.monotonic() + GIVE_UP_S
        with psycopg.connect(self.relais.database_url, autocommit=True) as connection:
            while connection.execute(KNOWN_STUDENTS).fetchone() != (STUDENTS,):
                assert time.monotonic() < deadline, "the students did not reach the service sessions"
                time.sleep(0.1)

    def run(self, command_count: int, *, url: str | None = None, token: str | None = None) -> None:
        """Sends ``command_count`` commands from several clients. Raises where one is refused or never answered.

        ``url`` leads to a replica of sessions in the place of the front.
        """
        url = url or self.relais.url
        token = token or self.relais.token("support", "support@example.org")
        session_count = command_count // 2
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda share: self._client(url, token, share), _shares(session_count)))

    def _client(self, url: str, token: str, numbers: Sequence[int]) -> None:
        with httpx.Client(base_url=f"{url}/api", timeout=10, headers={"Authorization": f"Bearer {token}"}) as client:
            for number in numbers:
                student = self.students[number % len(self.students)]
                is_held = number % 2 == 0
                starts_at = at(-2 if is_held else 20) + timedelta(minutes=number)
                session = self._answered(
                    client,
                    "/sessions",
                    {
                        "student_id": student["student_id"],
                        "starts_at": starts_at.isoformat(),
                        "duration_minutes": 45,
                    },
                )
                path = f"/sessions/{session['session_id']}"
                if is_held:
                    self._answered(client, f"{path}/completion", {})
                else:
                    self._answered(client, f"{path}/cancellation", {"reason": "student_early"})

    def _answered(self, client: httpx.Client, path: str, body: object) -> dict[str, Any]:
        key, deadline = str(uuid4()), time.monotonic() + GIVE_UP_S
        while True:
            try:
                answer = client.post(path, json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:
                failure = repr(error)
            else:
                if answer.status_code not in TRANSIENT and answer.status_code != 500:
                    break
                failure = f"{answer.status_code} {answer.text}"
                if answer.status_code == 503:
                    self.unavailable.append(answer)
            with self._lock:
                self.repeated_count += 1
            assert time.monotonic() < deadline, f"{path} was not answered: {failure}"
            time.sleep(RETRY_PAUSE_S)
        assert answer.is_success, f"{path} → {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        with self._lock:
            self.answered_count += 1
            self.accepted.append((found["session_id"], found["version"]))
        return found

    def settled(self, *, within_s: float = SETTLE_S) -> Verdict:
        """The verdict of the oracle on all that was sent so far, as soon as it is clean, or the last one in time.

        Its ``committed_count`` is that of the commands accepted since the last look.
        """
        deadline = time.monotonic() + within_s
        while True:
            try:
                verdict = judge(self.relais.database_url, self.relais.kafka_bootstrap_servers)
                stored = committed_events(self.relais.database_url, "sessions")
                verdict.compare(
                    "accepted commands", self.accepted, [(str(event.subject), event.sequence) for event in stored]
                )
            except (psycopg.Error, KafkaException, AssertionError) as error:  # A server may be on its way up.
                verdict = Verdict(faults=[repr(error)])
            if verdict.is_clean or time.monotonic() > deadline:
                verdict.committed_count = len(self.accepted) - self._looked_at
                self._looked_at = len(self.accepted)
                return verdict
            time.sleep(0.5)

    def delivered_doubles(self) -> int:
        """E-mails that arrived more than once, which a crash between delivery and its record may cause."""
        parser = BytesHeaderParser()
        messages = [parser.parsebytes(file.read_bytes()) for file in (self.relais.data_dir / "mail").glob("*.eml")]
        return len(messages) - len({message["Message-ID"] for message in messages})

    def take_repeated_count(self) -> int:
        """How often a command was sent again since the last look."""
        count, self.repeated_count = self.repeated_count, 0
        return count


def _shares(count: int) -> Iterator[Sequence[int]]:
    return (range(client, count, CLIENTS) for client in range(CLIENTS))
