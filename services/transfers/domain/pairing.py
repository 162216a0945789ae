"""What is decided over several aggregates at once: each event with the aggregate that it belongs to, in order."""

from uuid import UUID

from services.transfers.domain.absence import AbsenceEvent
from services.transfers.domain.mentor import MentorEvent
from services.transfers.domain.student import StudentEvent

Event = MentorEvent | StudentEvent | AbsenceEvent
Decided = list[tuple[UUID, Event]]
