"""`relais import FILE…`: people.csv, sessions.csv and .ics calendars into a running Relais."""

import resource
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from services.chassis.settings import Settings
from services.cli.failing import FAILED, WRONG_USE, fail
from services.cli.importing.calendars import HORIZON
from services.cli.importing.running import Interrupted, Report, run_import
from services.cli.importing.sending import NotSent, RunningRelais
from services.cli.running_stack import access_token, settings_of_running, url_of

IMPORTER = "import@example.org"


def command(
    files: Annotated[list[Path], typer.Argument(help="people.csv, sessions.csv, .ics", metavar="FILE…")],
    skip_invalid: Annotated[bool, typer.Option(help="Import the lines that are right, pass over the others.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Data folder of relais up.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of Relais; else the one in DATA_DIR/relais.json.")] = None,
    horizon_weeks: Annotated[
        int, typer.Option(help="How far ahead a recurrence without an end is followed.", min=1, max=104)
    ] = HORIZON.days // 7,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Imports people, sessions and calendars: validated whole, nothing written unless all is right.

    A token is taken from RELAIS_TOKEN, else made by the local issuer of the data folder.
    """
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        fail(f"Introuvable : {', '.join(missing)}.\nThere is no such file.", WRONG_USE)
    settings = settings_of_running(data_dir)
    began_s = time.monotonic()
    try:
        report = import_files(
            files,
            url or url_of(settings),
            access_token(settings, "directory", IMPORTER),
            settings,
            skip_invalid=skip_invalid,
            horizon=timedelta(weeks=horizon_weeks),
            console=None if json else Console(stderr=True),
        )
    except Interrupted as interrupted:
        report = interrupted.report
        report.written = False
    except NotSent as refusal:
        fail(str(refusal))
    except OSError as error:
        fail(f"Fichier illisible : {error}.\nA file can't be read.")
    report.seconds = round(time.monotonic() - began_s, 3)
    report.peak_memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        _show(report, Console(), skip_invalid=skip_invalid)
    if report.problems and not (skip_invalid and report.written):
        raise typer.Exit(FAILED)


def import_files(
    files: list[Path],
    url: str,
    token: str,
    settings: Settings,
    *,
    skip_invalid: bool = False,
    horizon: timedelta = HORIZON,
    console: Console | None = None,
) -> Report:
    """Imports ``files`` into the Relais at ``url``; a progress bar where a ``console`` is given."""
    relais = RunningRelais(url, token)
    try:
        with _Bar(console) as bar:
            return run_import(
                files,
                relais,
                timezone=settings.zone(),
                now=relais.now(),
                skip_invalid=skip_invalid,
                horizon=horizon,
                progress=bar,
            )
    finally:
        relais.close()


class _Bar:
    """The progress as rich draws it; on nothing, where there is no console."""

    def __init__(self, console: Console | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=console is None,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, fr: str, rows: int) -> None:
        self._task = self._progress.add_task(fr, total=rows)

    def advance(self, rows: int) -> None:
        if self._task is not None:
            self._progress.advance(self._task, rows)


def _show(report: Report, console: Console, *, skip_invalid: bool) -> None:
    for note in report.notes:
        console.print(f"{note.file}: {note.fr}", markup=False, highlight=False)
    for problem in report.problems:
        console.print(f"{problem}\n    {problem.en}", markup=False, highlight=False, soft_wrap=True)
    for what, counts in (("Comptes et transferts", report.people), ("Sessions", report.sessions)):
        if report.written:
            console.print(
                f"{what} : {counts.created} créés, {counts.changed} modifiés, {counts.unchanged} inchangés",
                markup=False,
            )
    if report.written:
        rows = report.people.rows + report.sessions.rows
        rate = rows / max(report.seconds, 0.001)
        console.print(
            f"{rows} lignes en {report.seconds:.1f} s ({rate:.0f} par seconde), {report.peak_memory_mb} Mo au plus",
            markup=False,
        )
    if report.problems and not report.written:
        console.print(
            f"{len(report.problems)} problème(s) : rien de plus n’a été écrit. Corrigez les fichiers et recommencez, "
            "ou passez-les avec --skip-invalid.",
            markup=False,
        )
    elif report.problems and skip_invalid:
        console.print(f"{len(report.problems)} problème(s) laissés de côté.", markup=False)
