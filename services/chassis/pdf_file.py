"""PDF files that people print or send on: A4, a title, some facts, one table over as many pages as it needs.

ReportLab is imported when the first file is drawn: a service that draws none does not carry it. The font is in the
file, so that it looks the same everywhere; the same sheet gives the same bytes, so that two copies can be compared.
"""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from xml.sax.saxutils import escape

from fastapi import Response

from services.chassis.refusal import Refused

MAX_ROWS: Final = 5_000
MARGIN_MM: Final = 14
FRAME_PADDING_PT: Final = 6  # ReportLab puts it around what stands in a page.
SPACES: Final = {"\u202f": "\u00a0", "\u2009": "\u00a0"}  # Thin spaces, which the font lacks.
REGULAR, BOLD = "Vera", "VeraBd"


@dataclass(frozen=True, slots=True)
class Column:
    """``share`` is its part of the width, in relation to the others'; numbers stand to the right."""

    label: str
    share: float
    number: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands in the file. ``total`` is the table's last row; ``empty`` is said where the table has none.

    A cell is text of a line or a few: a row must fit on a page.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    total: Sequence[str] | None
    notes: Sequence[str]
    empty: str
    page: str  # "Page {number} sur {count}"
    landscape: bool = False


def pdf_response(filename: str, sheet: Sheet) -> Response:
    """The sheet as a download. Refused where it has more than MAX_ROWS rows."""
    if len(sheet.rows) > MAX_ROWS:
        raise Refused(
            "too_many_rows",
            "Ce document aurait trop de lignes ; prenez le fichier CSV.",
            "This document would have too many rows; take the CSV file.",
        )
    return Response(
        drawn(sheet),
        media_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def drawn(sheet: Sheet) -> bytes:
    """The PDF, as bytes."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    _register_fonts()
    size = landscape(A4) if sheet.landscape else A4
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=size,
        leftMargin=MARGIN_MM * mm,
        rightMargin=MARGIN_MM * mm,
        topMargin=MARGIN_MM * mm,
        bottomMargin=(MARGIN_MM + 6) * mm,
        title=sheet.title,
        author="Relais",
        creator="Relais",
        lang="fr",
        invariant=1,
    )
    document.build(_story(sheet, document.width - 2 * FRAME_PADDING_PT), canvasmaker=_numbering(sheet))
    return file.getvalue()


def _story(sheet: Sheet, width: float) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, Spacer, Table

    text = ParagraphStyle("text", fontName=REGULAR, fontSize=8, leading=10.5)
    strong = ParagraphStyle("strong", parent=text, fontName=BOLD)
    title = ParagraphStyle("title", parent=strong, fontSize=15, leading=20, spaceAfter=6)

    def said(words: str, style: ParagraphStyle = text) -> Paragraph:
        return Paragraph(escape(_writable(words)), style)

    facts = Table([[said(name), said(value, strong)] for name, value in sheet.facts], [width * 0.22, width * 0.78])
    facts.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0)])
    story = [said(sheet.title, title), facts, Spacer(1, 8)]
    story.append(_table(sheet, width, text, strong) if sheet.rows else said(sheet.empty, strong))
    story.append(Spacer(1, 8))
    return story + [said(note) for note in sheet.notes]


def _table(sheet: Sheet, width: float, text: Any, strong: Any) -> Any:
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import LongTable, Paragraph

    def row(cells: Sequence[str], style: Any) -> list[Any]:
        right = ParagraphStyle(f"{style.name} right", parent=style, alignment=TA_RIGHT)
        return [
            Paragraph(escape(_writable(cell)), right if column.number else style)
            for cell, column in zip(cells, sheet.columns, strict=True)
        ]

    lines = [row([column.label for column in sheet.columns], strong)]
    lines += [row(cells, text) for cells in sheet.rows]
    look: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, "#333333"),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, "#bbbbbb"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
    if sheet.total is not None:
        lines.append(row(sheet.total, strong))
        look.append(("LINEABOVE", (0, -1), (-1, -1), 0.8, "#333333"))
    shares = sum(column.share for column in sheet.columns)
    widths = [width * column.share / shares for column in sheet.columns]
    return LongTable(lines, colWidths=widths, repeatRows=1, style=look)


def _numbering(sheet: Sheet) -> type:
    """A canvas that writes title and page number below each page, once it is known how many there are."""
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, page in enumerate(self._pages, start=1):
                self.__dict__.update(page)
                self.setFont(REGULAR, 7)
                self.drawString(MARGIN_MM * mm, MARGIN_MM * mm, _writable(sheet.title))
                right = self._pagesize[0] - MARGIN_MM * mm
                self.drawRightString(right, MARGIN_MM * mm, sheet.page.format(number=number, count=len(self._pages)))
                super().showPage()
            super().save()

    return Numbered


@cache
def _register_fonts() -> frozenset[int]:
    """Registers the fonts that ReportLab brings; gives the characters that both can write."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    fonts = [TTFont(name, f"{name}.ttf") for name in (REGULAR, BOLD)]
    for font in fonts:
        registerFont(font)
    return frozenset.intersection(*(frozenset(font.face.charToGlyph) for font in fonts))


def _writable(text: str) -> str:
    """``text`` in characters that the font has: « ő » becomes « o » and not a black box."""
    return "".join(character if ord(character) in _register_fonts() else _nearest(character) for character in text)


def _nearest(character: str) -> str:
    if character in SPACES or character.isspace():
        return SPACES.get(character, " ")
    plain = unicodedata.normalize("NFKD", character)
    return "".join(part for part in plain if ord(part) in _register_fonts() and not unicodedata.combining(part)) or "?"
