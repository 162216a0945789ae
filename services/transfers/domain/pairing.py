"""What is decided over several aggregates at once: each event with the aggregate that it belongs to, in order."""

from uuid import UUID

from services.transfers.domain.mentor import MentorEvent
from services.transfers.domain.student import StudentEvent

Decided = list[tuple[UUID, MentorEvent | StudentEvent]]
