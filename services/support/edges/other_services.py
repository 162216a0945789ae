"""What billing, attendance and the notifier did with events, asked over HTTP with the token of the person who asks."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

import httpx

from services.chassis.settings import Settings

TIMEOUT_S: Final = 3.0
EVENTS_A_CALL: Final = 100
RESOURCES: Final[Mapping[str, tuple[str, str]]] = {
    "billing": ("statement_lines", "/api/statement-lines"),
    "attendance": ("attendance_entries", "/api/attendance-entries"),
    "notifier": ("emails", "/api/emails"),
}
"""Service → the name of what it answers with, and where to ask."""


@dataclass(frozen=True, slots=True)
class EffectsElsewhere:
    """What other services hold for the events; ``unavailable`` are services that did not answer."""

    statement_lines: Sequence[Mapping[str, Any]] = ()
    attendance_entries: Sequence[Mapping[str, Any]] = ()
    emails: Sequence[Mapping[str, Any]] = ()
    unavailable: Sequence[str] = field(default_factory=tuple)


class OtherServices(Protocol):
    def effects_of(self, event_ids: Sequence[UUID], authorization: str) -> EffectsElsewhere: ...


class OtherServicesOverHttp:
    """Asks all of them at once; one that is away costs at most ``TIMEOUT_S``."""

    def __init__(self, settings: Settings) -> None:
        self._urls = {service: settings.service_url(service) + path for service, (_, path) in RESOURCES.items()}
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._threads = ThreadPoolExecutor(max_workers=2 * len(RESOURCES), thread_name_prefix="support-asks")

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._client.close()

    def effects_of(self, event_ids: Sequence[UUID], authorization: str) -> EffectsElsewhere:
        asked = {
            service: self._threads.submit(self._ask, url, event_ids, authorization)
            for service, url in self._urls.items()
        }
        found: dict[str, Sequence[Mapping[str, Any]]] = {}
        unavailable = []
        for service, answer in asked.items():
            try:
                found[RESOURCES[service][0]] = answer.result()
            except (httpx.HTTPError, ValueError, KeyError):
                unavailable.append(service)
        return EffectsElsewhere(**found, unavailable=tuple(unavailable))

    def _ask(self, url: str, event_ids: Sequence[UUID], authorization: str) -> list[Mapping[str, Any]]:
        items: list[Mapping[str, Any]] = []
        for begin in range(0, len(event_ids), EVENTS_A_CALL):
            asked = [("event_id", str(event_id)) for event_id in event_ids[begin : begin + EVENTS_A_CALL]]
            answer = self._client.get(
                url, params=[*asked, ("limit", "200")], headers={"Authorization": authorization}
            ).raise_for_status()
            items += answer.json()["items"]
        return items
