"""Names for the ids that other services speak of."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.portal.edges.api_client import Apis, Problem, path
from services.portal.edges.language import sort_key
from services.portal.edges.shapes import Mentor, Student


@dataclass(frozen=True, slots=True)
class People:
    """The students and mentors that a page speaks of. Whoever can't be read has no name; the page still stands."""

    students: Mapping[str, Student]
    mentors: Mapping[str, Mentor]

    def student(self, student_id: str | None) -> str:
        found = self.students.get(student_id or "")
        return found.name if found else "–"

    def mentor(self, mentor_id: str | None) -> str:
        found = self.mentors.get(mentor_id or "")
        return found.name if found else "–"


async def students_of(apis: Apis, mentor_id: str) -> list[Student]:
    """A mentor's students, by name."""
    items = await apis.all_items(path("students"), mentor_id=mentor_id)
    return sorted((Student.model_validate(item) for item in items), key=lambda student: sort_key(student.name))


async def student(apis: Apis, student_id: str) -> Student:
    return Student.model_validate(await apis.get(path("students", student_id)))


async def mentor(apis: Apis, mentor_id: str) -> Mentor:
    return Mentor.model_validate(await apis.get(path("mentors", mentor_id)))


async def people(apis: Apis, *, students: Iterable[str | None] = (), mentors: Iterable[str | None] = ()) -> People:
    """Looks up each id once, all in parallel."""
    student_ids = sorted({student_id for student_id in students if student_id})
    mentor_ids = sorted({mentor_id for mentor_id in mentors if mentor_id})
    found_students, found_mentors = await asyncio.gather(
        asyncio.gather(*(_or_none(apis, "students", student_id) for student_id in student_ids)),
        asyncio.gather(*(_or_none(apis, "mentors", mentor_id) for mentor_id in mentor_ids)),
    )
    return People(
        students={
            student_id: Student.model_validate(item)
            for student_id, item in zip(student_ids, found_students, strict=True)
            if item
        },
        mentors={
            mentor_id: Mentor.model_validate(item)
            for mentor_id, item in zip(mentor_ids, found_mentors, strict=True)
            if item
        },
    )


async def _or_none(apis: Apis, kind: str, identity: str) -> object | None:
    try:
        return await apis.get_or_none(path(kind, identity))
    except Problem:
        return None
