"""CSV files that people open in a French spreadsheet: UTF-8 with a byte order mark, ``;``, decimal commas."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from fastapi import Response
from starlette.responses import StreamingResponse

Cell = str | int | Decimal | None

PART_CHARS = 64 * 1024

# The wide forms too: spreadsheets set to Japanese or Chinese take them for the narrow ones.
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


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


def csv_stream(filename: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> StreamingResponse:
    """The same, sent as the rows come: memory does not grow with the file."""
    return StreamingResponse(
        _parts(header, rows),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def _parts(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    part = io.StringIO()
    writer = csv.writer(part, delimiter=";", lineterminator="\r\n")
    part.write("\ufeff")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_written(cell) for cell in row])
        if part.tell() >= PART_CHARS:
            yield part.getvalue().encode()
            part.seek(0)
            part.truncate()
    yield part.getvalue().encode()


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell
        case _:
            return f"{cell}".replace(".", ",")
