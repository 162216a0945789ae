"""Excel workbooks of one sheet, written row by row: memory does not grow with them.

openpyxl is imported when the first file is written: a service that writes none does not carry it.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Final

from starlette.responses import StreamingResponse

from services.chassis.csv_file import Cell

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PART_BYTES: Final = 64 * 1024
IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
COLUMN_WIDTH: Final = 18
ILLEGAL: Final = {code: None for code in range(32) if code not in (9, 10, 13)}
"""Control characters, which the format can't hold."""


def xlsx_response(
    filename: str, title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> StreamingResponse:
    """The rows as a download: numbers are numbers, a text is a text also where it looks like a formula."""
    return StreamingResponse(
        _parts(title, header, rows),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def _written(title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> IO[bytes]:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for number in range(1, len(header) + 1):
        sheet.column_dimensions[get_column_letter(number)].width = COLUMN_WIDTH
    bold = Font(bold=True)

    def text(written: str) -> Any:
        cell = WriteOnlyCell(sheet, value=written.translate(ILLEGAL))
        cell.data_type = "s"  # Never a formula, whatever it begins with.
        return cell

    names = [text(name) for name in header]
    for cell in names:
        cell.font = bold
    sheet.append(names)
    for row in rows:
        sheet.append([text(cell) if isinstance(cell, str) and cell else cell for cell in row])
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - closed once it is sent.
    book.save(file)
    file.seek(0)
    return file


def _parts(title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Written once the answer has begun: a large one takes its time."""
    with _written(title, header, rows) as file:
        while part := file.read(PART_BYTES):
            yield part
