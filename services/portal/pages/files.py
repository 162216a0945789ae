"""« Dossiers »: the files of a funder's students over a period, exported, and each one's certificate."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import TrainingVisit, Visit
from services.portal.pages import calendar
from services.portal.pages.continuity import FUNDINGS
from services.portal.pages.downloads import MEDIA_TYPES, handed_on

router = APIRouter()

ROWS_SHOWN: Final = 50
MONTHS_OFFERED: Final = 18


class FileOfPeriod(Shape):
    """A student over the period, as the certificate says it."""

    student_id: str
    name: str
    funding: str = ""
    path: str = ""
    planned: int = 0
    attended: int = 0
    excused: int = 0
    unexcused: int = 0
    to_qualify: int = 0
    missing_weeks: int = 0
    attended_minutes: int = 0


class FilesPage(Shape):
    items: Sequence[FileOfPeriod] = ()
    next_cursor: str | None = None
    students: int = 0
    paths: Sequence[str] = ()


@router.get("/dossiers")
async def files(
    visit: TrainingVisit, q: str = "", financement: str = "", parcours: str = "", mois: str = "", suite: str = ""
) -> Response:
    """The students of a funding and path, each with what the month came to."""
    filters = _filters(visit, q, financement, parcours, mois)
    found = await or_problem(visit.apis.get(path("attendance"), **_asked(filters), limit=ROWS_SHOWN, cursor=suite))
    shown = FilesPage() if isinstance(found, Problem) else FilesPage.model_validate(found)
    first, last = _days_of(filters["mois"])
    return visit.page(
        "files.html",
        status=found.status if isinstance(found, Problem) else 200,
        problem=found if isinstance(found, Problem) else None,
        rows=shown.items,
        count=shown.students,
        paths=shown.paths,
        filters=filters,
        query=urlencode({name: value for name, value in filters.items() if value}),
        fundings=FUNDINGS,
        months=_months(visit),
        first=first,
        last=last,
        next_cursor=shown.next_cursor,
        first_page=not suite,
    )


@router.get("/dossiers/export")
async def export(
    visit: TrainingVisit, q: str = "", financement: str = "", parcours: str = "", mois: str = "", forme: str = "csv"
) -> Response:
    if forme not in MEDIA_TYPES:
        raise Problem(404, "not_found", "")
    filters = _filters(visit, q, financement, parcours, mois)
    return await handed_on(visit, path(f"attendance.{forme}"), f"assiduite-{filters['mois']}", forme, **_asked(filters))


@router.get("/dossiers/{student_id}/attestation")
async def certificate(visit: TrainingVisit, student_id: str, du: str = "", au: str = "") -> Response:
    """« Attestation d'assiduité », as a PDF file."""
    address = path("students", student_id, "attendance", "certificate.pdf")
    return await handed_on(visit, address, f"attestation-{du}-{au}", "pdf", **{"from": _day(du), "to": _day(au)})


def _filters(visit: Visit, q: str, funding: str, followed: str, month: str) -> dict[str, str]:
    current = calendar.this_month(visit.now, visit.portal.school_zone)
    return {
        "q": q.strip(),
        "financement": funding if funding in FUNDINGS else "",
        "parcours": followed,
        "mois": month if calendar.is_month(month) else current,
    }


def _asked(filters: dict[str, str]) -> dict[str, str]:
    first, last = _days_of(filters["mois"])
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "funding": filters["financement"],
        "path": filters["parcours"],
        "search": filters["q"],
    }


def _days_of(month: str) -> tuple[date, date]:
    return (
        date.fromisoformat(f"{month}-01"),
        date.fromisoformat(f"{calendar.month_after(month)}-01") - timedelta(days=1),
    )


def _months(visit: Visit) -> list[str]:
    months = [calendar.this_month(visit.now, visit.portal.school_zone)]
    while len(months) < MONTHS_OFFERED:
        months.append(calendar.month_before(months[-1]))
    return months


def _day(written: str) -> str:
    try:
        return date.fromisoformat(written).isoformat()
    except ValueError as error:
        raise Problem(404, "not_found", "") from error
