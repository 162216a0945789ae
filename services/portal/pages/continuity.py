"""« Continuité »: every student's week on one board, for support and training administration (T2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import TrainingVisit, Visit
from services.portal.pages import calendar
from services.portal.pages.students import download

router = APIRouter()

ROWS_SHOWN: Final = 50
TONES: Final[Mapping[str, str]] = {"at_risk": "warn", "missed": "bad", "to_plan": "quiet", "green": "good"}
"""The states with the colour of each, the most pressing first."""
FUNDINGS: Final = ("third_party", "apprenticeship", "self_funded")


class MakeUp(Shape):
    session_id: str
    starts_at: datetime
    outcome: str


class SessionOfWeek(Shape):
    session_id: str
    outcome: str
    recoverable: bool | None = None
    starts_at: datetime
    makes_up_for: str | None = None
    made_up_by: MakeUp | None = None


class StudentWeek(Shape):
    student_id: str
    name: str
    mentor_name: str | None = None
    funding: str = ""
    state: str
    sessions: Sequence[SessionOfWeek] = ()


class Board(Shape):
    items: Sequence[StudentWeek] = ()
    next_cursor: str | None = None
    week: str
    hours_left: int = 0
    counts: Mapping[str, int] = {}


@router.get("/continuite")
async def board(
    visit: TrainingVisit, semaine: str = "", etat: str = "", financement: str = "", suite: str = ""
) -> Response:
    """The board of one week; « etat » and « financement » narrow it."""
    current = calendar.this_week(visit.now, visit.portal.school_zone)
    week = semaine if calendar.is_week(semaine) else current
    filters = {"semaine": week, "etat": etat if etat in TONES else "", "financement": financement}
    found = await or_problem(
        visit.apis.get(path("continuity"), **_asked(filters), limit=ROWS_SHOWN, cursor=suite),
    )
    return visit.page(
        "continuity.html",
        status=found.status if isinstance(found, Problem) else 200,
        problem=found if isinstance(found, Problem) else None,
        board=Board(week=week) if isinstance(found, Problem) else Board.model_validate(found),
        filters=filters,
        states=_states(visit),
        tones=TONES,
        fundings=FUNDINGS,
        week_now=week,
        before=calendar.neighbour(week, -1),
        after=calendar.neighbour(week, 1),
        current=current,
        query=urlencode({name: value for name, value in filters.items() if value}),
        narrowed=urlencode({name: value for name, value in filters.items() if value and name != "semaine"}),
    )


@router.get("/continuite/csv")
async def board_csv(visit: TrainingVisit, semaine: str = "", etat: str = "", financement: str = "") -> Response:
    week = semaine if calendar.is_week(semaine) else calendar.this_week(visit.now, visit.portal.school_zone)
    asked = _asked({"semaine": week, "etat": etat, "financement": financement})
    return await download(visit, f"{path('continuity.csv')}?{urlencode(asked)}", f"continuite-{week}.csv")


def _asked(filters: Mapping[str, str]) -> dict[str, str]:
    """The page's filters as the service's parameters; what is empty is not asked for."""
    names = {"semaine": "week", "etat": "state", "financement": "funding"}
    return {names[name]: value for name, value in filters.items() if value}


def _states(visit: Visit) -> dict[str, str]:
    names = {
        "at_risk": visit.say("À risque"),
        "missed": visit.say("Manquée"),
        "to_plan": visit.say("À planifier"),
        "green": visit.say("Assurée"),
    }
    return {state: names[state] for state in TONES}
