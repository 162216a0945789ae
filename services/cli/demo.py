"""The demonstration school: 12 mentors, 150 students and eight weeks, as files that go through `relais import`.

The same start date and seed give the same files.
"""

import csv
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import httpx

from services.chassis.clock import clock_for
from services.chassis.ids import derived_id
from services.chassis.settings import Settings
from services.cli.asking import TIMEOUT_S, refusal_of
from services.cli.demonstration.calendars import calendar
from services.cli.demonstration.cast import MENTORS
from services.cli.demonstration.school import DAY, WEEK, address_of, found, monday_of
from services.cli.demonstration.tables import people, sessions
from services.cli.import_ import import_files
from services.cli.importing.cells import plain
from services.cli.importing.running import Report
from services.cli.importing.sending import NotSent
from services.cli.running_stack import minted_token

SEED = 20_260
DIRECTORY = "annuaire@example.org"


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


def generate(directory: Path, *, now: datetime, seed: int = SEED) -> list[Path]:
    """Writes people.csv, sessions.csv and two calendars; gives their paths in the order in which to import them."""
    school = found(now, seed)
    directory.mkdir(parents=True, exist_ok=True)
    with_calendar = [school.mentors[0], school.mentors[6]]
    _write(directory / "people.csv", people(school), delimiter=";")
    _write(directory / "sessions.csv", sessions(school, with_calendar), delimiter=",")
    google = directory / f"agenda-{plain(with_calendar[0].name)}.ics"
    google.write_text(calendar(school, with_calendar[0], outlook=False), encoding="utf-8", newline="\r\n")
    outlook = directory / f"agenda-{plain(with_calendar[1].name)}.ics"
    outlook.write_text(calendar(school, with_calendar[1], outlook=True), encoding="utf-8-sig", newline="\r\n")
    return [directory / "people.csv", directory / "sessions.csv", google, outlook]


def _declare_absence(settings: Settings, url: str, now: datetime) -> None:
    """From the Thursday of next week to the end of the week after: there is time to prepare it."""
    name = MENTORS["python-developer"][1]
    monday = monday_of(now)
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


def _write(path: Path, rows: Iterable[Sequence[object]], *, delimiter: str) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
