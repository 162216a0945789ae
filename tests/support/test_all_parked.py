"""What all services set aside, as one list."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from services.chassis.auth import LocalIssuer
from services.chassis.http import create_api
from services.support.edges.parked import ServiceAway, all_parked_router


class Services:
    """Every service with its numbers; one that holds None does not answer."""

    def __init__(self, **held: int | None) -> None:
        self.held = held

    def page(self, service: str, query: Mapping[str, str], authorization: str) -> Mapping[str, Any]:
        count = self.held.get(service, 0)
        if count is None:
            raise ServiceAway(service)
        begin = int(query.get("cursor", "0"))
        end = min(count, begin + int(query["limit"]))
        items = [item(service, number) for number in range(begin, end)]
        return {"items": items, "next_cursor": str(end) if end < count else None}


def item(service: str, number: int) -> dict[str, Any]:
    return {
        "service": service, "parked_id": number + 1, "consumer": service, "topic": "relais.sessions", "partition": 0,
        "offset": number, "key": "k", "event_id": None, "event_type": None, "state": "parked", "error": "Malformed",
        "attempts": 3, "parked_at": "2026-11-20T12:00:00Z", "settled_at": None, "settled_by": None, "reason": None,
    }  # fmt: skip


def asked(services: Services, folder: Path, **parameters: Any) -> dict[str, Any]:
    issuer = LocalIssuer(folder / "issuer")
    api = create_api(
        "support", service="support", auth=issuer.authenticator(), routers=[all_parked_router(services)], ready=dict
    )
    headers = {"Authorization": f"Bearer {issuer.mint('support', 'sam@example.org')}"}
    answer: dict[str, Any] = TestClient(api).get("/api/parked", params=parameters, headers=headers).json()
    return answer


def test_every_services_events_come_in_one_list_page_by_page(tmp_path: Path) -> None:
    services = Services(sessions=3, billing=2, support=1)
    found, cursor = [], None
    while True:
        page = asked(services, tmp_path, limit=2, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= 2
        found += [(one["service"], one["parked_id"]) for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [
        ("sessions", 1), ("sessions", 2), ("sessions", 3), ("billing", 1), ("billing", 2), ("support", 1),
    ]  # fmt: skip


def test_a_service_that_is_away_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    page = asked(Services(sessions=1, billing=None, support=1), tmp_path)
    assert ([one["service"] for one in page["items"]], page["unavailable"]) == (["sessions", "support"], ["billing"])


def test_one_service_alone_can_be_asked_for(tmp_path: Path) -> None:
    page = asked(Services(sessions=1, billing=2), tmp_path, service="billing")
    assert [one["service"] for one in page["items"]] == ["billing", "billing"]
    assert asked(Services(), tmp_path, service="nobody")["code"] == "invalid_parameter"
