"""All statements of a month as documents: every line as CSV or workbook, one row a mentor as PDF; in French."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date
from psycopg.rows import DictRow
from starlette.responses import Response

from services.billing.domain.month import Month
from services.billing.edges.documents import CSV_HEADER, LOCALE, csv_row, money
from services.billing.views import months, names
from services.billing.views.months import in_parts
from services.billing.views.statements import StatementRow
from services.chassis.csv_file import Cell, csv_stream
from services.chassis.database import Database
from services.chassis.pdf_file import Column, Sheet, pdf_response
from services.chassis.xlsx_file import xlsx_response

HEADER: Final = ("Mentor", "Nom du mentor", "Statut", *CSV_HEADER)
STATUSES: Final[Mapping[str, str]] = {"open": "Ouvert", "closed": "Clos", "empty": "Sans ligne"}
PDF_COLUMNS: Final = (
    Column("Mentor", 5),
    Column("Statut", 2),
    Column("Clos le", 2),
    Column("Lignes", 1.5, number=True),
    Column("Régularisations", 3, number=True),
    Column("Total", 2.5, number=True),
)


class MonthDocuments:
    """Draws a month from its statements as they are listed; lines are read a few mentors at a time."""

    def __init__(self, database: Database, zone: ZoneInfo, currency: str) -> None:
        self._database = database
        self._zone = zone
        self._currency = currency

    def csv(self, month: Month, listed: Sequence[DictRow], as_of: datetime) -> Response:
        return csv_stream(f"appels-a-facturation-{month}.csv", HEADER, self._rows(month, listed, as_of))

    def xlsx(self, month: Month, listed: Sequence[DictRow], as_of: datetime) -> Response:
        return xlsx_response(f"appels-a-facturation-{month}.xlsx", str(month), HEADER, self._rows(month, listed, as_of))

    def pdf(self, month: Month, listed: Sequence[DictRow], as_of: datetime) -> Response:
        shown = format_date(month.first_day(), "LLLL y", locale=LOCALE)
        with_lines = [row for row in listed if row["status"] != "empty"]
        totals = [sum(row[name] for row in with_lines) for name in ("lines", "adjustments", "total_cents")]
        sheet = Sheet(
            title=f"Appels à facturation · {shown}",
            facts=[
                ("Tels que connus le", f"{as_of.astimezone(self._zone):%d/%m/%Y %H:%M}"),
                ("Clos", str(sum(row["status"] == "closed" for row in with_lines))),
                ("Ouverts", str(sum(row["status"] == "open" for row in with_lines))),
                ("Mentors sans ligne", str(len(listed) - len(with_lines))),
            ],
            columns=PDF_COLUMNS,
            rows=[self._pdf_row(row) for row in with_lines],
            total=["Total", "", "", str(totals[0]), str(totals[1]), money(totals[2], self._currency)],
            notes=["Ce document n’est pas une facture. Un appel clos ne change plus."],
            empty="Aucune ligne pour ce mois.",
            page="Page {number} sur {count}",
        )
        return pdf_response(f"appels-a-facturation-{month}.pdf", sheet)

    def _pdf_row(self, row: DictRow) -> list[str]:
        adjusted = f"{row['adjustments']} · {money(row['adjustments_cents'], self._currency)}"
        return [
            row["name"] or str(row["mentor_id"]),
            STATUSES[row["status"]],
            f"{row['closed_at'].astimezone(self._zone):%d/%m/%Y}" if row["closed_at"] else "",
            str(row["lines"]),
            adjusted if row["adjustments"] else "",
            money(row["total_cents"], self._currency),
        ]

    def _rows(self, month: Month, listed: Sequence[DictRow], as_of: datetime) -> Iterator[Sequence[Cell]]:
        for part in in_parts([row for row in listed if row["lines"]]):
            with self._database.connection() as connection:
                lines = months.lines_of(connection, month, [row["mentor_id"] for row in part], as_of=as_of)
                students = {line["student_id"] for of_mentor in lines.values() for line in of_mentor}
                known = names.of(connection, students)
            for row in part:
                yield from self._rows_of(month, row, lines.get(row["mentor_id"], ()), known)

    def _rows_of(
        self, month: Month, row: DictRow, lines: Sequence[DictRow], known: Mapping[UUID, str]
    ) -> Iterator[Sequence[Cell]]:
        statement = StatementRow(row["mentor_id"], month, self._currency, row["closed_at"], lines)
        for line in lines:
            yield [
                str(row["mentor_id"]),
                row["name"],
                STATUSES[row["status"]],
                *csv_row(statement, line, known, self._zone),
            ]
