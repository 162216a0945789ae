"""people.csv: mentors and students as the school's directory sends them, and transfers that have taken place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from services.cli.importing import cells
from services.cli.importing.rows import Mentor, Note, Problem, Student, Transfer
from services.cli.importing.tables import Column, Reading, read_table

COLUMNS = (
    Column("kind", ("type", "nature de la ligne", "rôle", "role"), required=True),
    Column("email", ("e-mail", "courriel", "adresse e-mail"), required=True),
    Column("name", ("nom", "nom complet")),
    Column("path", ("parcours", "paths")),
    Column("project", ("projet", "projets", "projects")),
    Column("capacity", ("capacité", "capacité d’accueil", "capacité d’accueil d’étudiant")),
    Column("timezone", ("fuseau horaire", "fuseau")),
    Column("funding", ("financement",)),
    Column("training_day", ("jour de formation",)),
    Column("mentor", ("e-mail du mentor", "mentor_email")),
    Column("language", ("langue",)),
    Column("enrolled_at", ("inscrit le", "inscription", "date d’inscription")),
    Column("at", ("transféré le", "date du transfert", "date")),
    Column("transfer_kind", ("nature du transfert", "type de transfert")),
    Column("expected_return_on", ("retour prévu le", "retour prévu")),
)


@dataclass
class Seen:
    """What earlier lines held, over all the people files of one import: an address belongs to one account."""

    accounts: dict[str, tuple[str, int]] = field(default_factory=dict)


def read_people(
    path: Path, *, timezone: ZoneInfo, now: datetime, seen: Seen
) -> Iterator[Mentor | Student | Transfer | Problem | Note]:
    """Gives the accounts and transfers of ``path`` in its order. Local times are those of ``timezone``."""
    for line in read_table(path, COLUMNS):
        if isinstance(line, Problem | Note):
            yield line
            continue
        reading = Reading(path.name, line)
        row: Mentor | Student | Transfer | None = None
        match reading.required("kind", partial(cells.one_of, choices=cells.KINDS)):
            case "mentor":
                row = _mentor(reading, timezone)
            case "student":
                row = _student(reading, timezone, now)
            case "transfer":
                row = _transfer(reading, timezone, now)
            case _:
                pass  # The kind itself is the problem, and noted.
        if isinstance(row, Mentor | Student):
            _refuse_double(reading, row.email, seen)
        if row is not None and not reading.problems:
            yield row
        yield from reading.problems


def _mentor(reading: Reading, timezone: ZoneInfo) -> Mentor | None:
    email = reading.required("email", cells.email)
    name = reading.required("name", cells.short_text)
    capacity = reading.required("capacity", cells.capacity)
    paths = reading.required("path", cells.words)
    projects = reading.required("project", cells.words)
    zone = reading.optional("timezone", cells.zone)
    if email is None or name is None or capacity is None or paths is None or projects is None:
        return None
    return Mentor(reading.number, email, name, capacity, paths, projects, (zone or timezone).key)


def _student(reading: Reading, timezone: ZoneInfo, now: datetime) -> Student | None:
    email = reading.required("email", cells.email)
    name = reading.required("name", cells.short_text)
    path = reading.required("path", cells.short_text)
    project = reading.required("project", cells.short_text)
    funding = reading.required("funding", partial(cells.one_of, choices=cells.FUNDINGS))
    training_day = reading.optional("training_day", partial(cells.one_of, choices=cells.WEEKDAYS))
    mentor_email = reading.required("mentor", cells.email)
    language = reading.optional("language", partial(cells.one_of, choices=cells.LANGUAGES))
    enrolled_at = reading.optional("enrolled_at", partial(_day_or_instant, timezone=timezone))
    if enrolled_at is not None and enrolled_at > now:
        reading.refuse(
            "L’inscription est dans l’avenir : importez cette personne le jour venu, ou corrigez la date.",
            "The enrolment is in the future: import this person when it comes, or mend the date.",
        )
    if email is None or name is None or path is None or project is None or funding is None or mentor_email is None:
        return None
    return Student(
        reading.number,
        email,
        name,
        path,
        project,
        funding,
        training_day,
        mentor_email,
        "en" if language == "en" else "fr",
        enrolled_at or now,
    )


def _transfer(reading: Reading, timezone: ZoneInfo, now: datetime) -> Transfer | None:
    student_email = reading.required("email", cells.email)
    mentor_email = reading.required("mentor", cells.email)
    at = reading.required("at", partial(cells.instant, where=timezone))
    kind = reading.optional("transfer_kind", partial(cells.one_of, choices=cells.TRANSFER_KINDS))
    expected_return_on = reading.optional("expected_return_on", cells.day)
    if at is not None and at > now:
        reading.refuse(
            "Un transfert est immédiat et ne se programme pas : ôtez cette ligne, et faites-le le jour venu.",
            "A transfer is immediate and is never planned ahead: remove this line, and do it when the day comes.",
        )
    if student_email is None or mentor_email is None or at is None:
        return None
    return Transfer(reading.number, student_email, mentor_email, at, kind or "one_off", expected_return_on)


def _day_or_instant(text: str, timezone: ZoneInfo) -> datetime:
    try:
        return datetime.combine(cells.day(text), time(), tzinfo=timezone).astimezone(UTC)
    except cells.Unreadable:
        return cells.instant(text, timezone)


def _refuse_double(reading: Reading, email: str, seen: Seen) -> None:
    if email in seen.accounts:
        file, number = seen.accounts[email]
        reading.refuse(
            f"{email} est déjà à la ligne {number} de {file} : une adresse n’a qu’un compte, gardez une seule ligne.",
            f"{email} is on line {number} of {file} already: an address has one account, keep one line.",
        )
    else:
        seen.accounts[email] = (reading.file, reading.number)
