"""Events of the service *billing*, on the topic `relais.billing`: what becomes of the mentors' statements."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from relais_contracts.contract import Contract, Instant, required

TOPIC = "relais.billing"


Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class StatementClosed(Contract):
    """A mentor's statement of one month was closed. It never changes; later corrections go to the next one."""

    ce_type: ClassVar[str] = "relais.billing.StatementClosed.v1"
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "mentor_id"

    mentor_id: UUID = required("The mentor.")
    month: Month = required("The month, as 2026-11.")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = required("ISO 4217 code of the currency.")
    total_cents: int = required("The sum of the lines, in cents.")
    lines: Annotated[int, Field(ge=0)] = required("How many lines the statement has.")
    closed_at: Instant = required("When it was closed.")


class LineDisputed(Contract):
    """A mentor does not agree with a line of their statement. Their reason is not published."""

    ce_type: ClassVar[str] = "relais.billing.LineDisputed.v1"
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "mentor_id"

    mentor_id: UUID = required("The mentor.")
    month: Month = required("The month of the statement, as 2026-11.")
    line_id: UUID = required("The line.")
    disputed_at: Instant = required("When it was disputed.")


class DisputeWithdrawn(Contract):
    """A mentor took back that they do not agree with a line, before anybody answered."""

    ce_type: ClassVar[str] = "relais.billing.DisputeWithdrawn.v1"
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "mentor_id"

    mentor_id: UUID = required("The mentor.")
    month: Month = required("The month of the statement, as 2026-11.")
    line_id: UUID = required("The line.")
    withdrawn_at: Instant = required("When it was taken back.")


class DisputeSettled(Contract):
    """Billing or support answered a mentor who disputed a line. The answer is not published, and changes no line."""

    ce_type: ClassVar[str] = "relais.billing.DisputeSettled.v1"
    topic: ClassVar[str] = TOPIC
    key_field: ClassVar[str] = "mentor_id"

    mentor_id: UUID = required("The mentor.")
    month: Month = required("The month of the statement, as 2026-11.")
    line_id: UUID = required("The line.")
    settled_at: Instant = required("When it was answered.")


EVENTS: tuple[type[Contract], ...] = (StatementClosed, LineDisputed, DisputeWithdrawn, DisputeSettled)
