"""Names for the ids that other services speak of."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.portal.edges.api_client import PAGE_LIMIT, Apis, Problem, path
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
    """Looks up each id once: for the school's teams in lists, for others one by one, as they may; all in parallel."""
    found_students, found_mentors = await asyncio.gather(
        _looked_up(apis, "students", sorted({one for one in students if one})),
        _looked_up(apis, "mentors", sorted({one for one in mentors if one})),
    )
    return People(
        students={one: Student.model_validate(item) for one, item in found_students.items()},
        mentors={one: Mentor.model_validate(item) for one, item in found_mentors.items()},
    )


async def _looked_up(apis: Apis, kind: str, ids: Sequence[str]) -> dict[str, Any]:
    """Accounts by id. A list may be a moment behind: who is not on it yet is asked for by id."""
    found: dict[str, Any] = {}
    if apis.of_staff and len(ids) > 1:
        pages = [ids[at : at + PAGE_LIMIT] for at in range(0, len(ids), PAGE_LIMIT)]
        for items in await asyncio.gather(*(_listed(apis, kind, page) for page in pages)):
            found |= {item[f"{kind[:-1]}_id"]: item for item in items}
    missing = [one for one in ids if one not in found]
    items = await asyncio.gather(*(_or_none(apis, kind, one) for one in missing))
    return found | {one: item for one, item in zip(missing, items, strict=True) if item}


async def _listed(apis: Apis, kind: str, ids: Sequence[str]) -> list[Any]:
    try:
        page = await apis.get(path(kind), id=ids, limit=PAGE_LIMIT)
    except Problem:
        return []
    items: list[Any] = page["items"]
    return items


async def _or_none(apis: Apis, kind: str, identity: str) -> object | None:
    try:
        return await apis.get_or_none(path(kind, identity))
    except Problem:
        return None
