"""T12: before a pause, the mentor's capacity (« capacité d'accueil d'étudiant ») goes to 0: no one new is assigned."""

from dataclasses import dataclass

from services.chassis.refusal import Refused
from services.transfers.domain.mentor import MentorCapacityChanged, Registered

CAPACITY_MAX = 10_000


@dataclass(frozen=True, slots=True)
class ChangeCapacity:
    capacity: int


def decide(command: ChangeCapacity, mentor: Registered) -> list[MentorCapacityChanged]:
    """A capacity below the number of current students is allowed: they stay, and no one joins them."""
    if not 0 <= command.capacity <= CAPACITY_MAX:
        raise Refused(
            "capacity_out_of_bounds",
            f"La capacité d'accueil va de 0 à {CAPACITY_MAX} étudiants.",
            f"A capacity is between 0 and {CAPACITY_MAX} students.",
        )
    if command.capacity == mentor.capacity:
        return []
    return [MentorCapacityChanged(mentor.capacity, command.capacity)]
