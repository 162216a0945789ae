"""The demonstration school: 12 mentors, 150 students and eight weeks, as files that go through `relais import`.

All people are invented and their addresses are at example.org. The same start date and seed give the same files.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import httpx

from services.chassis.clock import clock_for
from services.chassis.ids import derived_id
from services.chassis.settings import Settings
from services.cli.asking import TIMEOUT_S, refusal_of
from services.cli.import_ import import_files
from services.cli.importing.cells import plain
from services.cli.importing.running import Report
from services.cli.importing.sending import NotSent
from services.cli.running_stack import minted_token

SEED = 20_260
STUDENTS = 150
WEEKS_BACK = 5
WEEKS_AHEAD = 2
WEEK = timedelta(weeks=1)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
UNDOCUMENTED_FOR = timedelta(hours=20)
"""Sessions that ended within this time are still to be documented, so that there is something to do by hand."""
ZONE = ZoneInfo("Europe/Paris")
DIRECTORY = "annuaire@example.org"

PROJECTS = {
    "web-developer": (
        "Intégrez la maquette d’un site vitrine",
        "Dynamisez une page web avec JavaScript",
        "Construisez l’API d’un site d’avis",
        "Créez une application web avec React",
        "Optimisez le référencement d’un site",
    ),
    "python-developer": (
        "Programmez un jeu d’échecs en ligne de commande",
        "Extrayez les prix d’une librairie en ligne",
        "Développez une application avec Django",
        "Créez une API sécurisée avec FastAPI",
        "Testez et déployez une application Python",
    ),
    "data-analyst": (
        "Analysez les ventes d’une librairie",
        "Créez et interrogez une base immobilière avec SQL",
        "Réalisez un tableau de bord dans Power BI",
        "Étudiez la sous-nutrition dans le monde",
        "Faites une étude de marché",
    ),
    "ai-engineer": (
        "Préparez des données pour un organisme de santé publique",
        "Segmentez les clients d’un site marchand",
        "Implémentez un modèle de scoring",
        "Analysez des avis grâce au traitement du langage",
        "Déployez un modèle dans le cloud",
    ),
}
MENTORS = {
    "web-developer": ("Claire Moreau", "Hugo Lefèvre", "Inès Benali"),
    "python-developer": ("Mathieu Girard", "Sarah N’Diaye", "Étienne Roussel"),
    "data-analyst": ("Camille Fontaine", "Karim Haddad", "Lucie Marchand"),
    "ai-engineer": ("Antoine Delmas", "Jade Nguyen", "Olivier Perrin"),
}
FIRST_NAMES = (
    "Adèle Agathe Alexandre Alice Amandine Amina Anaïs Arthur Aurélie Baptiste Bastien Benoît Cécile Charlotte Chloé "
    "Clara Clément Coralie Damien Élise Elsa Emma Fabien Fanny Fatou Félix Florian Gabriel Gaëlle Guillaume Hélène "
    "Imane Jérémie Julie Justine Kévin Laura Léa Léo Lina Louis Maëlle Manon Margaux Marius Maxime Mehdi Nadia Nathan "
    "Noémie Océane Pauline Quentin Rachid Romain Salomé Sofia Solène Tanguy Théo Thomas Valentin Victor Yanis Zoé"
)
LAST_NAMES = (
    "Adam Arnaud Aubert Barbier Benoit Bertin Blanchard Bonnet Bourgeois Boyer Brun Carpentier Charpentier Chevalier "
    "Colin Da-Silva Deschamps Diallo Dupuis Fabre Fleury Gaillard Garnier Gauthier Giraud Guérin Hamdi Hubert Jacquet "
    "Joly Lacroix Laurent Leclerc Legrand Lemoine Leroux Mallet Masson Mercier Meunier Meyer Morin Noël Olivier Payet "
    "Picard Poirier Prévost Renard Renaud Rey Rivière Robin Roche Sanchez Schmitt Tessier Traoré Vasseur Vidal Weber"
)
SPOKEN_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi")
FUNDINGS = ("Financé par un organisme tiers", "En alternance", "Auto-financement")
NOTES = (
    ("mentor", "Votre mentor est souffrant : une nouvelle date vous est proposée."),
    ("platform", "La visioconférence était en panne ce jour-là."),
    ("force_majeure", "Coupure d’électricité dans tout le quartier."),
    ("student", "L’étudiant a changé d’emploi du temps sans prévenir l’école."),
    ("", "La session n’a pas eu lieu, la raison reste à préciser."),
)


@dataclass
class _Mentor:
    name: str
    path: str
    projects: tuple[str, ...]
    capacity: int = 0

    @property
    def email(self) -> str:
        return address_of(self.name)


@dataclass
class _Student:
    name: str
    path: str
    project: str
    funding: str
    slot: tuple[int, int]
    duration: timedelta
    enrolled_on: date
    language: str
    mentors: list[tuple[datetime, _Mentor]]
    """From when on, whom: the first is the mentor they began with."""

    @property
    def email(self) -> str:
        return address_of(self.name)

    def mentor_at(self, moment: datetime) -> _Mentor:
        return [mentor for since, mentor in self.mentors if since <= moment][-1]


@dataclass
class _Transfer:
    student: _Student
    to: _Mentor
    at: datetime
    kind: str
    expected_return_on: date | None = None


@dataclass
class _School:
    monday: date
    now: datetime
    random: Random
    mentors: list[_Mentor] = field(default_factory=list)
    students: list[_Student] = field(default_factory=list)
    transfers: list[_Transfer] = field(default_factory=list)

    def at(self, week: int, weekday: int, clock: time) -> datetime:
        """An instant of the school: ``week`` 0 is the present one."""
        return datetime.combine(self.monday + week * WEEK + weekday * DAY, clock, ZONE).astimezone(UTC)


def load(settings: Settings, url: str) -> Report:
    """Writes the files into the data folder and imports them into the Relais at ``url``, as `relais import` would.

    Then Sarah N’Diaye declares that she is away, as she would on her page.
    """
    now = clock_for(settings.sandbox_clock_file).now()
    files = generate(settings.data_dir / "demo", now=now)
    token = minted_token(settings, "directory", DIRECTORY)
    report = import_files(files, url, token, settings, skip_invalid=True)
    # A first start that was cut off, and taken up again in another week, finds some sessions with another outcome.
    if report.problems and report.people.unchanged == 0:
        raise NotSent(f"L’école de démonstration n’a pas pu être importée : {report.problems[0]}")
    _declare_absence(settings, url, now)
    return report


def _declare_absence(settings: Settings, url: str, now: datetime) -> None:
    """From the Thursday of next week to the end of the week after: there is time to prepare it."""
    name = MENTORS["python-developer"][1]
    monday = _monday(now)
    answer = httpx.post(
        f"{url}/api/mentors/{derived_id('mentor', address_of(name))}/absences",
        json={"from": f"{monday + WEEK + 3 * DAY}", "to": f"{monday + 3 * WEEK - DAY}"},
        headers={
            "Authorization": f"Bearer {minted_token(settings, 'mentor', address_of(name), name=name)}",
            "Idempotency-Key": f"demonstration-{monday}",
        },
        timeout=TIMEOUT_S,
        trust_env=False,
    )
    if not answer.is_success and answer.status_code != httpx.codes.CONFLICT:  # Declared by an earlier first start.
        raise NotSent(refusal_of(answer))


def _monday(now: datetime) -> date:
    local = now.astimezone(ZONE)
    return local.date() - local.weekday() * DAY


def generate(directory: Path, *, now: datetime, seed: int = SEED) -> list[Path]:
    """Writes people.csv, sessions.csv and two calendars; gives their paths in the order in which to import them."""
    school = _School(_monday(now), now, Random(seed))  # noqa: S311 - a demonstration
    _engage(school)
    _enrol(school)
    _hand_over(school)
    _set_capacities(school)
    directory.mkdir(parents=True, exist_ok=True)
    with_calendar = [school.mentors[0], school.mentors[6]]
    _write(directory / "people.csv", _people(school), delimiter=";")
    _write(directory / "sessions.csv", _sessions(school, with_calendar), delimiter=",")
    google = directory / f"agenda-{plain(with_calendar[0].name)}.ics"
    google.write_text(_calendar(school, with_calendar[0], outlook=False), encoding="utf-8", newline="\r\n")
    outlook = directory / f"agenda-{plain(with_calendar[1].name)}.ics"
    outlook.write_text(_calendar(school, with_calendar[1], outlook=True), encoding="utf-8-sig", newline="\r\n")
    return [directory / "people.csv", directory / "sessions.csv", google, outlook]


def address_of(name: str) -> str:
    """``Étienne Roussel`` → ``etienne.roussel@example.org``."""
    first, _, last = name.partition(" ")
    return f"{plain(first).replace('_', '')}.{plain(last).replace('_', '')}@example.org"


def _engage(school: _School) -> None:
    for path, names in MENTORS.items():
        for index, name in enumerate(names):
            # The last mentor of a path doesn't accompany its last project: the third diagnosis can be tried.
            projects = PROJECTS[path] if index < 2 else PROJECTS[path][:-1]
            school.mentors.append(_Mentor(name, path, projects))


def _enrol(school: _School) -> None:
    random = school.random
    names = [f"{first} {last}" for first, last in product(FIRST_NAMES.split(), LAST_NAMES.split())]
    chosen = iter(random.sample(names, STUDENTS))
    slots = {path: random.sample(list(product(range(5), range(9, 19))), 40) for path in MENTORS}
    for number in range(STUDENTS):
        mentor = school.mentors[number % len(school.mentors)]
        mentor = school.mentors[2] if number in (0, 12) else mentor
        enrolled_on = school.monday - (WEEKS_BACK + random.choice((0, 0, 2, 5, 9, 14))) * WEEK
        if number % 25 == 7:
            enrolled_on = school.monday - 2 * WEEK
        school.students.append(
            _Student(
                name=next(chosen),
                path=mentor.path,
                project=random.choice(mentor.projects),
                funding=FUNDINGS[number % 3],
                slot=slots[mentor.path].pop(),
                duration=random.choice((45, 50, 50, 60)) * MINUTE,
                enrolled_on=enrolled_on,
                language="en" if number % 30 == 11 else "fr",
                mentors=[(datetime.min.replace(tzinfo=UTC), mentor)],
            )
        )


def _hand_over(school: _School) -> None:
    """Three stories: an absence that is over, one that goes on (capacity 0), and a permanent transfer."""
    claire, hugo, ines = school.mentors[0:3]
    camille, karim, lucie = school.mentors[6:9]
    for index, student in enumerate(_students_of(school, lucie)):
        to = (camille, karim)[index % 2]
        left_at, back_at = school.at(-4, 0, time(8, 10 + index)), school.at(-2, 0, time(8, 30 + index))
        back_on = (school.monday - 2 * WEEK).isoformat()
        _transfer(school, student, to, left_at, "ponctuel", date.fromisoformat(back_on))
        if student.mentors[-1][1] is to:  # Who enrolled later never left.
            _transfer(school, student, lucie, back_at, "retour")
    for index, student in enumerate(_students_of(school, hugo)):
        to = (claire, ines)[index % 2]
        if student.project not in to.projects:
            to = claire
        _transfer(school, student, to, school.at(-1, 0, time(9, 5 + index)), "ponctuel", school.monday + WEEK)
    moved = _students_of(school, school.mentors[3])[0]
    _transfer(school, moved, school.mentors[4], school.at(-3, 2, time(14)), "définitif")


def _students_of(school: _School, mentor: _Mentor) -> list[_Student]:
    return [student for student in school.students if student.mentors[-1][1] is mentor]


def _transfer(
    school: _School, student: _Student, to: _Mentor, at: datetime, kind: str, expected: date | None = None
) -> None:
    if datetime.combine(student.enrolled_on, time(), ZONE) < at <= school.now:
        student.mentors.append((at, to))
        school.transfers.append(_Transfer(student, to, at, kind, expected))


def _set_capacities(school: _School) -> None:
    """Hugo is away: 0. Étienne and Olivier are full. Jade has much room; the others have some."""
    for index, mentor in enumerate(school.mentors):
        present = len(_students_of(school, mentor))
        spare = {1: -present, 5: 0, 11: 0, 10: 8}.get(index, 2 + index % 4)
        mentor.capacity = present + spare


def _people(school: _School) -> Iterator[Sequence[object]]:
    yield (
        *("type", "e-mail", "nom", "parcours", "projet", "capacité", "financement", "jour de formation"),
        *("e-mail du mentor", "langue", "inscrit le", "transféré le", "nature du transfert", "retour prévu le"),
    )
    for mentor in school.mentors:
        projects = " | ".join(mentor.projects)
        yield "mentor", mentor.email, mentor.name, mentor.path, projects, mentor.capacity, *[""] * 8
    for student in school.students:
        training_day = SPOKEN_DAYS[student.slot[0]] if student.funding == "En alternance" else ""
        yield (
            *("étudiant", student.email, student.name, student.path, student.project, "", student.funding),
            *(training_day, student.mentors[0][1].email, student.language, f"{student.enrolled_on:%d/%m/%Y}"),
            *("", "", ""),
        )
    for each in sorted(school.transfers, key=lambda each: each.at):
        yield (
            *("transfert", each.student.email, "", "", "", "", "", "", each.to.email, "", ""),
            *(_local(each.at), each.kind, f"{each.expected_return_on:%d/%m/%Y}" if each.expected_return_on else ""),
        )


def _sessions(school: _School, with_calendar: Sequence[_Mentor]) -> Iterator[Sequence[object]]:
    yield (
        *("student", "mentor", "starts_at", "duration_minutes", "status", "reason", "notice_at", "cause", "note"),
        *("moved_from", "moved_at", "moved_by"),
    )
    for week in range(-WEEKS_BACK, WEEKS_AHEAD + 1):
        for student in school.students:
            starts_at = _start(school, student, week)
            if starts_at is None or (week > 0 and student.mentor_at(starts_at) in with_calendar):
                continue
            yield from _session(school, student, starts_at, week)


def _start(school: _School, student: _Student, week: int) -> datetime | None:
    weekday, hour = student.slot
    starts_at = school.at(week, weekday, time(hour))
    enrolled = datetime.combine(student.enrolled_on, time(), ZONE)
    return starts_at if starts_at > enrolled else None


def _session(school: _School, student: _Student, starts_at: datetime, week: int) -> Iterator[Sequence[object]]:
    random, chance = school.random, school.random.random()
    later = starts_at + (2 * HOUR if student.slot[0] == 4 else DAY) + HOUR / 2
    notice = starts_at - random.randint(26, 70) * HOUR
    row = _Row(student, starts_at)
    if not _documented(school, student, starts_at):
        # To come, or still to be documented. Some were already moved or cancelled ahead.
        if chance < 0.05 and notice < school.now:
            yield row.cells(status="cancelled", reason="student_early", notice_at=_local(notice))
        elif chance > 0.95 and week > 0:
            yield row.cells(moved_to=later, moved_at=_local(school.now - 3 * HOUR), moved_by="mentor")
        else:
            yield row.cells()
    elif chance < 0.05:
        yield row.cells(status="cancelled", reason="student_early", notice_at=_local(notice))
        if chance < 0.035:  # Made up for in the same week.
            made_up = _documented(school, student, later + HOUR)
            yield _Row(student, later + HOUR).cells(status="held" if made_up else "")
    elif chance < 0.09:
        notice = starts_at - random.randint(30, 23 * 60) * MINUTE
        yield row.cells(status="cancelled", reason="student_late", notice_at=_local(notice))
    elif chance < 0.13:
        yield row.cells(status="no_show")
    elif chance < 0.16:
        cause, note = random.choice(NOTES)
        yield row.cells(status="cancelled", reason="other", cause=cause, note=note)
    elif chance < 0.21 and _documented(school, student, later):
        moved_by = random.choice(("student", "mentor"))
        asked = starts_at - random.choice((3, 30, 50, 80)) * HOUR
        yield row.cells(status="held", moved_to=later, moved_at=_local(asked), moved_by=moved_by)
    else:
        yield row.cells(status="held")


def _documented(school: _School, student: _Student, starts_at: datetime) -> bool:
    return starts_at + student.duration + UNDOCUMENTED_FOR <= school.now


@dataclass(frozen=True)
class _Row:
    """A line of sessions.csv in the making."""

    student: _Student
    starts_at: datetime

    def cells(
        self,
        *,
        status: str = "",
        reason: str = "",
        notice_at: str = "",
        cause: str = "",
        note: str = "",
        moved_to: datetime | None = None,
        moved_at: str = "",
        moved_by: str = "",
    ) -> Sequence[object]:
        starts_at = moved_to or self.starts_at
        return (
            self.student.email,
            self.student.mentor_at(starts_at).email,
            _local(starts_at),
            int(self.student.duration / MINUTE),
            *(status, reason, notice_at, cause, note),
            *(_local(self.starts_at) if moved_to else "", moved_at, moved_by),
        )


def _local(moment: datetime) -> str:
    """With its offset: of the hour that comes twice when summer time ends, there is no doubt."""
    return moment.astimezone(ZONE).isoformat(timespec="minutes")


def _calendar(school: _School, mentor: _Mentor, *, outlook: bool) -> str:
    """The mentor's next two weeks as Google Calendar or Outlook export them: series, one moved and one cancelled."""
    zone = "Romance Standard Time" if outlook else "Europe/Paris"
    stamp = f"{school.now:%Y%m%dT%H%M%SZ}"
    lines = [
        "BEGIN:VCALENDAR",
        f"PRODID:-//{'Microsoft Corporation//Outlook 16.0' if outlook else 'Google Inc//Google Calendar'} 70.9054//EN",
        "VERSION:2.0",
        "CALSCALE:GREGORIAN",
        *([] if outlook else [f"X-WR-CALNAME:{mentor.email}", "X-WR-TIMEZONE:Europe/Paris"]),
        *_zone_lines(zone),
    ]
    students = [each for each in school.students if each.mentor_at(school.now) is mentor]
    for index, student in enumerate(students):
        first = _start(school, student, 1)
        if first is None:
            continue
        base = [f"UID:{plain(student.name)}-{school.monday:%Y%m%d}@example.org", f"DTSTAMP:{stamp}"]
        people = [
            f"ORGANIZER;CN={mentor.name}:mailto:{mentor.email}",
            f"ATTENDEE;ROLE=REQ-PARTICIPANT;CN={student.name}:mailto:{student.email}",
        ]
        changed = f"LAST-MODIFIED:{stamp}"
        lines += ["BEGIN:VEVENT", *base, *_times(first, student, zone), f"RRULE:FREQ=WEEKLY;COUNT={WEEKS_AHEAD}"]
        lines += [*people, f"SUMMARY:Session de mentorat – {student.name}", "END:VEVENT"]
        second = _start(school, student, 2)
        assert second is not None
        original = f"RECURRENCE-ID;TZID={zone}:{second.astimezone(ZONE):%Y%m%dT%H%M%S}"
        if index % 6 == 1:
            lines += ["BEGIN:VEVENT", *base, original, *_times(second + DAY + HOUR / 2, student, zone)]
            lines += [changed, *people, "SUMMARY:Session de mentorat (déplacée)", "END:VEVENT"]
        elif index % 6 == 4:
            lines += ["BEGIN:VEVENT", *base, original, *_times(second, student, zone)]
            lines += [changed, *people, "STATUS:CANCELLED", "SUMMARY:Session de mentorat", "END:VEVENT"]
    lunch = school.at(1, 2, time(12, 30)).astimezone(ZONE)
    lines += ["BEGIN:VEVENT", f"UID:dejeuner-{school.monday:%Y%m%d}@example.org", f"DTSTAMP:{stamp}"]
    lines += [f"DTSTART;TZID={zone}:{lunch:%Y%m%dT%H%M%S}", "SUMMARY:Déjeuner", "END:VEVENT", "END:VCALENDAR"]
    return "".join(f"{_folded(line)}\n" for line in lines)


def _times(starts_at: datetime, student: _Student, zone: str) -> list[str]:
    start = starts_at.astimezone(ZONE)
    end = (starts_at + student.duration).astimezone(ZONE)
    return [f"DTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}", f"DTEND;TZID={zone}:{end:%Y%m%dT%H%M%S}"]


def _zone_lines(zone: str) -> list[str]:
    return [
        *("BEGIN:VTIMEZONE", f"TZID:{zone}"),
        *("BEGIN:DAYLIGHT", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "DTSTART:19700329T020000"),
        *("RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "END:DAYLIGHT"),
        *("BEGIN:STANDARD", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "DTSTART:19701025T030000"),
        *("RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "END:STANDARD", "END:VTIMEZONE"),
    ]


def _folded(line: str) -> str:
    """Folded at 70 characters, as RFC 5545 asks of long lines (its 75 octets, some letters having two)."""
    return "\n ".join(line[begin : begin + 70] for begin in range(0, len(line), 70))


def _write(path: Path, rows: Iterable[Sequence[object]], *, delimiter: str) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
