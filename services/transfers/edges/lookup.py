"""Which accounts some addresses belong to: what an import needs to know before it sends anything."""

from typing import Annotated

from fastapi import APIRouter

from services.chassis.auth import Principal
from services.chassis.http import require
from services.transfers.edges.office import Office
from services.transfers.edges.shapes import Addresses, FoundMentor, FoundStudent, LookupAnswer

MENTORS = "SELECT lower(email) AS email, mentor_id, timezone FROM mentor_list WHERE lower(email) = ANY(%s)"
STUDENTS = """
SELECT DISTINCT ON (lower(email)) lower(email) AS email, student_id, mentor_id FROM student_list
WHERE lower(email) = ANY(%s) ORDER BY lower(email), enrolled_at DESC
"""


def lookup_routes(office: Office) -> APIRouter:
    router = APIRouter(tags=["import"])

    @router.post("/students/lookup")
    def look_up(body: Addresses, person: Annotated[Principal, require("directory", "support")]) -> LookupAnswer:
        """The mentor and student accounts of up to 1,000 addresses; those without an account are left out."""
        addresses = [email.lower() for email in body.emails]
        with office.database.connection() as connection:
            mentors = connection.execute(MENTORS, (addresses,)).fetchall()
            students = connection.execute(STUDENTS, (addresses,)).fetchall()
        return LookupAnswer(
            mentors={row["email"]: FoundMentor.model_validate(row) for row in mentors},
            students={row["email"]: FoundStudent.model_validate(row) for row in students},
        )

    return router
