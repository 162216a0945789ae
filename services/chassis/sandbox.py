"""The sandbox's clock over HTTP: a service has these routes only where it runs on a clock that can be moved."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from services.chassis.auth import Principal
from services.chassis.clock import SandboxClock
from services.chassis.http import Instant, require
from services.chassis.refusal import Refused


class ClockReading(BaseModel):
    """What the clock of all services says, and how far it is from the machine's (seconds, ahead is positive)."""

    now: Instant
    offset_s: float


class NewNow(BaseModel):
    """The instant to go to."""

    model_config = ConfigDict(extra="forbid")

    now: Instant


def sandbox_router(clock: SandboxClock) -> APIRouter:
    """``GET``, ``PUT`` and ``DELETE /sandbox/clock``: read it, move it, back to the machine's."""
    router = APIRouter(prefix="/sandbox")
    anybody = Annotated[Principal, require()]

    @router.get("/clock")
    def read_clock(_: anybody) -> ClockReading:
        return _reading(clock.now())

    @router.put("/clock")
    def move_clock(_: anybody, body: NewNow) -> ClockReading:
        try:
            return _reading(clock.set(body.now))
        except ValueError as error:
            raise Refused(
                "clock_too_far",
                "L'horloge du bac à sable va au plus à dix ans de celle de la machine.",
                f"{error}.",
            ) from error

    @router.delete("/clock")
    def reset_clock(_: anybody) -> ClockReading:
        return _reading(clock.reset())

    return router


def _reading(now: datetime) -> ClockReading:
    return ClockReading(now=now, offset_s=round((now - datetime.now(UTC)).total_seconds(), 3))
