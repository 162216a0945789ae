"""CloudEvents 1.0 in the binary mode of its Kafka binding: attributes in headers, the data as the record's value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from relais_contracts.catalogue import REGISTRY
from relais_contracts.contract import Contract
from relais_contracts.errors import Malformed, UnknownType

Header = tuple[str, bytes]

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"
_POSITIVE = re.compile(r"[1-9][0-9]{0,17}")
_uuid_of = TypeAdapter(UUID).validator.validate_python  # A third of the time that the class itself takes.


def dataschema_of(ce_type: str) -> str:
    """The URI that names the JSON Schema of a type; the file is `schemas/json/<type>.json`."""
    return f"urn:relais:schema:{ce_type}"


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One published event with all that was said about it.

    `subject` is the aggregate and `sequence` its version: a reader drops a double by that pair.
    `topic`, `partition` and `offset` say where a record was read; they are None on the way out.
    """

    id: UUID
    type: str
    source: str
    subject: UUID
    sequence: int
    time: datetime
    correlation_id: UUID
    causation_id: UUID | None
    actor: str
    traceparent: str | None
    key: str
    data: Contract
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None

    def to_record(self) -> tuple[bytes, bytes, list[Header]]:
        """Key, value and headers of the Kafka record."""
        # One text for several, since writing ids one by one took a third of all that a relay does.
        written = to_json((self.id, self.subject, self.correlation_id, self.time.astimezone(UTC)))
        event_id, subject, correlation_id, time = written[2:-2].split(b'","')
        headers = [
            *_constant_headers(self.type, self.source),
            ("ce_id", event_id),
            ("ce_subject", subject),
            ("ce_time", time),
            ("ce_sequence", b"%d" % self.sequence),
            ("ce_correlationid", correlation_id),
            ("ce_actor", self.actor.encode()),
        ]
        if self.causation_id is not None:
            headers.append(("ce_causationid", str(self.causation_id).encode()))
        if self.traceparent is not None:
            headers.append(("traceparent", self.traceparent.encode()))
        return self.key.encode(), to_json(self.data), headers

    @classmethod
    def from_record(
        cls,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header],
        topic: str | None = None,
        partition: int | None = None,
        offset: int | None = None,
    ) -> "CloudEvent":
        """The event that a Kafka record holds.

        Raises UnknownType where these contracts do not know its `ce_type` (a newer producer: pass it over),
        and Malformed where the record breaks the contract of a type that they know.
        """
        attributes = _Attributes(headers)
        ce_type = attributes.text("ce_type")
        contract = REGISTRY.get(ce_type)
        if contract is None:
            raise UnknownType(ce_type)
        if key is None or value is None:
            raise Malformed(f"{ce_type}: a record without a {'key' if key is None else 'value'}")
        try:
            data = contract.model_validate_json(value)
            written_key = key.decode()
        except (ValidationError, UnicodeDecodeError) as error:
            raise Malformed(f"{ce_type}: {error}") from error
        return cls(
            id=attributes.uuid("ce_id"),
            type=ce_type,
            source=attributes.text("ce_source"),
            subject=attributes.uuid("ce_subject"),
            sequence=attributes.positive("ce_sequence"),
            time=attributes.instant("ce_time"),
            correlation_id=attributes.uuid("ce_correlationid"),
            causation_id=attributes.uuid("ce_causationid") if "ce_causationid" in attributes else None,
            actor=attributes.text("ce_actor"),
            traceparent=attributes.text("traceparent") if "traceparent" in attributes else None,
            key=written_key,
            data=data,
            topic=topic,
            partition=partition,
            offset=offset,
        )


@cache
def _constant_headers(ce_type: str, source: str) -> tuple[Header, ...]:
    return (
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_source", source.encode()),
        ("ce_dataschema", dataschema_of(ce_type).encode()),
        ("content-type", CONTENT_TYPE.encode()),
    )


class _Attributes:
    """The headers of one record, each read in its own type or refused with its name."""

    def __init__(self, headers: Sequence[Header]) -> None:
        self._values: Mapping[str, bytes] = dict(headers)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if value is None:
            raise Malformed(f"header {name} is missing")
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"header {name} is not UTF-8") from error

    def uuid(self, name: str) -> UUID:
        text = self.text(name)
        try:
            uuid: UUID = _uuid_of(text)
            return uuid
        except ValidationError as error:
            raise Malformed(f"header {name} is not a UUID: {text!r}") from error

    def positive(self, name: str) -> int:
        text = self.text(name)
        if not _POSITIVE.fullmatch(text):
            raise Malformed(f"header {name} is not a positive whole number: {text!r}")
        return int(text)

    def instant(self, name: str) -> datetime:
        text = self.text(name)
        try:
            instant = datetime.fromisoformat(text)
        except ValueError as error:
            raise Malformed(f"header {name} is not an instant: {text!r}") from error
        if instant.tzinfo is None:
            raise Malformed(f"header {name} has no time zone: {text!r}")
        return instant.astimezone(UTC)
