"""Events of every service, on the topic `relais.operations`: what support decides about the events themselves, what
operators switch, and who signs in."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from relais_contracts.contract import Contract, Instant, optional, required

TOPIC = "relais.operations"


class EventSkipped(Contract):
    """Support settled an event that a service had set aside, without its effect there."""

    ce_type: ClassVar[str] = "relais.operations.EventSkipped.v1"
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "service"

    service: str = required("The service that had set it aside.")
    parked_id: Annotated[int, Field(ge=1)] = required("Its number there.")
    read_from: str = required("The topic from which it was read.")
    partition: Annotated[int, Field(ge=0)] = required("The partition.")
    offset: Annotated[int, Field(ge=0)] = required("The offset.")
    event_id: UUID | None = optional("The event, where it says which it is.")
    event_type: str | None = optional("Its type, where it says which it is.")
    reason: str = required("Why, in support's own words.", personal=True)
    skipped_at: Instant = required("When.")


class SignedIn(Contract):
    """A person (the actor, with the role) signed in."""

    ce_type: ClassVar[str] = "relais.operations.SignedIn.v1"
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "service"

    service: str = required("Where.")
    signed_in_at: Instant = required("When.")


class ViewSwitched(Contract):
    """An operator (the actor) put a view that was built again in the place of the live one."""

    ce_type: ClassVar[str] = "relais.operations.ViewSwitched.v1"
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "service"

    service: str = required("The service whose view it is.")
    view: str = required("The view's name.")
    from_version: Annotated[int, Field(ge=1)] = required("The version that served until then; each switch adds one.")
    to_version: Annotated[int, Field(ge=2)] = required("The version that serves since.")
    row_count: Annotated[int, Field(ge=0)] = required("Rows of the view, all of its tables together.")
    switched_at: Instant = required("When.")


EVENTS: tuple[type[Contract], ...] = (EventSkipped, SignedIn, ViewSwitched)
