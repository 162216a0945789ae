"""A statement as documents that mentors invoice from: CSV and PDF, in French."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date
from babel.numbers import format_currency
from fastapi import Response

from services.billing.views.statements import StatementRow
from services.chassis.csv_file import Cell, csv_response
from services.chassis.pdf_file import Column, Sheet, pdf_response

LOCALE: Final = "fr_FR"
LABELS: Final[Mapping[str, str]] = {
    "held": "Session réalisée",
    "student_early": "L'étudiant a annulé plus de 24h avant le début de la session",
    "student_late": "L'étudiant a annulé moins de 24h avant le début de la session",
    "student_no_show": "L'étudiant ne s'est pas présenté à la session",
    "other": "Autre",
}
KINDS: Final[Mapping[str, str]] = {"session": "Session", "adjustment": "Régularisation"}

CSV_HEADER: Final = (
    "Mois",
    "Nature",
    "Date",
    "Heure",
    "Durée (min)",
    "Parcours",
    "Motif",
    "Niveau",
    "Tarif",
    "Part (%)",
    "Montant",
    "Devise",
    "Version du tarif",
    "Session",
    "Étudiant",
    "Événement",
    "Nom de l'étudiant",
)
PDF_COLUMNS: Final = (
    Column("Date", 1.6),
    Column("Heure", 0.9),
    Column("Nature", 1.8),
    Column("Étudiant", 2.4),
    Column("Parcours", 2),
    Column("Motif", 4.6),
    Column("Version du tarif", 2.4),
    Column("Tarif", 1.4, number=True),
    Column("Part", 1.1, number=True),
    Column("Montant", 1.7, number=True),
)
NOTES: Final = (
    "Ce document n’est pas une facture : le mentor facture l’école à partir de lui.",
    "Le montant d’une session est la part de son tarif, arrondie au centime. Celui d’une régularisation est ce que la "
    "session vaut maintenant, moins ce que des appels déjà clos ont compté pour elle.",
    "Un appel clos ne change plus : ce qui est corrigé ensuite figure sur le suivant. Heures de {zone}.",
)


def statement_as_csv(row: StatementRow, names: Mapping[UUID, str], zone: ZoneInfo) -> Response:
    """One row a line. ``names`` are those of the students, as far as they are known."""
    rows = [csv_row(row, line, names, zone) for line in row.lines]
    return csv_response(f"appel-a-facturation-{row.month}.csv", CSV_HEADER, rows)


def statement_as_pdf(row: StatementRow, names: Mapping[UUID, str], zone: ZoneInfo) -> Response:
    """One row a line, and the total. ``names`` are those of the mentor and the students, as far as they are known."""
    return pdf_response(f"appel-a-facturation-{row.month}.pdf", _sheet(row, names, zone))


def csv_row(row: StatementRow, line: Mapping[str, Any], names: Mapping[UUID, str], zone: ZoneInfo) -> list[Cell]:
    local = line["starts_at"].astimezone(zone)
    return [
        str(row.month),
        KINDS[line["kind"]],
        local.strftime("%d/%m/%Y"),
        local.strftime("%H:%M"),
        line["duration_minutes"],
        line["path"],
        LABELS[line["outcome"]],
        line["level"],
        _units(line["rate_cents"]),
        line["share_percent"],
        _units(line["amount_cents"]),
        row.currency,
        line["rate_version"],
        str(line["session_id"]),
        str(line["student_id"]),
        str(line["event_id"]),
        names.get(line["student_id"]),
    ]


def _sheet(row: StatementRow, names: Mapping[UUID, str], zone: ZoneInfo) -> Sheet:
    month = format_date(row.month.first_day(), "LLLL y", locale=LOCALE)
    status = f"clos le {row.closed_at.astimezone(zone):%d/%m/%Y}" if row.closed_at else "ouvert, il peut encore changer"
    return Sheet(
        title=f"Appel à facturation · {month}",
        facts=[
            ("Mentor", names.get(row.mentor_id, "nom inconnu")),
            ("Numéro", str(row.mentor_id)),
            ("Statut", status),
            ("Total", money(row.total_cents, row.currency)),
        ],
        columns=PDF_COLUMNS,
        rows=[_pdf_row(row, line, names, zone) for line in row.lines],
        total=["Total", *[""] * (len(PDF_COLUMNS) - 2), money(row.total_cents, row.currency)],
        notes=[note.format(zone=zone.key) for note in NOTES],
        empty="Aucune session pour ce mois.",
        page="Page {number} sur {count}",
        landscape=True,
    )


def _pdf_row(row: StatementRow, line: Mapping[str, Any], names: Mapping[UUID, str], zone: ZoneInfo) -> list[str]:
    local = line["starts_at"].astimezone(zone)
    return [
        f"{local:%d/%m/%Y}",
        f"{local:%H:%M}",
        KINDS[line["kind"]],
        names.get(line["student_id"]) or str(line["student_id"]),
        line["path"] or "",
        LABELS[line["outcome"]],
        line["rate_version"],
        money(line["rate_cents"], row.currency),
        f"{line['share_percent']} %",
        money(line["amount_cents"], row.currency),
    ]


def _units(cents: int) -> Decimal:
    """In the currency's unit with two decimals; ``Decimal`` keeps both also where they are 0."""
    return Decimal(cents).scaleb(-2)


def money(cents: int, currency: str) -> str:
    return str(format_currency(_units(cents), currency, locale=LOCALE))
