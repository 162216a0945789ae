"""What all published events have in common."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _in_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A point in time, written in RFC 3339 in UTC."""

Minutes = Annotated[int, Field(gt=0, le=24 * 60)]

PERSONAL_DATA = "x-personal-data"


def required(description: str, *, personal: bool = False) -> Any:
    """A field that every message has."""
    return Field(description=description, json_schema_extra={PERSONAL_DATA: True} if personal else None)


def optional(description: str, *, personal: bool = False) -> Any:
    """A field that a message leaves out where there is nothing to say."""
    return Field(
        default=None,
        exclude_if=lambda value: value is None,
        description=description,
        json_schema_extra={PERSONAL_DATA: True} if personal else None,
    )


class Contract(BaseModel):
    """A published event, frozen. A reader passes over fields that it does not know: later versions may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ce_type: ClassVar[str]
    """The CloudEvents type, `relais.<service>.<Event>.v<N>`."""
    topic: ClassVar[str]
    key_field: ClassVar[str] = "student_id"

    @property
    def key(self) -> str:
        """The Kafka key: what all events in one order have in common, mostly the student."""
        key: UUID = getattr(self, self.key_field)
        return str(key)
