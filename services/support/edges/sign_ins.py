"""HTTP: the portal tells, with the person's own token, that the person signed in; the audit log hears of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from relais_contracts.operations import SignedIn as Published
from services.chassis.commands import CommandRequest, Commands, Decision
from services.chassis.event_store import Change, Recorded
from services.chassis.http import Instant
from services.chassis.ids import new_id
from services.chassis.relay import Publication
from services.support.edges.access import SIGN_IN

PORTAL: Final = "portal"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Stored; who it was is the event's actor."""

    signed_in_at: datetime


SIGN_IN_EVENTS: Final[dict[str, type]] = {"support.SignedIn.v1": SignedIn}


class SignInRecorded(BaseModel):
    """What was noted."""

    signed_in_at: Instant


def sign_ins_router(commands: Commands) -> APIRouter:
    """Route ``/audit/sign-ins``: anybody, of themselves."""
    router = APIRouter(prefix="/audit", tags=["audit"])

    @router.post("/sign-ins", status_code=201, response_model=SignInRecorded)
    def record_sign_in(request: Annotated[CommandRequest, SIGN_IN.command]) -> Response:
        """Notes that the person signed in, as an event that nobody can take back."""
        now = request.context.now

        def attempt() -> Decision:
            answer: dict[str, Any] = {"signed_in_at": now}
            return Decision([Change(new_id(), 0, [SignedIn(now)])], lambda: answer, status=201)

        return commands.execute(request, attempt)

    return router


def publish(recorded: Recorded) -> Publication | None:
    match recorded.data:
        case SignedIn(signed_in_at=signed_in_at):
            data = Published(service=PORTAL, signed_in_at=signed_in_at)
            return data.topic, data.key, data
        case _:
            return None
