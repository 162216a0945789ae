"""The school on one day: mentors, students, and who took over from whom."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from random import Random
from zoneinfo import ZoneInfo

from services.cli.demonstration.cast import FIRST_NAMES, FUNDINGS, LAST_NAMES, MENTORS, PROJECTS
from services.cli.importing.cells import plain

STUDENTS = 150
WEEKS_BACK = 5
WEEKS_AHEAD = 2
WEEK = timedelta(weeks=1)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
ZONE = ZoneInfo("Europe/Paris")


@dataclass
class Mentor:
    name: str
    path: str
    projects: tuple[str, ...]
    capacity: int = 0

    @property
    def email(self) -> str:
        return address_of(self.name)


@dataclass
class Student:
    name: str
    path: str
    project: str
    funding: str
    slot: tuple[int, int]
    duration: timedelta
    enrolled_on: date
    language: str
    mentors: list[tuple[datetime, Mentor]]
    """From when on, whom: the first is the mentor they began with."""

    @property
    def email(self) -> str:
        return address_of(self.name)

    def mentor_at(self, moment: datetime) -> Mentor:
        return [mentor for since, mentor in self.mentors if since <= moment][-1]


@dataclass
class Transfer:
    student: Student
    to: Mentor
    at: datetime
    kind: str
    expected_return_on: date | None = None


@dataclass
class School:
    monday: date
    now: datetime
    random: Random
    mentors: list[Mentor] = field(default_factory=list)
    students: list[Student] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)

    def at(self, week: int, weekday: int, clock: time) -> datetime:
        """An instant of the school: ``week`` 0 is the present one."""
        return datetime.combine(self.monday + week * WEEK + weekday * DAY, clock, ZONE).astimezone(UTC)


def found(now: datetime, seed: int) -> School:
    """The school as it is at ``now``: five weeks of it have passed, this one runs, two are planned."""
    school = School(monday_of(now), now, Random(seed))  # noqa: S311 - a demonstration
    _engage(school)
    _enrol(school)
    _hand_over(school)
    _set_capacities(school)
    return school


def monday_of(now: datetime) -> date:
    local = now.astimezone(ZONE)
    return local.date() - local.weekday() * DAY


def address_of(name: str) -> str:
    """``Étienne Roussel`` → ``etienne.roussel@example.org``."""
    first, _, last = name.partition(" ")
    return f"{plain(first).replace('_', '')}.{plain(last).replace('_', '')}@example.org"


def _engage(school: School) -> None:
    for path, names in MENTORS.items():
        for index, name in enumerate(names):
            # The last mentor of a path doesn't accompany its last project: the third diagnosis can be tried.
            projects = PROJECTS[path] if index < 2 else PROJECTS[path][:-1]
            school.mentors.append(Mentor(name, path, projects))


def _enrol(school: School) -> None:
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
            Student(
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


def _hand_over(school: School) -> None:
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


def _students_of(school: School, mentor: Mentor) -> list[Student]:
    return [student for student in school.students if student.mentors[-1][1] is mentor]


def _transfer(
    school: School, student: Student, to: Mentor, at: datetime, kind: str, expected: date | None = None
) -> None:
    if datetime.combine(student.enrolled_on, time(), ZONE) < at <= school.now:
        student.mentors.append((at, to))
        school.transfers.append(Transfer(student, to, at, kind, expected))


def _set_capacities(school: School) -> None:
    """Hugo is away: 0. Étienne and Olivier are full. Jade has much room; the others have some."""
    for index, mentor in enumerate(school.mentors):
        present = len(_students_of(school, mentor))
        spare = {1: -present, 5: 0, 11: 0, 10: 8}.get(index, 2 + index % 4)
        mentor.capacity = present + spare


def start_of(school: School, student: Student, week: int) -> datetime | None:
    weekday, hour = student.slot
    starts_at = school.at(week, weekday, time(hour))
    enrolled = datetime.combine(student.enrolled_on, time(), ZONE)
    return starts_at if starts_at > enrolled else None
