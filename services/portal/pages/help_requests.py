"""« Demandes d'aide »: absences for which nobody was found, the soonest deadline first (T17)."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import SupportVisit
from services.portal.pages import people

router = APIRouter()

LOOKED_AT: Final = 60
AHEAD: Final = timedelta(days=14)


class HelpRequest(Shape):
    message: str | None = None
    late: bool = False
    requested_at: datetime


class AbsentStudent(Shape):
    student_id: str
    name: str
    funding: str = ""
    sessions_missed: int = 0
    why: str = ""
    done: bool = False


class Absence(Shape):
    absence_id: str
    mentor_id: str
    starts: str = Field(alias="from")
    ends: str = Field(alias="to")
    return_on: date | None = None
    ended_at: datetime | None = None
    help_deadline_at: datetime
    help_due: bool = False
    students: Sequence[AbsentStudent] = ()
    help_requests: Sequence[HelpRequest] = ()

    @property
    def first_day(self) -> str:
        return _day(self.starts)

    @property
    def last_day(self) -> str:
        return _day(self.ends)

    @property
    def waiting(self) -> list[AbsentStudent]:
        return [student for student in self.students if not student.done]


@router.get("/aide")
async def help_requests(visit: SupportVisit) -> Response:
    """Absences that ask for help, and those whose deadline is near with students without a solution."""
    listed = await visit.apis.all_items(path("absences"), open="true")
    near = [item for item in listed if item["from"][:10] <= (visit.now + AHEAD).date().isoformat()]
    far = [item for item in listed if item not in near]
    looked_at = [*near, *far][:LOOKED_AT]
    found = await asyncio.gather(
        *(or_problem(visit.apis.get_or_none(path("absences", item["absence_id"]))) for item in looked_at)
    )
    absences = [Absence.model_validate(item) for item in found if item and not isinstance(item, Problem)]
    absences.sort(key=lambda absence: absence.help_deadline_at)
    asked = [absence for absence in absences if absence.help_requests and absence.waiting]
    return visit.page(
        "help_requests.html",
        asked=asked,
        silent=[absence for absence in absences if absence.waiting and absence not in asked],
        placed=[absence for absence in absences if absence.help_requests and not absence.waiting],
        more=len(listed) - len(looked_at),
        people=await people.people(visit.apis, mentors={absence.mentor_id for absence in absences}),
        away=next((part for part in found if isinstance(part, Problem)), None),
    )


def _day(written: str) -> str:
    year, month, day = written[:10].split("-")
    return f"{day}/{month}/{year}"
