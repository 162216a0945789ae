"""A student's file as people look at it: totals in words, and a heat map of the weeks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.portal.edges.language import monday_of
from services.portal.edges.shapes import Attendance, Week

CELL: Final = 22
GAP: Final = 4
WEEKS_A_ROW: Final = 13
LABEL_HEIGHT: Final = 16


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals over the weeks that have begun. ``rate_percent``: weeks with a session held, of those that have ended."""

    attended: int
    excused: int
    unexcused: int
    to_qualify: int
    missing_weeks: int
    rate_percent: int | None


@dataclass(frozen=True, slots=True)
class Cell:
    x: int
    y: int
    week: Week
    kind: str


@dataclass(frozen=True, slots=True)
class MonthLabel:
    x: int
    y: int
    month: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    width: int
    height: int
    cells: Sequence[Cell]
    labels: Sequence[MonthLabel]


def kind_of(week: Week, current: str) -> str:
    """The one thing to see about a week, the gravest first."""
    if week.missing and week.week <= current:
        return "missing"
    if week.unexcused:
        return "unexcused"
    if week.to_qualify:
        return "to_qualify"
    if week.attended:
        return "attended"
    if week.excused:
        return "excused"
    return "planned" if week.planned else "none"


def summary(file: Attendance, current: str) -> Summary:
    begun = [week for week in file.weeks if week.week <= current]
    ended = [week for week in begun if week.week < current]
    held = sum(1 for week in ended if week.attended)
    return Summary(
        attended=sum(week.attended for week in begun),
        excused=sum(week.excused for week in begun),
        unexcused=sum(week.unexcused for week in begun),
        to_qualify=sum(week.to_qualify for week in begun),
        missing_weeks=sum(1 for week in begun if week.missing),
        rate_percent=round(100 * held / len(ended)) if ended else None,
    )


def heat_map(file: Attendance, current: str) -> HeatMap:
    """Thirteen weeks (a quarter) a row, the oldest first, each month's name above its first week."""
    step, row_height = CELL + GAP, CELL + GAP + LABEL_HEIGHT
    cells: list[Cell] = []
    labels: list[MonthLabel] = []
    seen = ""
    for index, week in enumerate(file.weeks):
        row, column = divmod(index, WEEKS_A_ROW)
        x, y = column * step, row * row_height
        month = monday_of(week.week).strftime("%Y-%m")
        if month != seen:
            labels.append(MonthLabel(x, y + LABEL_HEIGHT - 5, month))
            seen = month
        cells.append(Cell(x, y + LABEL_HEIGHT, week, kind_of(week, current)))
    rows = -(-len(cells) // WEEKS_A_ROW)
    columns = min(len(cells), WEEKS_A_ROW)
    return HeatMap(width=max(columns, 1) * step, height=max(rows, 1) * row_height, cells=cells, labels=labels)
