"""A student's file as documents that the training administration sends on: CSV and PDF, in French."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Response

from services.attendance.domain.attendance_file import Entry, FileWeek, Move
from services.attendance.edges.wording import FUNDINGS, STANDINGS
from services.attendance.views.students import Student
from services.chassis.csv_file import Cell, csv_response
from services.chassis.pdf_file import Column, Sheet, pdf_response

CSV_HEADER: Final = (
    "Étudiant",
    "Nom",
    "Financement",
    "Semaine",
    "Du",
    "Au",
    "Prévues",
    "Réalisées",
    "Excusées",
    "Non excusées",
    "À qualifier",
    "Manquante",
    "Rattrapées",
    "Sessions",
    "Déplacées tard à la demande de l'étudiant",
)
PDF_COLUMNS: Final = (
    Column("Semaine", 1.5),
    Column("Du", 1.7),
    Column("Au", 1.7),
    Column("Prévues", 1.5, number=True),
    Column("Réalisées", 1.65, number=True),
    Column("Excusées", 1.6, number=True),
    Column("Non excusées", 1.6, number=True),
    Column("À qualifier", 1.5, number=True),
    Column("Manquante", 1.9, number=True),
    Column("Rattrapées", 2.0, number=True),
    Column("Sessions", 5.5),
)
NOTES: Final = (
    "Prévues : toutes les sessions fixées pour la semaine, quoi qu’elles soient devenues. "
    "Manquante : semaine d’inscription sans aucune session.",
    "Rattrapées : sessions de la semaine, annulées, à la place desquelles une autre a été tenue, quelle que soit sa "
    "semaine.",
    "Les heures sont celles de {zone}. Le dossier en ligne donne le numéro de chaque session et de chaque événement.",
)


@dataclass(frozen=True, slots=True)
class StudentFile:
    """The file as read. ``student`` is None while nothing but sessions is known; ``as_of``, where it is of now."""

    student_id: UUID
    student: Student | None
    weeks: Sequence[FileWeek]
    as_of: datetime | None = None

    def entries(self) -> Iterator[Entry]:
        return (entry for week in self.weeks for entry in week.entries)


def file_as_csv(file: StudentFile, zone: ZoneInfo) -> Response:
    """One row a week."""
    rows = [_csv_row(file, week, zone) for week in file.weeks]
    return csv_response(f"assiduite-{file.student_id}.csv", CSV_HEADER, rows)


def file_as_pdf(file: StudentFile, zone: ZoneInfo) -> Response:
    """One row a week, and a total of the whole file."""
    return pdf_response(f"assiduite-{file.student_id}.pdf", _sheet(file, zone))


def _csv_row(file: StudentFile, week: FileWeek, zone: ZoneInfo) -> list[Cell]:
    student = file.student
    return [
        str(file.student_id),
        student.name if student else "",
        FUNDINGS[student.funding if student else None],
        str(week.week),
        week.week.monday().strftime("%d/%m/%Y"),
        week.week.sunday().strftime("%d/%m/%Y"),
        week.planned,
        week.attended,
        week.excused,
        week.unexcused,
        week.to_qualify,
        "oui" if week.missing else "non",
        week.caught_up,
        " | ".join(_told(file, week, entry, zone) for entry in week.entries),
        week.late_requests,
    ]


def _sheet(file: StudentFile, zone: ZoneInfo) -> Sheet:
    student, weeks = file.student, file.weeks
    facts = [("Étudiant", student.name if student else "nom inconnu"), ("Numéro", str(file.student_id))]
    if student is not None:
        facts.append(("Financement", FUNDINGS[student.funding]))
        if student.enrolled_at is not None:
            facts.append(("Inscription", f"{student.enrolled_at.astimezone(zone):%d/%m/%Y}"))
    if weeks:
        facts.append(("Semaines", f"du {weeks[0].week.monday():%d/%m/%Y} au {weeks[-1].week.sunday():%d/%m/%Y}"))
    if file.as_of is not None:
        facts.append(("Tel que connu le", _local(file.as_of, zone)))
    counts = [
        (week.planned, week.attended, week.excused, week.unexcused, week.to_qualify, int(week.missing), week.caught_up)
        for week in weeks
    ]
    return Sheet(
        title="Dossier d’assiduité",
        facts=facts,
        columns=PDF_COLUMNS,
        rows=[row for week in weeks for row in _pdf_rows(file, week, zone)],
        total=["Total", "", "", *(str(sum(column)) for column in zip(*counts, strict=True)), ""],
        notes=[note.format(zone=zone.key) for note in NOTES],
        empty="Aucune semaine pour le moment.",
        page="Page {number} sur {count}",
        landscape=True,
    )


def _pdf_rows(file: StudentFile, week: FileWeek, zone: ZoneInfo) -> Iterator[list[str]]:
    """The week with its first session, then a row for each further one: no row may be higher than a page."""
    first, *others = [_told(file, week, entry, zone) for entry in week.entries] or [""]
    yield [
        str(week.week),
        f"{week.week.monday():%d/%m/%Y}",
        f"{week.week.sunday():%d/%m/%Y}",
        *(str(n) for n in (week.planned, week.attended, week.excused, week.unexcused, week.to_qualify)),
        "oui" if week.missing else "non",
        str(week.caught_up),
        first,
    ]
    for other in others:
        yield [""] * (len(PDF_COLUMNS) - 1) + [other]


def _told(file: StudentFile, week: FileWeek, entry: Entry, zone: ZoneInfo) -> str:
    """« 26/11/2026 18:00 réalisée (rattrapage du 19/11/2026) (déplacée du … à la demande de l’étudiant, …) »."""
    told = [f"{_local(entry.starts_at, zone)} {STANDINGS[entry.standing]}"]
    if tie := _tie(file, week, entry, zone):
        told.append(f"({tie})")
    told += [f"({_moved(move, zone)})" for move in entry.moves]
    return " ".join(told)


def _tie(file: StudentFile, week: FileWeek, entry: Entry, zone: ZoneInfo) -> str | None:
    caught_up_by = week.caught_up_by.get(entry.session_id)
    other_id = caught_up_by or entry.makes_up_for
    day = next(
        (f"{one.starts_at.astimezone(zone):%d/%m/%Y}" for one in file.entries() if one.session_id == other_id), None
    )
    if day is None:
        return None
    return f"rattrapée le {day}" if caught_up_by is not None else f"rattrapage du {day}"


def _moved(move: Move, zone: ZoneInfo) -> str:
    asked = "de l’étudiant" if move.requested_by == "student" else "du mentor"
    late = ", moins de 24 h avant" if move.late else ""
    return f"déplacée du {_local(move.previous_starts_at, zone)} à la demande {asked}{late}"


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return f"{instant.astimezone(zone):%d/%m/%Y %H:%M}"
