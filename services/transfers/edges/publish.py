"""Private events → published contracts. What is not named here stays private."""

from relais_contracts import Contract
from relais_contracts import transfers as contract
from services.chassis.event_store import Recorded
from services.transfers.domain.mentor import MentorCapacityChanged, MentorRegistered, MentorUpdated
from services.transfers.domain.student import StudentEnrolled, StudentProfile, StudentTransferred, StudentUpdated


def publish(recorded: Recorded) -> tuple[str, str, Contract] | None:
    """Topic, key and data; None for the places taken and freed, which only this service counts."""
    data = _contract(recorded)
    return None if data is None else (contract.TOPIC, data.key, data)


def _contract(recorded: Recorded) -> Contract | None:
    who = recorded.aggregate_id
    match recorded.data:
        case MentorRegistered() as event:
            return contract.MentorRegistered(mentor_id=who, **_mentor(event))
        case MentorUpdated() as event:
            return contract.MentorUpdated(mentor_id=who, **_mentor(event))
        case MentorCapacityChanged() as event:
            return contract.MentorCapacityChanged(
                mentor_id=who, previous_capacity=event.previous_capacity, capacity=event.capacity
            )
        case StudentEnrolled() as event:
            return contract.StudentEnrolled(
                student_id=who, mentor_id=event.mentor_id, enrolled_at=event.enrolled_at, **_student(event.profile)
            )
        case StudentUpdated() as event:
            return contract.StudentUpdated(student_id=who, **_student(event.profile))
        case StudentTransferred() as event:
            return contract.StudentTransferred(
                student_id=who,
                from_mentor_id=event.from_mentor_id,
                to_mentor_id=event.to_mentor_id,
                path=event.path,
                project=event.project,
                funding=event.funding.value,
                kind=event.kind.value,
                absence_id=event.absence_id,
                expected_return_on=event.expected_return_on,
            )
        case _:
            return None


def _mentor(event: MentorRegistered | MentorUpdated) -> dict[str, object]:
    profile = event.profile
    return {
        "email": profile.email,
        "name": profile.name,
        "capacity": event.capacity,
        "paths": profile.paths,
        "projects": profile.projects,
        "timezone": profile.timezone,
    }


def _student(profile: StudentProfile) -> dict[str, object]:
    return {
        "email": profile.email,
        "name": profile.name,
        "path": profile.path,
        "project": profile.project,
        "funding": profile.funding.value,
        "training_day": profile.training_day.value if profile.training_day else None,
        "language": profile.language,
    }
