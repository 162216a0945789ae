"""« Appel à facturation »: a mentor's month, each line explained; and the billing team's months, which it closes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.language import sort_key
from services.portal.edges.shapes import Line, Mentor, Statement
from services.portal.edges.visit import BillingVisit, MentorVisit, NotForYou, StaffVisit, Visit
from services.portal.pages import calendar, people
from services.portal.pages.students import download

router = APIRouter()

OUTCOMES: Final = ("held", "student_early", "student_late", "student_no_show", "other")


@dataclass(frozen=True, slots=True)
class ShownLine:
    line: Line
    student: str


@dataclass(frozen=True, slots=True)
class Share:
    """One outcome's part of a statement, for its bar. ``x`` and ``width`` are in thousandths of the whole."""

    outcome: str
    count: int
    amount_cents: int
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class MonthOfMentor:
    mentor: Mentor
    statement: Statement | None


@router.get("/appel-a-facturation")
async def my_statement(visit: MentorVisit) -> Response:
    return visit.redirect(f"/appel-a-facturation/{calendar.this_month(visit.now, visit.portal.school_zone)}")


@router.get("/appel-a-facturation/{month}")
async def my_month(visit: MentorVisit, month: str) -> Response:
    return await _statement_page(visit, visit.own_id, month, base="/appel-a-facturation")


@router.get("/appel-a-facturation/{month}/csv")
async def my_month_csv(visit: MentorVisit, month: str) -> Response:
    _check(month)
    address = path("mentors", visit.own_id, "statements", f"{month}.csv")
    return await download(visit, address, f"appel-a-facturation-{month}.csv")


@router.get("/facturation")
async def months(visit: BillingVisit, mois: str = "") -> Response:
    """Every mentor's statement of one month."""
    current = calendar.this_month(visit.now, visit.portal.school_zone)
    month = mois if calendar.is_month(mois) else current
    mentors = [Mentor.model_validate(item) for item in await visit.apis.all_items(path("mentors"))]
    found = await asyncio.gather(
        *(
            or_problem(visit.apis.get_or_none(path("mentors", mentor.mentor_id, "statements", month)))
            for mentor in mentors
        )
    )
    away = next((part for part in found if isinstance(part, Problem)), None)
    rows = [
        MonthOfMentor(mentor, Statement.model_validate(item) if item and not isinstance(item, Problem) else None)
        for mentor, item in zip(mentors, found, strict=True)
    ]
    rows.sort(key=lambda row: sort_key(row.mentor.name))
    statements = [row.statement for row in rows if row.statement]
    return visit.page(
        "billing.html",
        month=month,
        before=calendar.month_before(month),
        after=calendar.month_after(month),
        current=current,
        rows=rows,
        total_cents=sum(statement.total_cents for statement in statements),
        shares=_shares([line for statement in statements for line in statement.lines]),
        currency=next((statement.currency for statement in statements), "EUR"),
        away=away,
    )


@router.get("/facturation/{mentor_id}/{month}")
async def mentor_month(visit: StaffVisit, mentor_id: str, month: str, fait: str = "") -> Response:
    if visit.person.role == "mentor":
        raise NotForYou
    return await _statement_page(visit, mentor_id, month, base=f"/facturation/{mentor_id}", done=fait)


@router.get("/facturation/{mentor_id}/{month}/csv")
async def mentor_month_csv(visit: BillingVisit, mentor_id: str, month: str) -> Response:
    _check(month)
    return await download(
        visit, path("mentors", mentor_id, "statements", f"{month}.csv"), f"appel-a-facturation-{mentor_id}-{month}.csv"
    )


@router.post("/facturation/{mentor_id}/{month}/cloture")
async def close(visit: BillingVisit, mentor_id: str, month: str) -> Response:
    form = await visit.form()
    _check(month)
    base = f"/facturation/{mentor_id}"
    try:
        await visit.apis.post(
            path("mentors", mentor_id, "statements", month, "close"), {}, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _statement_page(visit, mentor_id, month, base=base, problem=problem)
    return visit.redirect(f"{base}/{month}?fait=cloture")


def _check(month: str) -> None:
    if not calendar.is_month(month):
        raise Problem(404, "not_found", "")


async def _statement_page(
    visit: Visit, mentor_id: str, month: str, *, base: str, done: str = "", problem: Problem | None = None
) -> Response:
    _check(month)
    current = calendar.this_month(visit.now, visit.portal.school_zone)
    mentor, item = await asyncio.gather(
        people.mentor(visit.apis, mentor_id),
        visit.apis.get_or_none(path("mentors", mentor_id, "statements", month)),
    )
    statement = Statement.model_validate(item) if item else Statement(mentor_id=mentor_id, month=month)
    return visit.page(
        "statement.html",
        status=problem.status if problem else 200,
        mentor=mentor,
        statement=statement,
        lines=await _shown(visit, statement.lines),
        shares=_shares(statement.lines),
        month=month,
        before=calendar.month_before(month),
        after=calendar.month_after(month),
        current=current,
        base=base,
        may_close=visit.person.role == "billing" and statement.status == "open",
        done=done,
        problem=problem,
    )


async def _shown(visit: Visit, lines: Sequence[Line]) -> list[ShownLine]:
    """Each line with its student's name."""
    known = await people.people(visit.apis, students={line.student_id for line in lines})
    return [ShownLine(line, known.student(line.student_id)) for line in lines]


def _shares(lines: Sequence[Line]) -> list[Share]:
    total = sum(abs(line.amount_cents) for line in lines)
    shares: list[Share] = []
    x = 0
    for outcome in OUTCOMES:
        of_outcome = [line for line in lines if line.outcome == outcome]
        if not of_outcome:
            continue
        width = round(1000 * sum(abs(line.amount_cents) for line in of_outcome) / total) if total else 0
        shares.append(Share(outcome, len(of_outcome), sum(line.amount_cents for line in of_outcome), x, width))
        x += width
    return shares
