"""Attendance over a period as documents: a student's certificate as PDF, and many students as CSV, workbook or PDF."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Response

from services.attendance.domain.period import Counted, Period
from services.attendance.edges.wording import FUNDINGS, STANDINGS
from services.chassis.csv_file import Cell, csv_stream
from services.chassis.pdf_file import Column, Sheet, pdf_response
from services.chassis.xlsx_file import xlsx_response

HEADER: Final = (
    "Étudiant",
    "Nom",
    "Financement",
    "Parcours",
    "Du",
    "Au",
    "Prévues",
    "Réalisées",
    "Excusées",
    "Non excusées",
    "À qualifier",
    "Semaines sans session",
    "Minutes réalisées",
)
CERTIFICATE_COLUMNS: Final = (
    Column("Date", 2),
    Column("Heure", 1.5),
    Column("Durée", 1.5, number=True),
    Column("Constat", 4),
)
LIST_COLUMNS: Final = (
    Column("Nom", 4),
    Column("Parcours", 2.6),
    Column("Prévues", 1.5, number=True),
    Column("Réalisées", 1.65, number=True),
    Column("Excusées", 1.6, number=True),
    Column("Non excusées", 1.7, number=True),
    Column("À qualifier", 1.6, number=True),
    Column("Semaines sans session", 2, number=True),
    Column("Heures", 1.6, number=True),
)
NOTES: Final = (
    "Réalisées : sessions qui ont eu lieu. Excusées : annulées plus de 24 h avant, ou pour une cause qui n’est pas du "
    "côté de l’étudiant. Non excusées : annulées moins de 24 h avant, ou étudiant absent.",
    "Semaines sans session : semaines d’inscription terminées dans la période, sans aucune session. Heures de {zone}.",
)


@dataclass(frozen=True, slots=True)
class FileOfPeriod:
    """One student over the period."""

    student_id: UUID
    name: str
    funding: str
    path: str
    enrolled_at: datetime | None
    counted: Counted


def certificate(file: FileOfPeriod, period: Period, issued_at: datetime, zone: ZoneInfo) -> Response:
    """« Attestation d'assiduité »: one row a session of the period."""
    counted = file.counted
    sheet = Sheet(
        title="Attestation d’assiduité",
        facts=[
            ("Étudiant", file.name),
            ("Numéro", str(file.student_id)),
            ("Financement", FUNDINGS[file.funding]),
            ("Parcours", file.path or "–"),
            ("Période", _days(period)),
            ("Sessions prévues", str(counted.planned)),
            ("Sessions réalisées", f"{counted.attended}, soit {hours(counted.attended_minutes)}"),
            ("Absences excusées", str(counted.excused)),
            ("Absences non excusées", str(counted.unexcused)),
            ("À qualifier", str(counted.to_qualify)),
            ("Semaines sans session", str(counted.missing_weeks)),
        ],
        columns=CERTIFICATE_COLUMNS,
        rows=[
            [
                f"{local:%d/%m/%Y}",
                f"{local:%H:%M}",
                f"{entry.duration_minutes} min",
                STANDINGS[entry.standing],
            ]
            for entry in counted.entries
            for local in [entry.starts_at.astimezone(zone)]
        ],
        total=["Réalisé", "", hours(counted.attended_minutes), ""],
        notes=[
            *(note.format(zone=zone.key) for note in NOTES),
            f"Établie le {issued_at.astimezone(zone):%d/%m/%Y à %H:%M}, d’après le dossier tel qu’il est connu alors.",
            "Pour l’école, nom et signature :",
        ],
        empty="Aucune session pendant cette période.",
        page="Page {number} sur {count}",
    )
    return pdf_response(f"attestation-{file.student_id}-{period.first}-{period.last}.pdf", sheet)


def files_as_csv(files: Iterable[FileOfPeriod], period: Period) -> Response:
    return csv_stream(f"assiduite-{period.first}-{period.last}.csv", HEADER, _rows(files, period))


def files_as_xlsx(files: Iterable[FileOfPeriod], period: Period) -> Response:
    return xlsx_response(f"assiduite-{period.first}-{period.last}.xlsx", "Assiduité", HEADER, _rows(files, period))


def files_as_pdf(files: Sequence[FileOfPeriod], period: Period, zone: ZoneInfo) -> Response:
    counts = [
        (one.planned, one.attended, one.excused, one.unexcused, one.to_qualify, one.missing_weeks)
        for one in (file.counted for file in files)
    ]
    minutes = sum(file.counted.attended_minutes for file in files)
    sheet = Sheet(
        title="Assiduité",
        facts=[("Période", _days(period)), ("Étudiants", str(len(files)))],
        columns=LIST_COLUMNS,
        rows=[
            [file.name, file.path, *map(str, count), hours(file.counted.attended_minutes)]
            for file, count in zip(files, counts, strict=True)
        ],
        total=["Total", "", *(str(sum(column)) for column in zip(*counts, strict=True)), hours(minutes)]
        if counts
        else None,
        notes=[note.format(zone=zone.key) for note in NOTES],
        empty="Aucun étudiant.",
        page="Page {number} sur {count}",
        landscape=True,
    )
    return pdf_response(f"assiduite-{period.first}-{period.last}.pdf", sheet)


def hours(minutes: int) -> str:
    """« 3 h 45 »."""
    return f"{minutes // 60} h {minutes % 60:02d}"


def _rows(files: Iterable[FileOfPeriod], period: Period) -> Iterator[Sequence[Cell]]:
    for file in files:
        counted = file.counted
        yield [
            str(file.student_id),
            file.name,
            FUNDINGS[file.funding],
            file.path,
            f"{period.first:%d/%m/%Y}",
            f"{period.last:%d/%m/%Y}",
            counted.planned,
            counted.attended,
            counted.excused,
            counted.unexcused,
            counted.to_qualify,
            counted.missing_weeks,
            counted.attended_minutes,
        ]


def _days(period: Period) -> str:
    return f"du {period.first:%d/%m/%Y} au {period.last:%d/%m/%Y}"
