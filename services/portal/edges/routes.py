"""Which service owns which resource: the one table that the proxy and the pages' API client both read."""

import re
from collections.abc import Mapping
from typing import Final

API_SERVICES: Final = ("sessions", "transfers", "billing", "attendance", "notifier", "support")

OWNERS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), service)
    for pattern, service in (
        (r"/api/mentors/[^/]+/statements(?:/|$)", "billing"),
        (r"/api/statement-lines(?:/|$)", "billing"),
        (r"/api/statements(?:/|$)", "billing"),
        (r"/api/disputes(?:/|$)", "billing"),
        (r"/api/students/[^/]+/attendance(?:[./]|$)", "attendance"),
        (r"/api/attendance(?:[./]|$)", "attendance"),
        (r"/api/attendance-entries(?:/|$)", "attendance"),
        (r"/api/continuity(?:[./]|$)", "attendance"),
        (r"/api/mentors(?:/|$)", "transfers"),
        (r"/api/students(?:/|$)", "transfers"),
        (r"/api/absences(?:/|$)", "transfers"),
        (r"/api/sessions(?:/|$)", "sessions"),
        (r"/api/emails(?:/|$)", "notifier"),
        (r"/api/calendar-link(?:/|$)", "notifier"),
        (r"/agenda/[^/]+\.ics$", "notifier"),
        (r"/api/audit(?:/|$)", "support"),
        *((rf"/api/parked/{service}(?:/|$)", service) for service in API_SERVICES),
        *((rf"/api/(?:lag|rebuilds)/{service}$", service) for service in API_SERVICES),
        (r"/api/parked(?:/|$)", "support"),
        (r"/api/sandbox(?:/|$)", "support"),
        (r"/mail(?:/|$)", "mail"),
    )
)


def owner_of(path: str) -> str | None:
    """The service that answers for this path; None where no service does."""
    for pattern, service in OWNERS:
        if pattern.match(path):
            return service
    return None


class Upstreams:
    """Base addresses of the services, and the address of a path behind the front."""

    def __init__(self, base_urls: Mapping[str, str]) -> None:
        self._base_urls = {service: url.rstrip("/") for service, url in base_urls.items() if url}

    def base_url(self, service: str) -> str | None:
        return self._base_urls.get(service)
