"""A small school for the rules' tests: two mentors, a student, and the sentences to say what happened to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from services.transfers.domain import absence, add_comment, enrol_student, mentor, student, transfer_student
from services.transfers.domain.absence import AbsenceEvent
from services.transfers.domain.add_comment import AddComment
from services.transfers.domain.enrol_student import EnrolStudent
from services.transfers.domain.mentor import (
    MentorCapacityChanged,
    MentorEvent,
    MentorProfile,
    MentorRegistered,
    StudentAssigned,
    StudentReleased,
)
from services.transfers.domain.pairing import Decided, Event
from services.transfers.domain.student import (
    Enrolled,
    Funding,
    PrivateCommentAdded,
    StudentEnrolled,
    StudentProfile,
    StudentTransferred,
    TransferKind,
)
from services.transfers.domain.transfer_student import TransferStudent
from tests.spec import Specification

NOW = datetime(2026, 10, 19, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LEO, MIA, ZOE = UUID(int=1), UUID(int=2), UUID(int=3)
ADA, BEN, CLEO = UUID(int=11), UUID(int=12), UUID(int=13)
NOBODY = UUID(int=99)

Happened = tuple[UUID, Event]


@dataclass(frozen=True)
class School:
    """Every mentor and student, folded from what happened to each."""

    mentors: Mapping[UUID, mentor.Mentor] = field(default_factory=dict)
    students: Mapping[UUID, student.Student] = field(default_factory=dict)
    absences: Mapping[UUID, absence.Absence] = field(default_factory=dict)

    def mentor(self, mentor_id: UUID | None) -> mentor.Mentor:
        return mentor.NotRegistered() if mentor_id is None else self.mentors.get(mentor_id, mentor.NotRegistered())

    def enrolled(self, student_id: UUID) -> Enrolled:
        found = self.students[student_id]
        assert isinstance(found, Enrolled)
        return found


def evolve(school: School, happened: Happened) -> School:
    who, event = happened
    if isinstance(event, MentorEvent):
        return replace(school, mentors={**school.mentors, who: mentor.evolve(school.mentor(who), event)})
    if isinstance(event, AbsenceEvent):
        before_absence = school.absences.get(who, absence.NotDeclared())
        return replace(school, absences={**school.absences, who: absence.evolve(before_absence, event)})
    before = school.students.get(who, student.NotEnrolled())
    return replace(school, students={**school.students, who: student.evolve(before, event)})


def decide(command: TransferStudent | EnrolStudent | tuple[UUID, AddComment], school: School) -> Decided:
    match command:
        case TransferStudent():
            return transfer_student.decide(
                command, school.enrolled(command.student_id), school.mentor(command.to_mentor_id)
            )
        case EnrolStudent():
            return enrol_student.decide(command, school.mentor(command.mentor_id))
        case (student_id, comment):
            return [(student_id, event) for event in add_comment.decide(comment, school.enrolled(student_id))]


given = Specification(decide, evolve, initial=School()).given

MENTOR_PROFILE = MentorProfile("ada@example.org", "Ada", ("data", "web"), ("projet-5", "projet-6"), "Europe/Paris")
STUDENT_PROFILE = StudentProfile("leo@example.org", "Léo", "data", "projet-5", Funding.THIRD_PARTY, None, "fr")


def registered(
    mentor_id: UUID = ADA,
    *,
    capacity: int = 3,
    paths: tuple[str, ...] = ("data", "web"),
    projects: tuple[str, ...] = ("projet-5", "projet-6"),
) -> Happened:
    return mentor_id, MentorRegistered(replace(MENTOR_PROFILE, paths=paths, projects=projects), capacity)


def capacity_changed(mentor_id: UUID, before: int, after: int) -> Happened:
    return mentor_id, MentorCapacityChanged(before, after)


def assigned(student_id: UUID, mentor_id: UUID) -> Happened:
    return mentor_id, StudentAssigned(student_id)


def released(student_id: UUID, mentor_id: UUID, *, returns: bool = False) -> Happened:
    return mentor_id, StudentReleased(student_id, returns)


def enrolled(
    student_id: UUID = LEO, mentor_id: UUID = ADA, profile: StudentProfile = STUDENT_PROFILE
) -> list[Happened]:
    return [(student_id, StudentEnrolled(profile, mentor_id, NOW - 30 * DAY)), assigned(student_id, mentor_id)]


def transferred(
    student_id: UUID,
    from_mentor_id: UUID,
    to_mentor_id: UUID,
    *,
    kind: TransferKind = TransferKind.ONE_OFF,
    return_on: date | None = None,
    absence_id: UUID | None = None,
    at: datetime = NOW,
) -> list[Happened]:
    """The transfer with the place that it frees and the place that it takes."""
    event = StudentTransferred(
        from_mentor_id=from_mentor_id,
        to_mentor_id=to_mentor_id,
        path=STUDENT_PROFILE.path,
        project=STUDENT_PROFILE.project,
        funding=STUDENT_PROFILE.funding,
        kind=kind,
        absence_id=absence_id,
        expected_return_on=return_on,
        transferred_at=at,
    )
    gone = released(student_id, from_mentor_id, returns=kind is TransferKind.ONE_OFF)
    return [(student_id, event), gone, assigned(student_id, to_mentor_id)]


def transfer(
    to_mentor_id: UUID | None,
    *,
    student_id: UUID = LEO,
    kind: TransferKind | None = None,
    by_support: bool = False,
    absence_id: UUID | None = None,
    return_on: date | None = None,
) -> TransferStudent:
    return TransferStudent(
        student_id=student_id,
        to_mentor_id=to_mentor_id,
        now=NOW,
        by_support=by_support,
        kind=kind,
        absence_id=absence_id,
        return_on=return_on,
    )


def handover(
    return_on: date = date(2026, 11, 2), *, at: datetime = NOW, comment_id: UUID = UUID(int=50)
) -> PrivateCommentAdded:
    return PrivateCommentAdded(
        comment_id=comment_id,
        author="mentor:ada@example.org",
        author_name="Ada",
        added_at=at,
        text=None,
        mentor_name="Ada",
        leave_from=date(2026, 10, 20),
        return_on=return_on,
        about_the_student="Préfère le mardi ; bloque sur les jointures.",
    )
