"""What support and operators decide about the machinery, as events of the service concerned: skips and switches."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from relais_contracts.operations import ViewSwitched
from services.chassis.event_store import Recorded
from services.chassis.ids import derived_id
from services.chassis.parked_api import PARKED_EVENTS, with_skips
from services.chassis.relay import Publication, Publish


@dataclass(frozen=True, slots=True)
class Switched:
    """Stored: an operator put a rebuilt view in the place of the live one."""

    service: str
    view: str
    from_version: int
    to_version: int
    row_count: int
    switched_at: datetime


OPERATIONS_EVENTS: Final[Mapping[str, type]] = {**PARKED_EVENTS, "replay.Switched.v1": Switched}
"""To be added to the event types of a service's store."""


def view_id(service: str) -> UUID:
    """The aggregate of a service's view: its n-th event is the n-th switch, to version n + 1."""
    return derived_id("view", service)


def with_operations(publish: Publish) -> Publish:
    """A service's map from private to published events, with those of this module."""
    others = with_skips(publish)

    def publish_all(recorded: Recorded) -> Publication | None:
        match recorded.data:
            case Switched() as switched:
                data = ViewSwitched(**{name: getattr(switched, name) for name in ViewSwitched.model_fields})
                return data.topic, data.key, data
            case _:
                return others(recorded)

    return publish_all
