"""« Appels à facturation » for the billing team: a month's statements, its exports, closing those that are ready."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import PAGE_LIMIT, Problem, or_problem, path
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import BillingVisit, ClosingVisit, Visit
from services.portal.pages import calendar, statements
from services.portal.pages.downloads import MEDIA_TYPES, handed_on

router = APIRouter()

ROWS_SHOWN: Final = 100
STATUSES: Final = ("open", "closed", "empty")


class Item(Shape):
    """One mentor's statement of the month, summed."""

    mentor_id: str
    name: str = ""
    status: str
    lines: int = 0
    total_cents: int = 0
    adjustments: int = 0
    adjustments_cents: int = 0


class OutcomeSum(Shape):
    outcome: str
    lines: int
    amount_cents: int


class Totals(Shape):
    open: int = 0
    closed: int = 0
    empty: int = 0
    lines: int = 0
    total_cents: int = 0
    adjustments: int = 0
    adjustments_cents: int = 0
    by_outcome: Sequence[OutcomeSum] = ()


class MonthPage(Shape):
    items: Sequence[Item] = ()
    next_cursor: str | None = None
    currency: str = "EUR"
    totals: Totals = Totals()


@dataclass(frozen=True, slots=True)
class Closing:
    """What would be closed, and what would be left out because its sessions are not all documented."""

    ready: Sequence[Item]
    held_back: Sequence[tuple[Item, int]]

    @property
    def total_cents(self) -> int:
        return sum(item.total_cents for item in self.ready)

    @property
    def digest(self) -> str:
        """Changes with anything that the person sees: which statements, their lines and their totals."""
        seen = "\n".join(f"{item.mentor_id} {item.lines} {item.total_cents}" for item in self.ready)
        return hashlib.sha256(seen.encode()).hexdigest()


@router.get("/facturation")
async def months(
    visit: BillingVisit, mois: str = "", statut: str = "", q: str = "", suite: str = "", fait: str = ""
) -> Response:
    """Every mentor's statement of one month; « statut » and « q » narrow the list, never the totals."""
    current = calendar.this_month(visit.now, visit.portal.school_zone)
    month = mois if calendar.is_month(mois) else current
    filters = {"mois": month, "statut": statut if statut in STATUSES else "", "q": q.strip()}
    found, waiting = await asyncio.gather(
        or_problem(
            visit.apis.get(
                path("statements"),
                month=month,
                status=filters["statut"],
                search=filters["q"],
                limit=ROWS_SHOWN,
                cursor=suite,
            )
        ),
        or_problem(statements.to_document(visit, month)),
    )
    shown = MonthPage() if isinstance(found, Problem) else MonthPage.model_validate(found)
    return visit.page(
        "billing.html",
        status=found.status if isinstance(found, Problem) else 200,
        problem=found if isinstance(found, Problem) else None,
        month=month,
        before=calendar.month_before(month),
        after=calendar.month_after(month),
        current=current,
        rows=shown.items,
        totals=shown.totals,
        shares=statements.shares_of({one.outcome: (one.lines, one.amount_cents) for one in shown.totals.by_outcome}),
        currency=shown.currency,
        waiting={} if isinstance(waiting, Problem) else waiting,
        filters=filters,
        statuses=STATUSES,
        next_cursor=shown.next_cursor,
        first_page=not suite,
        may_close=visit.person.role == "billing" and month < current and shown.totals.open > 0,
        done=int(fait) if fait.isdecimal() else None,
        away=waiting if isinstance(waiting, Problem) else None,
    )


@router.get("/facturation/export")
async def export(visit: BillingVisit, mois: str, forme: str = "csv") -> Response:
    """Every line of the month as CSV or workbook, or one row a mentor as PDF."""
    if not calendar.is_month(mois) or forme not in MEDIA_TYPES:
        raise Problem(404, "not_found", "")
    return await handed_on(visit, path("statements", f"{mois}.{forme}"), f"appels-a-facturation-{mois}", forme)


@router.get("/facturation/cloture")
async def close_page(visit: ClosingVisit, mois: str) -> Response:
    return await _close_page(visit, mois)


@router.post("/facturation/cloture")
async def close(visit: ClosingVisit) -> Response:
    """Closes exactly what the person saw; where anything has changed since, shows it anew."""
    form = await visit.form()
    month = form.get("mois", "")
    closing = await _closing(visit, _past(visit, month))
    if closing.digest != form.get("vu") or not closing.ready:
        changed = Problem(
            409, "changed", visit.say("Cette liste a changé depuis que vous l'avez vue. Relisez-la, puis recommencez.")
        )
        return await _close_page(visit, month, changed)
    body = {
        "statements": [
            {"mentor_id": item.mentor_id, "lines": item.lines, "total_cents": item.total_cents}
            for item in closing.ready
        ]
    }
    try:
        done = await visit.apis.post(path("statements", month, "close"), body, idempotency_key=form.get("once", ""))
    except Problem as problem:
        return await _close_page(visit, month, problem)
    return visit.redirect(f"/facturation?mois={month}&fait={done['closed']}")


async def _close_page(visit: Visit, month: str, problem: Problem | None = None) -> Response:
    closing = await _closing(visit, _past(visit, month))
    return visit.page(
        "billing_close.html",
        status=problem.status if problem else 200,
        month=month,
        closing=closing,
        currency="EUR",
        problem=problem,
    )


async def _closing(visit: Visit, month: str) -> Closing:
    found, waiting = await asyncio.gather(_open_statements(visit, month), statements.to_document(visit, month))
    return Closing(
        ready=[item for item in found if not waiting.get(item.mentor_id)],
        held_back=[(item, waiting[item.mentor_id]) for item in found if waiting.get(item.mentor_id)],
    )


async def _open_statements(visit: Visit, month: str) -> list[Item]:
    items: list[Any] = await visit.apis.all_items(path("statements"), month=month, status="open")
    return [Item.model_validate(item) for item in items][: PAGE_LIMIT * 5]


def _past(visit: Visit, month: str) -> str:
    """A month that is over: the current one still takes lines, and is closed mentor by mentor."""
    if not calendar.is_month(month) or month >= calendar.this_month(visit.now, visit.portal.school_zone):
        raise Problem(
            422, "month_not_over", visit.say("Ce mois n'est pas terminé : clôturez-le mentor par mentor, ou attendez.")
        )
    return month
