"""A transfer by the exact e-mail (T11), with its four diagnoses (T18): what the student's page and an absence share."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.portal.edges.api_client import Apis, Problem, path
from services.portal.edges.shapes import Diagnosis, Student
from services.portal.edges.visit import Visit
from services.portal.pages import people


@dataclass(frozen=True, slots=True)
class TransferForm:
    """What was typed, for which absence where it is one's, and what came of checking it."""

    email: str = ""
    absence_id: str = ""
    diagnoses: Sequence[Diagnosis] = ()
    problem: Problem | None = None

    @property
    def all_passed(self) -> bool:
        return bool(self.diagnoses) and all(diagnosis.passed for diagnosis in self.diagnoses)

    @property
    def status(self) -> int:
        return self.problem.status if self.problem else 200


async def checked(visit: Visit, student_id: str, form: Mapping[str, str]) -> TransferForm:
    """The four diagnoses, before anything is done. Nothing is written."""
    email = form.get("mentor_email", "")
    try:
        answer = await visit.apis.post(
            path("students", student_id, "transfer", "check"),
            {"mentor_email": email},
            idempotency_key=form.get("once", ""),
        )
    except Problem as problem:
        return TransferForm(email, form.get("absence_id", ""), problem=problem)
    return TransferForm(email, form.get("absence_id", ""), _diagnoses(answer["diagnoses"]))


async def transferred(
    visit: Visit, student_id: str, form: Mapping[str, str], absence_id: str | None = None
) -> tuple[Student, int] | TransferForm:
    """At once (T3). The student as they were, and the new version; or the form again, with what was refused."""
    email = form.get("mentor_email", "")
    absence_id = absence_id or form.get("absence_id")
    body = {"mentor_email": email} | ({"absence_id": absence_id} if absence_id else {})
    if form.get("kind") == "permanent":
        body["kind"] = "permanent"
    before = await people.student(visit.apis, student_id)
    try:
        done = await visit.apis.post(
            path("students", student_id, "transfer"), body, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return TransferForm(email, form.get("absence_id", ""), _diagnoses(problem.errors), problem)
    await _wait_for_new_mentor(visit.apis, student_id, before)
    return before, int(done.get("version", 1))


def _diagnoses(found: Sequence[Mapping[str, Any]]) -> list[Diagnosis]:
    return [Diagnosis.model_validate(item) for item in found if "passed" in item]


async def _wait_for_new_mentor(apis: Apis, student_id: str, before: Student) -> None:
    """The page that follows must not show the mentor of a moment ago; it waits at most a second."""
    for _ in range(20):
        if (await people.student(apis, student_id)).mentor_id != before.mentor_id:
            return
        await asyncio.sleep(0.05)
