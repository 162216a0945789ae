"""Which accounts some addresses belong to: what an import needs to know before it sends anything."""

from typing import Annotated

from fastapi import APIRouter

from services.chassis.auth import Principal
from services.transfers.edges.access import IMPORT
from services.transfers.edges.mentor_emails import mentors_by_email
from services.transfers.edges.office import Office
from services.transfers.edges.shapes import Addresses, FoundMentor, FoundStudent, LookupAnswer
from services.transfers.edges.store import Work
from services.transfers.views.student_list import students_by_email


def lookup_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["import"])

    @router.post("/students/lookup")
    def look_up(body: Addresses, _: Annotated[Principal, IMPORT.person]) -> LookupAnswer:
        """The mentor and student accounts of up to 1,000 addresses; those without an account are left out."""
        with office.database.connection() as connection:
            mentor_ids = mentors_by_email(connection, body.emails)
            students = students_by_email(connection, body.emails)
        work = Work(office.store)
        work.load(*mentor_ids.values())
        return LookupAnswer(
            mentors={
                email: FoundMentor(mentor_id=mentor_id, timezone=work.registered(mentor_id).profile.timezone)
                for email, mentor_id in mentor_ids.items()
            },
            students={email: FoundStudent.model_validate(found) for email, found in students.items()},
        )

    return router
