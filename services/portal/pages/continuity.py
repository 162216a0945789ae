"""« Continuité »: every student's week on one board, for support and training administration (T2)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from services.portal.edges.api_client import Problem, or_problem, path
from services.portal.edges.language import monday_of
from services.portal.edges.shapes import Shape
from services.portal.edges.visit import TrainingVisit, Visit
from services.portal.pages import calendar
from services.portal.pages.students import download

router = APIRouter()

ROWS_SHOWN: Final = 50
WEEKS_DRAWN: Final = 13
WEEKS_AFTER: Final = 3
CELL_WIDTH: Final = 44
ROW_HEIGHT: Final = 30
LABEL_HEIGHT: Final = 18
NAMES_WIDTH: Final = 190
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


class WeekOfFunding(Shape):
    week: str
    funding: str
    counts: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True)
class Cell:
    """A funding's week on the heat map. ``level``: 0 (nobody's week is assured) to 4 (everybody's); None: nobody."""

    x: int
    y: int
    week: str
    funding: str
    assured: int
    students: int

    @property
    def level(self) -> int | None:
        return 4 * self.assured // self.students if self.students else None


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Weeks from left to right, a funding a row; labels are where a month begins."""

    width: int
    height: int
    cells: Sequence[Cell]
    labels: Sequence[tuple[int, str]]
    rows: Sequence[tuple[int, str]]


@router.get("/continuite")
async def board(
    visit: TrainingVisit, semaine: str = "", etat: str = "", financement: str = "", suite: str = ""
) -> Response:
    """The board of one week; « etat » and « financement » narrow it."""
    current = calendar.this_week(visit.now, visit.portal.school_zone)
    week = semaine if calendar.is_week(semaine) else current
    filters = {"semaine": week, "etat": etat if etat in TONES else "", "financement": financement}
    found, weeks = await asyncio.gather(
        or_problem(visit.apis.get(path("continuity"), **_asked(filters), limit=ROWS_SHOWN, cursor=suite)),
        or_problem(
            visit.apis.get(path("continuity", "weeks"), to=calendar.neighbour(week, WEEKS_AFTER), weeks=WEEKS_DRAWN)
        ),
    )
    return visit.page(
        "continuity.html",
        status=found.status if isinstance(found, Problem) else 200,
        problem=found if isinstance(found, Problem) else None,
        board=Board(week=week) if isinstance(found, Problem) else Board.model_validate(found),
        heat_map=None if isinstance(weeks, Problem) else _heat_map(weeks["items"]),
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


def _heat_map(items: Sequence[object]) -> HeatMap:
    found = [WeekOfFunding.model_validate(item) for item in items]
    weeks = sorted({one.week for one in found})
    fundings = [funding for funding in FUNDINGS if any(one.funding == funding for one in found)]
    rows = [(LABEL_HEIGHT + row * ROW_HEIGHT, funding) for row, funding in enumerate(fundings)]
    labels: list[tuple[int, str]] = []
    seen = ""
    for column, week in enumerate(weeks):
        month = monday_of(week).strftime("%Y-%m")
        if month != seen:
            labels.append((NAMES_WIDTH + column * CELL_WIDTH, month))
            seen = month
    cells = [
        Cell(
            x=NAMES_WIDTH + weeks.index(one.week) * CELL_WIDTH,
            y=LABEL_HEIGHT + fundings.index(one.funding) * ROW_HEIGHT,
            week=one.week,
            funding=one.funding,
            assured=one.counts.get("green", 0),
            students=sum(one.counts.values()),
        )
        for one in found
        if one.funding in fundings
    ]
    return HeatMap(NAMES_WIDTH + len(weeks) * CELL_WIDTH, LABEL_HEIGHT + len(rows) * ROW_HEIGHT, cells, labels, rows)


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
