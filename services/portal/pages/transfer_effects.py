"""What a transfer led to, as it comes about: the sessions to come go to the new mentor, and e-mails are sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.live import Part
from services.portal.edges.shapes import Email, Session, Student
from services.portal.edges.visit import MentorOrSupport, Visit
from services.portal.pages import people

router = APIRouter()

LOOK_EVERY_S: Final = 0.5
TRANSFERRED: Final = "relais.transfers.StudentTransferred.v1"


@dataclass(frozen=True, slots=True)
class Handover:
    """How many of the sessions to come are with the new mentor, and how many still on their way there.

    ``emails`` are support's to see; ``away`` where a service does not say.
    """

    student: Student
    moved_count: int
    left_count: int
    emails: Sequence[Email]
    away: Problem | None

    @property
    def complete(self) -> bool:
        return self.away is None and not self.left_count and all(email.state != "queued" for email in self.emails)


async def look(visit: Visit, student_id: str) -> Handover:
    student, found, emails = await asyncio.gather(
        people.student(visit.apis, student_id),
        or_problem(
            visit.apis.all_items(
                path("sessions"), student_id=student_id, status="scheduled", **{"from": visit.now.isoformat()}
            )
        ),
        or_problem(_emails(visit, student_id)),
    )
    sessions = [] if isinstance(found, Problem) else [Session.model_validate(item) for item in found]
    moved_count = sum(session.mentor_id == student.mentor_id for session in sessions)
    return Handover(
        student=student,
        moved_count=moved_count,
        left_count=len(sessions) - moved_count,
        emails=[] if isinstance(emails, Problem) else emails,
        away=next((part for part in (found, emails) if isinstance(part, Problem)), None),
    )


@router.get("/etudiants/{student_id}/transfert/effets")
async def transfer_effects(visit: MentorOrSupport, student_id: str) -> Response:
    await people.student(visit.apis, student_id)  # Refused here, before anything is streamed.

    async def look_again() -> Part:
        handover = await look(visit, student_id)
        return Part(visit.render("_transfer_effects.html", handover=handover), handover.complete)

    return visit.live(look_again, every_s=LOOK_EVERY_S, once=True)  # Where e-mails can't be sent, they stay queued.


async def _emails(visit: Visit, student_id: str) -> list[Email]:
    """Of the last transfer. A mentor can't look for the event; theirs is in the mailbox."""
    if visit.person.role != "support":
        return []
    events = await visit.apis.get(path("audit"), student_id=student_id, type=TRANSFERRED, limit=1)
    if not events["items"]:
        return []
    answer = await visit.apis.get(path("emails"), event_id=events["items"][0]["event_id"])
    return [Email.model_validate(item) for item in answer["items"]]
