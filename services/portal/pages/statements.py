"""« Appel à facturation »: a mentor's month, each line explained; the billing team closes it once it has seen it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Line, Statement
from services.portal.edges.visit import BillingVisit, ClosingVisit, MentorVisit, NotForYou, StaffVisit, Visit
from services.portal.pages import calendar, people
from services.portal.pages.students import download

router = APIRouter()

OUTCOMES: Final = ("held", "student_early", "student_late", "student_no_show", "other")


LINES_A_PAGE: Final = 100
"""A page stays below 100 kB."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a statement a page shows: the page of its lines, and the line (by its key) that is explained."""

    base: str
    line: str = ""
    page: int = 1
    done: str = ""

    @property
    def query(self) -> str:
        return urlencode({"fait": self.done, "ligne": self.line})


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


@router.get("/appel-a-facturation")
async def my_statement(visit: MentorVisit) -> Response:
    return visit.redirect(f"/appel-a-facturation/{calendar.this_month(visit.now, visit.portal.school_zone)}")


@router.get("/appel-a-facturation/{month}")
async def my_month(visit: MentorVisit, month: str, fait: str = "", ligne: str = "", page: int = 1) -> Response:
    """« ligne »: the line that is explained, and whose dispute is open."""
    shown = Shown(base="/appel-a-facturation", line=ligne, page=page, done=fait)
    return await _statement_page(visit, visit.own_id, month, shown)


@router.get("/appel-a-facturation/{month}/csv")
async def my_month_csv(visit: MentorVisit, month: str) -> Response:
    _check(month)
    address = path("mentors", visit.own_id, "statements", f"{month}.csv")
    return await download(visit, address, f"appel-a-facturation-{month}.csv")


@router.post("/appel-a-facturation/{month}/contestation")
async def dispute(visit: MentorVisit, month: str) -> Response:
    """A line is disputed with one click; why can be said then, or the dispute taken back."""
    return await _about_line(visit, month, "contestee")


@router.post("/appel-a-facturation/{month}/raison")
async def explain_dispute(visit: MentorVisit, month: str) -> Response:
    """Why the line was disputed; billing and support see it, and answer."""
    return await _about_line(visit, month, "raison")


@router.post("/appel-a-facturation/{month}/retrait")
async def withdraw_dispute(visit: MentorVisit, month: str) -> Response:
    return await _about_line(visit, month, "retiree")


async def _about_line(visit: Visit, month: str, done: str) -> Response:
    """One form holds the table: its button says which line, by its key."""
    form = await visit.form()
    _check(month)
    key = form.get("ligne", "")
    statement = Statement.model_validate(
        await visit.apis.get_or_none(path("mentors", visit.own_id, "statements", month))
        or {"mentor_id": visit.own_id, "month": month}
    )
    line = next((line for line in statement.lines if line.key == key), None)
    if line is None:
        raise Problem(404, "line_unknown", visit.say("Cette ligne n'est plus sur cet appel à facturation."))
    shown = Shown(base="/appel-a-facturation", line=key, page=_page_of(statement, key), done=done)
    address = path("mentors", visit.own_id, "statements", month, "lines", line.line_id, "dispute")
    try:
        if done == "retiree":
            await visit.apis.delete(address)
        else:
            reason = form.get("reason", "") if done == "raison" else ""
            await visit.apis.post(address, {"reason": reason}, idempotency_key=f"{form.get('once', '')}-{done}-{key}")
    except Problem as problem:
        return await _statement_page(visit, visit.own_id, month, replace(shown, done=""), problem)
    return visit.redirect(f"/appel-a-facturation/{month}?{shown.query}#l-{key}")


@router.get("/appel-a-facturation/{month}/pdf")
async def my_month_pdf(visit: MentorVisit, month: str) -> Response:
    _check(month)
    address = path("mentors", visit.own_id, "statements", f"{month}.pdf")
    return await download(visit, address, f"appel-a-facturation-{month}.pdf")


@router.get("/facturation/{mentor_id}/{month}")
async def mentor_month(
    visit: StaffVisit, mentor_id: str, month: str, fait: str = "", ligne: str = "", page: int = 1
) -> Response:
    if visit.person.role == "mentor":
        raise NotForYou
    return await _statement_page(
        visit, mentor_id, month, Shown(base=f"/facturation/{mentor_id}", line=ligne, page=page, done=fait)
    )


@router.get("/facturation/{mentor_id}/{month}/csv")
async def mentor_month_csv(visit: BillingVisit, mentor_id: str, month: str) -> Response:
    _check(month)
    return await download(
        visit, path("mentors", mentor_id, "statements", f"{month}.csv"), f"appel-a-facturation-{mentor_id}-{month}.csv"
    )


@router.get("/facturation/{mentor_id}/{month}/pdf")
async def mentor_month_pdf(visit: BillingVisit, mentor_id: str, month: str) -> Response:
    _check(month)
    return await download(
        visit, path("mentors", mentor_id, "statements", f"{month}.pdf"), f"appel-a-facturation-{mentor_id}-{month}.pdf"
    )


@router.get("/facturation/{mentor_id}/{month}/cloture")
async def close_page(visit: ClosingVisit, mentor_id: str, month: str) -> Response:
    """What closing does, and what is still missing, before it is done."""
    return await _close_page(visit, mentor_id, month)


@router.post("/facturation/{mentor_id}/{month}/cloture")
async def close(visit: ClosingVisit, mentor_id: str, month: str) -> Response:
    form = await visit.form()
    _check(month)
    seen = {"mentor_id": mentor_id, "lines": _whole(form.get("lines")), "total_cents": _whole(form.get("total_cents"))}
    try:
        await visit.apis.post(
            path("statements", month, "close"), {"statements": [seen]}, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _close_page(visit, mentor_id, month, problem)
    return visit.redirect(f"/facturation/{mentor_id}/{month}?fait=cloture")


async def _close_page(visit: Visit, mentor_id: str, month: str, problem: Problem | None = None) -> Response:
    _check(month)
    mentor, item, waiting = await asyncio.gather(
        people.mentor(visit.apis, mentor_id),
        visit.apis.get_or_none(path("mentors", mentor_id, "statements", month)),
        or_problem(to_document(visit, month)),
    )
    statement = Statement.model_validate(item) if item else Statement(mentor_id=mentor_id, month=month)
    return visit.page(
        "statement_close.html",
        status=problem.status if problem else 200,
        mentor=mentor,
        statement=statement,
        month=month,
        waiting=0 if isinstance(waiting, Problem) else waiting.get(mentor_id, 0),
        over=month < calendar.this_month(visit.now, visit.portal.school_zone),
        away=waiting if isinstance(waiting, Problem) else None,
        problem=problem,
    )


async def to_document(visit: Visit, month: str) -> dict[str, int]:
    """Mentor → sessions of the month that have begun and that nobody has documented."""
    span = calendar.month_span(month, visit.portal.school_zone)
    found = await visit.apis.get(
        path("sessions", "to-document"), **{"from": span.start.isoformat(), "to": span.end.isoformat()}
    )
    return {item["mentor_id"]: item["sessions"] for item in found["items"]}


def _whole(written: str | None) -> int | None:
    try:
        return int(written or "")
    except ValueError:
        return None


def _check(month: str) -> None:
    if not calendar.is_month(month):
        raise Problem(404, "not_found", "")


def _page_of(statement: Statement, key: str) -> int:
    """The page on which a line stands, from 1 on."""
    at = next((at for at, line in enumerate(statement.lines) if line.key == key), 0)
    return at // LINES_A_PAGE + 1


async def _statement_page(
    visit: Visit, mentor_id: str, month: str, shown: Shown, problem: Problem | None = None
) -> Response:
    _check(month)
    mentor, item = await asyncio.gather(
        people.mentor(visit.apis, mentor_id),
        visit.apis.get_or_none(path("mentors", mentor_id, "statements", month)),
    )
    statement = Statement.model_validate(item) if item else Statement(mentor_id=mentor_id, month=month)
    pages = max(1, -(-len(statement.lines) // LINES_A_PAGE))
    page = _page_of(statement, shown.line) if shown.line else min(max(shown.page, 1), pages)
    first = (page - 1) * LINES_A_PAGE
    return visit.page(
        "statement.html",
        status=problem.status if problem else 200,
        mentor=mentor,
        statement=statement,
        lines=await _shown(visit, statement.lines[first : first + LINES_A_PAGE]),
        a_page=LINES_A_PAGE,
        number=page,
        pages=pages,
        shares=_shares(statement.lines),
        month=month,
        before=calendar.month_before(month),
        after=calendar.month_after(month),
        shown=shown,
        base=shown.base,
        may_close=visit.person.role == "billing" and statement.status == "open",
        done=shown.done,
        problem=problem,
    )


async def _shown(visit: Visit, lines: Sequence[Line]) -> list[ShownLine]:
    """Each line with its student's name."""
    known = await people.people(visit.apis, students={line.student_id for line in lines})
    return [ShownLine(line, known.student(line.student_id)) for line in lines]


def _shares(lines: Sequence[Line]) -> list[Share]:
    sums: dict[str, tuple[int, int]] = {}
    for line in lines:
        count, amount_cents = sums.get(line.outcome, (0, 0))
        sums[line.outcome] = count + 1, amount_cents + line.amount_cents
    return shares_of(sums)


def shares_of(sums: Mapping[str, tuple[int, int]]) -> list[Share]:
    """Outcome → (lines, amount), as parts of a bar."""
    total = sum(abs(amount_cents) for _, amount_cents in sums.values())
    shares: list[Share] = []
    x = 0
    for outcome in OUTCOMES:
        if outcome not in sums:
            continue
        count, amount_cents = sums[outcome]
        width = round(1000 * abs(amount_cents) / total) if total else 0
        shares.append(Share(outcome, count, amount_cents, x, width))
        x += width
    return shares
