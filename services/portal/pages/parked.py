"""« Mis de côté »: events that a service could not take; support tries them again in order, or skips one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import PAGE_LIMIT, Problem, or_problem, path
from services.portal.edges.routes import API_SERVICES
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import SupportVisit, Visit

router = APIRouter()

ROWS_SHOWN: Final = 50
CHAIN_SHOWN: Final = 20
CHAIN_PAGES: Final = 5


class Parked(Shape):
    service: str
    parked_id: int
    topic: str
    partition: int
    offset: int
    key: str
    event_id: str | None = None
    event_type: str | None = None
    state: str
    error: str
    attempts: int = 0
    parked_at: datetime
    settled_at: datetime | None = None
    settled_by: str | None = None
    reason: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    value: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "parked")


@router.get("/mis-de-cote")
async def listed(visit: SupportVisit, service: str = "", suite: str = "") -> Response:
    """Of all services, or of one: within a key in the order in which a retry takes them."""
    chosen = service if service in API_SERVICES else ""
    found = await or_problem(visit.apis.get(path("parked"), service=chosen, limit=ROWS_SHOWN, cursor=suite))
    page = {} if isinstance(found, Problem) else found
    return visit.page(
        "parked.html",
        status=found.status if isinstance(found, Problem) else 200,
        problem=found if isinstance(found, Problem) else None,
        rows=[Parked.model_validate(item) for item in page.get("items", ())],
        unavailable=page.get("unavailable", ()),
        next_cursor=page.get("next_cursor"),
        services=API_SERVICES,
        chosen=chosen,
    )


@router.get("/mis-de-cote/{service}/{parked_id}")
async def shown(
    visit: SupportVisit, service: str, parked_id: int, fait: str = "", repris: str = "", reste: str = ""
) -> Response:
    return await _page(
        visit, "parked_one.html", service, parked_id, done=fait, settled=_count(repris), left=_count(reste)
    )


@router.get("/mis-de-cote/{service}/{parked_id}/reprise")
async def before_retry(visit: SupportVisit, service: str, parked_id: int) -> Response:
    """What a retry takes, and in which order."""
    return await _page(visit, "parked_retry.html", service, parked_id)


@router.post("/mis-de-cote/{service}/{parked_id}/reprise")
async def retry(visit: SupportVisit, service: str, parked_id: int) -> Response:
    """The whole key again, from its first event on, up to the first that fails."""
    form = await visit.form()
    try:
        came_to = await visit.apis.post(
            path("parked", service, str(parked_id), "retry"), {}, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _page(visit, "parked_one.html", service, parked_id, problem=problem)
    return visit.redirect(
        f"/mis-de-cote/{service}/{parked_id}?fait=repris&repris={came_to['settled']}&reste={came_to['open']}"
    )


@router.get("/mis-de-cote/{service}/{parked_id}/abandon")
async def before_skip(visit: SupportVisit, service: str, parked_id: int) -> Response:
    """What is lost by a skip, what waits behind it, and the reason."""
    return await _page(visit, "parked_skip.html", service, parked_id)


@router.post("/mis-de-cote/{service}/{parked_id}/abandon")
async def skip(visit: SupportVisit, service: str, parked_id: int) -> Response:
    form = await visit.form()
    reason = form.get("raison", "")
    try:
        await visit.apis.post(
            path("parked", service, str(parked_id), "skip"), {"reason": reason}, idempotency_key=form.get("once", "")
        )
    except Problem as problem:
        return await _page(visit, "parked_skip.html", service, parked_id, problem=problem, reason=reason)
    return visit.redirect(f"/mis-de-cote/{service}/{parked_id}?fait=ecarte")


async def _page(
    visit: Visit,
    template: str,
    service: str,
    parked_id: int,
    *,
    done: str = "",
    settled: int = 0,
    left: int = 0,
    problem: Problem | None = None,
    reason: str = "",
) -> Response:
    if service not in API_SERVICES:
        raise Problem(404, "not_found", "")
    one = Parked.model_validate(await visit.apis.get(path("parked", service, str(parked_id))))
    chain, is_whole = await _chain(visit, one)
    return visit.page(
        template,
        status=problem.status if problem else 200,
        one=one,
        chain=chain[:CHAIN_SHOWN],
        chain_count=len(chain),
        is_whole=is_whole,
        ahead=[each for each in chain if each.parked_id < parked_id],
        behind=[each for each in chain if each.parked_id > parked_id],
        done=done,
        settled=settled,
        left=left,
        problem=problem,
        reason=reason,
    )


async def _chain(visit: Visit, one: Parked) -> tuple[list[Parked], bool]:
    """What waits under the same key, in the order in which a retry takes it; and whether that is all of it."""
    items: list[Parked] = []
    cursor: str | None = None
    for _ in range(CHAIN_PAGES):
        found = await visit.apis.get(path("parked", one.service), key=one.key, limit=PAGE_LIMIT, cursor=cursor)
        items += [Parked.model_validate(item) for item in found["items"]]
        cursor = found.get("next_cursor")
        if not cursor:
            break
    return [each for each in items if each.topic == one.topic], not cursor


def _count(written: str) -> int:
    return int(written) if written.isdecimal() and len(written) < 10 else 0
