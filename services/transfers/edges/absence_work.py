"""An absence with all that it depends on: the mentor, the students, and what they have planned."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.transfers.domain.absence import Declared, Ended, declaration
from services.transfers.domain.absence_plan import Plan, accompanied, plan
from services.transfers.domain.mentor import Registered
from services.transfers.domain.student import Enrolled
from services.transfers.edges.office import Office
from services.transfers.edges.store import Work
from services.transfers.views.planned_sessions import missed_sessions


@dataclass(frozen=True, slots=True)
class AbsenceWork:
    work: Work
    absence_id: UUID
    absence: Declared | Ended
    mentor: Registered
    students: Mapping[UUID, Enrolled]
    plan: Plan

    @property
    def declared(self) -> Declared:
        return declaration(self.absence)

    def replacements(self) -> set[UUID]:
        """Who accompanies the students that are to come back."""
        return {self.students[student_id].mentor_id for student_id in self.plan.away}


def load_absence(office: Office, absence_id: UUID, *, as_of: datetime | None = None) -> AbsenceWork:
    """Raises NotFound."""
    return absence_work(office, Work(office.store, as_of=as_of), absence_id)


def absence_work(office: Office, work: Work, absence_id: UUID) -> AbsenceWork:
    """As `work` knows it, with what it has decided."""
    absence = work.declared(absence_id)
    declared = declaration(absence)
    mentor = work.registered(declared.mentor_id)
    student_ids = accompanied(absence, mentor) | mentor.lent
    work.load(*student_ids)
    students = {student_id: work.enrolled(student_id) for student_id in student_ids}
    with office.database.connection() as connection:
        missed = missed_sessions(connection, student_ids, declared, as_of=work.as_of)
    planned = plan(absence_id, absence, mentor, students, missed)
    return AbsenceWork(work, absence_id, absence, mentor, students, planned)
