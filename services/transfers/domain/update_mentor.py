"""The directory sends a mentor's account again."""

from dataclasses import dataclass

from services.transfers.domain.change_capacity import ChangeCapacity
from services.transfers.domain.change_capacity import decide as decide_capacity
from services.transfers.domain.mentor import MentorEvent, MentorProfile, MentorUpdated, Registered


@dataclass(frozen=True, slots=True)
class UpdateMentor:
    profile: MentorProfile
    capacity: int


def decide(command: UpdateMentor, mentor: Registered) -> list[MentorEvent]:
    """Only what differs becomes an event; the same account again is silence."""
    events: list[MentorEvent] = list(decide_capacity(ChangeCapacity(command.capacity), mentor))
    if command.profile != mentor.profile:
        events.append(MentorUpdated(command.profile, command.capacity))
    return events
