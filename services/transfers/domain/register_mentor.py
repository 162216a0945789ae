"""A mentor's account arrives from the school's directory."""

from dataclasses import dataclass
from typing import assert_never

from services.transfers.domain.mentor import (
    Mentor,
    MentorEvent,
    MentorProfile,
    MentorRegistered,
    NotRegistered,
    Registered,
)
from services.transfers.domain.update_mentor import UpdateMentor
from services.transfers.domain.update_mentor import decide as decide_update


@dataclass(frozen=True, slots=True)
class RegisterMentor:
    profile: MentorProfile
    capacity: int


def decide(command: RegisterMentor, mentor: Mentor) -> list[MentorEvent]:
    """The directory sends whole accounts again and again: the first time registers, later ones update."""
    match mentor:
        case NotRegistered():
            return [MentorRegistered(command.profile, command.capacity)]
        case Registered():
            return decide_update(UpdateMentor(command.profile, command.capacity), mentor)
        case _:
            assert_never(mentor)
