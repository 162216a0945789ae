"""HTTP: what all services set aside, asked of each with the token of the person who asks."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Protocol

import httpx
from fastapi import APIRouter, Query, Request

from services.chassis.auth import Principal
from services.chassis.http import DEFAULT_LIMIT, Limit, Page, decode_cursor, encode_cursor, invalid_cursor, require
from services.chassis.parked_api import MAX_KEY_CHARS, ParkedItem
from services.chassis.settings import SERVICES, Settings

TIMEOUT_S: Final = 3.0

ServiceName = Literal["sessions", "transfers", "billing", "attendance", "notifier", "support"]


class ServiceAway(Exception):
    """A service did not answer, or not with a list."""


class ParkedElsewhere(Protocol):
    def page(self, service: str, query: Mapping[str, str], authorization: str) -> Mapping[str, Any]:
        """A page of what the service set aside. Raises ServiceAway."""
        ...


class ParkedOverHttp:
    """Asks the services at the addresses of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def page(self, service: str, query: Mapping[str, str], authorization: str) -> Mapping[str, Any]:
        url = f"{self._settings.service_url(service)}/api/parked/{service}"
        try:
            answer = self._client.get(url, params=query, headers={"Authorization": authorization}).raise_for_status()
            page: Mapping[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceAway(service) from error
        return page


class ParkedPage(Page[ParkedItem]):
    """What is set aside; ``unavailable``: the services that did not answer, whose events are missing here."""

    unavailable: list[str]


def all_parked_router(others: ParkedElsewhere) -> APIRouter:
    """Route ``/parked``, for support; each service answers for its own below ``/parked/{service}``."""
    router = APIRouter(tags=["parked"])

    @router.get("/parked")
    def list_all_parked(
        request: Request,
        principal: Annotated[Principal, require("support")],
        service: ServiceName | None = None,
        key: Annotated[str | None, Query(max_length=MAX_KEY_CHARS, description="The key of the records.")] = None,
        cursor: str | None = None,
        limit: Limit = DEFAULT_LIMIT,
    ) -> ParkedPage:
        """What is set aside and not settled, by service and key, and within a key in order."""
        authorization = request.headers["authorization"]
        begin_at, inner = _place(cursor)
        asked = [name for name in SERVICES if service in (None, name)]
        items: list[Any] = []
        unavailable: list[str] = []
        for name in asked[asked.index(begin_at) if begin_at in asked else 0 :]:
            if len(items) == limit:
                return ParkedPage(items=items, next_cursor=encode_cursor({"service": name}), unavailable=unavailable)
            query = {"limit": str(limit - len(items))} | _given(key=key, cursor=inner if name == begin_at else None)
            try:
                page = others.page(name, query, authorization)
            except ServiceAway:
                unavailable.append(name)
                continue
            items += page["items"]
            if page["next_cursor"] is not None:
                following = encode_cursor({"service": name, "cursor": page["next_cursor"]})
                return ParkedPage(items=items, next_cursor=following, unavailable=unavailable)
        return ParkedPage(items=items, next_cursor=None, unavailable=unavailable)

    return router


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _place(cursor: str | None) -> tuple[str | None, str | None]:
    """The service at which the page begins, and the place in its own list."""
    position = decode_cursor(cursor)
    if position is None:
        return None, None
    service, inner = position.get("service"), position.get("cursor")
    known: Sequence[object] = SERVICES
    if service not in known or not isinstance(inner, str | None):
        raise invalid_cursor()
    return service, inner
