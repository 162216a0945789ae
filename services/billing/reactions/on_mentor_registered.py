"""MentorRegistered, MentorUpdated: the name that stands on the mentor's statement."""

from uuid import UUID

from relais_contracts import CloudEvent
from relais_contracts.transfers import MentorRegistered, MentorUpdated


def on_mentor_registered(event: CloudEvent) -> tuple[UUID, str]:
    """The mentor's id and name, as both have them."""
    mentor = event.data
    assert isinstance(mentor, MentorRegistered | MentorUpdated)
    return mentor.mentor_id, mentor.name
