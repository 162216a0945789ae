"""How far a service is behind, over HTTP and for support, and as gauges."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter
from prometheus_client import Gauge
from pydantic import BaseModel

from services.chassis.auth import Principal
from services.chassis.http import Instant, require
from services.chassis.lag import LagWatch, Standing, State

BACKLOG = Gauge("relais_relay_backlog_events", "Committed events that are not published yet.", ("service",))
BACKLOG_AGE_S = Gauge(
    "relais_relay_oldest_age_seconds", "Age of the oldest of them; 0 where there is none.", ("service",)
)
CONSUMER_LAG = Gauge(
    "relais_consumer_lag_events", "Events on a partition that have not taken effect.", ("service", "topic", "partition")
)
CONSUMER_AGE_S = Gauge(
    "relais_consumer_oldest_age_seconds",
    "Age of the oldest of them, or of what is set aside of that partition; 0 where there is none.",
    ("service", "topic", "partition"),
)
ALL: Final = (BACKLOG, BACKLOG_AGE_S, CONSUMER_LAG, CONSUMER_AGE_S)


class LagPlace(BaseModel):
    """The relay (``topic`` is null) or a partition that is read.

    ``stopped``: what waits has not moved for a minute and a half; ``unknown``: Kafka is away.
    """

    topic: str | None
    partition: int | None
    relay_backlog: int | None
    consumer_lag: int | None
    parked: int
    oldest_age_s: float | None
    state: State


class LagMinute(BaseModel):
    """The most that waited within a minute, all places together."""

    at: Instant
    relay_backlog: int
    consumer_lag: int | None
    parked: int
    oldest_age_s: float | None


class ServiceLag(BaseModel):
    """What a process of the service measured last, and the last hour of it, the oldest minute first."""

    service: str
    measured_at: Instant | None
    state: State
    items: list[LagPlace]
    minutes: list[LagMinute]


def lag_router(watch: LagWatch) -> APIRouter:
    """Route ``/lag/{service}``, for support."""
    router = APIRouter(tags=["lag"])

    @router.get(f"/lag/{watch.service}")
    async def lag_of_service(principal: Annotated[Principal, require("support")]) -> ServiceLag:
        """How far the service is behind, as it was measured a few seconds ago."""
        return ServiceLag(
            service=watch.service,
            measured_at=watch.measured_at,
            state=watch.state(),
            items=[
                LagPlace(**{k: v for k, v in asdict(one.lag).items() if k != "service"}, state=one.state)
                for one in watch.standings
            ],
            minutes=[LagMinute(**asdict(minute)) for minute in watch.minutes],
        )

    watch.on_measured = _set_gauges
    return router


def _set_gauges(standings: Sequence[Standing]) -> None:
    """No figure rather than an old one, where a server is away."""
    for gauge in ALL:
        gauge.clear()
    for lag in (standing.lag for standing in standings):
        if lag.topic is None:
            BACKLOG.labels(lag.service).set(lag.relay_backlog or 0)
            BACKLOG_AGE_S.labels(lag.service).set(lag.oldest_age_s or 0.0)
        elif lag.consumer_lag is not None:
            CONSUMER_LAG.labels(lag.service, lag.topic, lag.partition).set(lag.consumer_lag)
            CONSUMER_AGE_S.labels(lag.service, lag.topic, lag.partition).set(lag.oldest_age_s or 0.0)
