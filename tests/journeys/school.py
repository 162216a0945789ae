"""A school over HTTP: what a journey does, in the words of the people who do it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.conftest import RunningRelais

EFFECT_DEADLINE_S = 2.0
"""What a command caused is there within two seconds."""

T = TypeVar("T")


@dataclass
class School:
    """A running Relais and somebody of each role."""

    relais: RunningRelais
    client: httpx.Client = field(init=False)
    tokens: dict[str, str] = field(default_factory=dict)
    mentor_of: dict[str, str] = field(default_factory=dict)
    """The first mentor's e-mail, by the id of a mentor, a student or a session."""

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.relais.url + "/api", timeout=15)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: str = "support",
        email: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Without ``email``: a mentor is the one concerned, any other role is somebody who has it."""
        if role == "mentor" and not email:
            email = self._mentor_concerned(path, body)
        person = f"{role}:{email or role + '@example.org'}"
        if person not in self.tokens:
            self.tokens[person] = self.relais.token(role, person.split(":")[1])
        own = {"Authorization": f"Bearer {self.tokens[person]}", **(headers or {})}
        answer = self.client.request(method, path, json=body, headers=own)
        if (method, path) == ("POST", "/sessions") and answer.is_success:
            session = answer.json()
            self.mentor_of[session["session_id"]] = self.mentor_of.get(session["mentor_id"], "")
        return answer

    def _mentor_concerned(self, path: str, body: object) -> str:
        named = [*path.split("/"), *(body.values() if isinstance(body, dict) else ())]
        return next((self.mentor_of[one] for one in named if isinstance(one, str) and one in self.mentor_of), "")

    def ok(self, method: str, path: str, body: object = None, **how: Any) -> dict[str, Any]:
        answer = self.call(method, path, body, **how)
        assert answer.is_success, f"{method} {path} → {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    def mentor(self, *, capacity: int = 5, paths: tuple[str, ...] = ("Python",), **changes: Any) -> dict[str, Any]:
        mentor_id = str(uuid4())
        account = {
            "email": f"mentor-{mentor_id[:8]}@example.org",
            "name": "Maëlle Petit",
            "capacity": capacity,
            "paths": list(paths),
            "projects": ["Projet 1", "Projet 2"],
            "timezone": "Europe/Paris",
        } | changes
        self.ok("PUT", f"/mentors/{mentor_id}", account, role="directory")
        self.mentor_of[mentor_id] = str(account["email"])
        return account | {"mentor_id": mentor_id}

    def student(self, mentor: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        student_id = str(uuid4())
        account = {
            "email": f"student-{student_id[:8]}@example.org",
            "name": "Noé Lambert",
            "path": "Python",
            "project": "Projet 1",
            "funding": "third_party",
            "mentor_id": mentor["mentor_id"],
            "language": "fr",
        } | changes
        self.ok("PUT", f"/students/{student_id}", account, role="directory")
        self.mentor_of[student_id] = self.mentor_of.get(mentor["mentor_id"], "")
        return account | {"student_id": student_id}

    def session(self, student: Mapping[str, Any], starts_at: datetime, *, duration_minutes: int = 45) -> dict[str, Any]:
        body = {
            "student_id": student["student_id"],
            "starts_at": starts_at.isoformat(),
            "duration_minutes": duration_minutes,
        }
        return self.ok("POST", "/sessions", body, role="mentor")

    def records(self, topic: str, key: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
        """All records of one key, (headers, value), as a client that is not ours reads them."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.relais.kafka_bootstrap_servers,
                "group.id": f"outsider-{uuid4()}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
            found: list[tuple[dict[str, str], dict[str, Any]]] = []
            ended = 0
            while ended < len(partitions):
                message = consumer.poll(10)
                assert message is not None, f"no answer from {topic}"
                if message.error():
                    ended += 1
                elif (message.key() or b"").decode() == key:
                    headers = {
                        name: value.decode()
                        for name, value in dict(message.headers() or []).items()
                        if isinstance(value, bytes)
                    }
                    found.append((headers, json.loads(message.value() or b"null")))
            return found
        finally:
            consumer.close()


def eventually(look: Callable[[], T | None], *, within_s: float = EFFECT_DEADLINE_S) -> T:
    """What ``look`` gives as soon as it is truthy; its last answer stands in the failure."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s} s, but {found!r}"
        time.sleep(0.02)


def at(days: float = 0, *, hours: float = 0, minutes: float = 0) -> datetime:
    """An instant from now, on a whole second."""
    return (datetime.now(UTC) + timedelta(days=days, hours=hours, minutes=minutes)).replace(microsecond=0)
