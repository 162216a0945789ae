"""Private events → published contracts. What is not named here stays private."""

from typing import Any
from uuid import UUID

from relais_contracts import Contract
from relais_contracts import transfers as contract
from services.chassis.event_store import Recorded
from services.transfers.domain.absence import (
    AbsenceChanged,
    AbsenceDeclared,
    AbsenceEnded,
    AbsenceReminderDue,
    HelpRequested,
    Period,
)
from services.transfers.domain.comments_read import PrivateCommentsRead
from services.transfers.domain.mentor import MentorCapacityChanged, MentorRegistered, MentorUpdated
from services.transfers.domain.refused_transfer import TransferRefused
from services.transfers.domain.student import (
    LanguageChosen,
    PrivateCommentAdded,
    StudentEnrolled,
    StudentProfile,
    StudentTransferred,
    StudentUpdated,
)


def publish(recorded: Recorded) -> tuple[str, str, Contract] | None:
    """Topic, key and data; None for what only this service counts and keeps: places, leaves, consents, steps."""
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
        case StudentUpdated() | LanguageChosen() as event:
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
        case TransferRefused() as event:
            return contract.TransferRefused(
                student_id=event.student_id,
                from_mentor_id=event.from_mentor_id,
                to_mentor_id=event.to_mentor_id,
                path=event.path,
                project=event.project,
                funding=event.funding.value,
                kind=event.kind.value,
                absence_id=event.absence_id,
                diagnoses=event.diagnoses,
                refused_at=event.refused_at,
            )
        case PrivateCommentsRead() as event:
            return contract.PrivateCommentsRead(student_id=event.student_id, read_at=event.read_at)
        case PrivateCommentAdded() as event:
            return contract.PrivateCommentAdded(
                student_id=who, comment_id=event.comment_id, hand_over=event.is_handover, added_at=event.added_at
            )
        case _:
            return _of_absence(who, recorded.data)


def _of_absence(absence_id: UUID, event: object) -> Contract | None:
    match event:
        case AbsenceDeclared():
            return contract.AbsenceDeclared(
                absence_id=absence_id,
                mentor_id=event.mentor_id,
                **_period(event.period),
                student_ids=event.students,
                declared_at=event.declared_at,
            )
        case AbsenceChanged():
            return contract.AbsenceChanged(
                absence_id=absence_id,
                mentor_id=event.mentor_id,
                previous_from_at=event.previous.from_at,
                previous_to_at=event.previous.to_at,
                **_period(event.period),
                changed_at=event.changed_at,
            )
        case AbsenceEnded():
            return contract.AbsenceEnded(
                absence_id=absence_id, mentor_id=event.mentor_id, early=event.early, ended_at=event.ended_at
            )
        case HelpRequested():
            return contract.HelpRequested(
                absence_id=absence_id,
                mentor_id=event.mentor_id,
                from_at=event.period.from_at,
                to_at=event.period.to_at,
                student_ids=event.students,
                message=event.message,
                late=event.late,
                requested_at=event.requested_at,
            )
        case AbsenceReminderDue():
            return contract.AbsenceReminderDue(
                absence_id=absence_id,
                mentor_id=event.mentor_id,
                kind=event.kind.value,
                from_at=event.period.from_at,
                to_at=event.period.to_at,
                student_ids=event.students,
                replacement_ids=event.replacements,
                due_at=event.due_at,
            )
        case _:
            return None


def _period(period: Period) -> dict[str, Any]:
    return {
        "from_at": period.from_at,
        "to_at": period.to_at,
        "whole_days": period.whole_days,
        "timezone": period.timezone,
    }


def _mentor(event: MentorRegistered | MentorUpdated) -> dict[str, Any]:
    profile = event.profile
    return {
        "email": profile.email,
        "name": profile.name,
        "capacity": event.capacity,
        "paths": profile.paths,
        "projects": profile.projects,
        "timezone": profile.timezone,
    }


def _student(profile: StudentProfile) -> dict[str, Any]:
    return {
        "email": profile.email,
        "name": profile.name,
        "path": profile.path,
        "project": profile.project,
        "funding": profile.funding.value,
        "training_day": profile.training_day.value if profile.training_day else None,
        "language": profile.language,
    }
