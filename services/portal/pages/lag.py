"""« Retards »: how far each service is behind, now and over the last hour; each says it of itself."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, path
from services.portal.edges.live import Part
from services.portal.edges.routes import API_SERVICES
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import SupportVisit, Visit

router = APIRouter()

LOOK_EVERY_S: Final = 5.0
PATIENCE_S: Final = 2.0  # With one service that hangs, the page still says how the others are.
MINUTES: Final = 60
WIDTH: Final = 300
HEIGHT: Final = 48
TONES: Final = {"up_to_date": "good", "behind": "warn", "stopped": "bad", "unknown": "quiet", "away": "bad"}


class Place(Shape):
    """The relay (``topic`` is None), or a partition that is read."""

    topic: str | None = None
    partition: int | None = None
    relay_backlog: int | None = None
    consumer_lag: int | None = None
    parked: int = 0
    oldest_age_s: float | None = None
    state: str


class Minute(Shape):
    at: datetime
    relay_backlog: int = 0
    consumer_lag: int | None = None
    parked: int = 0
    oldest_age_s: float | None = None

    @property
    def waiting(self) -> int:
        return self.relay_backlog + (self.consumer_lag or 0) + self.parked


class Lag(Shape):
    """What a service says of itself; ``state`` is ``away`` where it says nothing."""

    service: str
    state: str
    measured_at: datetime | None = None
    items: Sequence[Place] = ()
    minutes: Sequence[Minute] = ()

    @property
    def relay_backlog(self) -> int | None:
        known = [place.relay_backlog for place in self.items if place.relay_backlog is not None]
        return sum(known) if known else None

    @property
    def consumer_lag(self) -> int | None:
        known = [place.consumer_lag for place in self.items if place.consumer_lag is not None]
        return sum(known) if known else None

    @property
    def parked(self) -> int | None:
        return sum(place.parked for place in self.items) if self.items else None

    @property
    def oldest_age_s(self) -> float | None:
        return max((place.oldest_age_s for place in self.items if place.oldest_age_s is not None), default=None)

    @property
    def most(self) -> Minute | None:
        """The minute in which the most waited."""
        return max(self.minutes, key=lambda minute: minute.waiting, default=None)


@dataclass(frozen=True, slots=True)
class Plot:
    """The last hour as a line, in a box of WIDTH × HEIGHT; the newest minute stands at the right."""

    line: str
    area: str


def plot(lag: Lag, now: datetime) -> Plot | None:
    """A minute that nobody measured (the service was starting) interrupts the line."""
    begin = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    most = max((minute.waiting for minute in lag.minutes), default=0)
    step, floor = WIDTH / (MINUTES - 1), HEIGHT - 2
    points = {
        round((minute.at - begin) / timedelta(minutes=1)): floor - minute.waiting / (most or 1) * (floor - 2)
        for minute in lag.minutes
    }
    runs: list[list[str]] = []
    for number in range(MINUTES):
        if number in points:
            if number - 1 not in points:
                runs.append([])
            runs[-1].append(f"{number * step:.0f} {points[number]:.0f}")
    if not runs:
        return None
    # A single minute is a dot: round ends make one of a line without length.
    line = "".join("M" + "L".join(run if len(run) > 1 else [run[0], run[0]]) for run in runs)
    area = "".join(f"M{_x(run[0])} {floor}L" + "L".join(run) + f"L{_x(run[-1])} {floor}Z" for run in runs)
    return Plot(line, area)


@router.get("/retards")
async def overview(visit: SupportVisit) -> Response:
    return visit.page("lag.html", **await _all(visit))


@router.get("/retards/direct")
async def overview_live(visit: SupportVisit) -> Response:
    async def look() -> Part:
        return Part(visit.render("_lag.html", **await _all(visit)))

    return visit.live(look, every_s=LOOK_EVERY_S)


@router.get("/retards/{service}")
async def one_service(visit: SupportVisit, service: str) -> Response:
    """Each partition, and the hour minute by minute."""
    return visit.page("lag_service.html", **await _one(visit, service))


@router.get("/retards/{service}/direct")
async def one_service_live(visit: SupportVisit, service: str) -> Response:
    if service not in API_SERVICES:
        raise Problem(404, "not_found", "")

    async def look() -> Part:
        return Part(visit.render("_lag_service.html", **await _one(visit, service)))

    return visit.live(look, every_s=LOOK_EVERY_S)


async def _all(visit: Visit) -> dict[str, Any]:
    found = await asyncio.gather(*(_ask(visit, service) for service in API_SERVICES))
    now = visit.portal.clock.now()
    names = _names(visit)
    return {
        "lags": found,
        "plots": {lag.service: plot(lag, lag.measured_at or now) for lag in found},
        "names": names,
        "tones": TONES,
        "width": WIDTH,
        "height": HEIGHT,
        "said": ", ".join(f"{lag.service} : {names[lag.state]}" for lag in found),
    }


async def _one(visit: Visit, service: str) -> dict[str, Any]:
    if service not in API_SERVICES:
        raise Problem(404, "not_found", "")
    names, lag = _names(visit), await _ask(visit, service)
    return {"lag": lag, "names": names, "tones": TONES, "said": f"{service} : {names[lag.state]}"}


async def _ask(visit: Visit, service: str) -> Lag:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return Lag.model_validate(await visit.apis.get(path("lag", service)))
    except (Problem, TimeoutError):
        return Lag(service=service, state="away")


def _names(visit: Visit) -> Mapping[str, str]:
    return {
        "up_to_date": visit.say("à jour"),
        "behind": visit.say("en retard"),
        "stopped": visit.say("arrêté"),
        "unknown": visit.say("inconnu"),
        "away": visit.say("ne répond pas"),
    }


def _x(point: str) -> str:
    return point.partition(" ")[0]
