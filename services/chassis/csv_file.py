"""CSV files that people open in a French spreadsheet: UTF-8 with a byte order mark, ``;``, decimal commas."""

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from fastapi import Response

Cell = str | int | Decimal | None

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_response(filename: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """The rows as a download. A text that a spreadsheet would run as a formula is shown as text instead."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_written(cell) for cell in row] for row in rows)
    return Response(
        file.getvalue().encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell
        case _:
            return f"{cell}".replace(".", ",")
