"""« Reconstructions »: of each service's view the version that serves, and the one that is built beside it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.live import Part
from services.portal.edges.routes import API_SERVICES
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import SupportVisit, Visit

router = APIRouter()

LOOK_EVERY_S: Final = 1.0


class Compared(Shape):
    table: str
    live_rows: int
    rebuilt_rows: int
    differences: int


class Rebuild(Shape):
    version: int
    state: str
    stage: str
    as_of: datetime | None = None
    begun_at: datetime
    events_done: int
    events_total: int
    rate_per_s: float | None = None
    seconds_left: float | None = None
    comparisons: Sequence[Compared] = ()

    @property
    def difference_count(self) -> int:
        return sum(one.differences for one in self.comparisons)


class Switch(Shape):
    event_id: str
    actor: str
    from_version: int
    to_version: int
    row_count: int
    switched_at: datetime


class View(Shape):
    service: str
    names: Sequence[str]
    tables: Sequence[str]
    serving_version: int
    before_kept: bool
    rebuild: Rebuild | None = None
    last_switch: Switch | None = None


@router.get("/reconstructions")
async def rebuilds(visit: SupportVisit) -> Response:
    return visit.page("rebuilds.html", **await _all(visit))


@router.get("/reconstructions/direct")
async def rebuilds_live(visit: SupportVisit) -> Response:
    async def look() -> Part:
        return Part(visit.render("_rebuilds.html", **await _all(visit)))

    return visit.live(look, every_s=LOOK_EVERY_S)


async def _all(visit: Visit) -> dict[str, Any]:
    found = await asyncio.gather(*(or_problem(visit.apis.get(path("rebuilds", service))) for service in API_SERVICES))
    views = [View.model_validate(one) for one in found if not isinstance(one, Problem)]
    away = [service for service, one in zip(API_SERVICES, found, strict=True) if isinstance(one, Problem)]
    states = {
        "running": visit.say("en cours"),
        "interrupted": visit.say("interrompue"),
        "built": visit.say("construite"),
    }
    stages = {
        "prepare": visit.say("prépare les tables"),
        "read": visit.say("relit les événements"),
        "index": visit.say("construit les index"),
        "compare": visit.say("compare"),
        "switch": visit.say("bascule"),
        "built": visit.say("prête"),
    }
    said = [f"{one.names[0]} : {states[one.rebuild.state]}" for one in views if one.rebuild]
    return {
        "views": views,
        "away": away,
        "states": states,
        "stages": stages,
        "tones": {"running": "act", "interrupted": "warn", "built": "good"},
        "said": ", ".join(said) or visit.say("Aucune reconstruction."),
    }
