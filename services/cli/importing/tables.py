"""A CSV file as people export it: ``,`` or ``;``, UTF-8 or Windows-1252, headers in French or English."""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

from services.cli.importing.cells import Unreadable, plain
from services.cli.importing.rows import Note, Problem

CELL_MAX_CHARACTERS = 20_000
UTF_8, WINDOWS = "utf-8-sig", "cp1252"
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column:
    """A column under its name here and the headers that are read as it."""

    name: str
    headers: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One record: the line that it begins on, and its cells that hold anything, by column name."""

    number: int
    cells: Mapping[str, str]


def encoding_of(path: Path) -> str | None:
    """UTF-8; or Windows-1252, as a French spreadsheet saves CSV, where nothing in the file is UTF-8 beyond ASCII.

    None where the two are mixed, or it is neither: then some of it is damaged.
    """
    foreign = False
    with path.open("rb") as file:
        lines_in_utf8 = 0
        for raw in file:
            if raw.isascii():
                continue
            try:
                raw.decode("utf-8")
                lines_in_utf8 += not raw.startswith(BOM_UTF8)
            except UnicodeDecodeError:
                foreign = True
                try:
                    raw.decode(WINDOWS)
                except UnicodeDecodeError:
                    return None
    if not foreign:
        return UTF_8
    return None if lines_in_utf8 or _has_mark(path) else WINDOWS


def _has_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(BOM_UTF8)) == BOM_UTF8


def headers_of(path: Path) -> set[str]:
    """The file's headers, plain; empty where it can't be read as a table."""
    try:
        with path.open(encoding=encoding_of(path) or UTF_8, newline="") as file:
            first = file.readline()
            return {plain(header) for header in next(csv.reader([first], delimiter=_delimiter(first)), [])}
    except (UnicodeDecodeError, csv.Error):
        return set()


def has_column(headers: set[str], columns: Sequence[Column], name: str) -> bool:
    """Says whether one of the ``headers`` is read as the column ``name``."""
    return any(plain(header) in headers for column in columns if column.name == name for header in _all(column))


def read_table(path: Path, columns: Sequence[Column]) -> Iterator[Line | Problem | Note]:
    """Gives the records of ``path``, one at a time; a problem in its form is given in the record's place."""
    csv.field_size_limit(CELL_MAX_CHARACTERS)
    encoding = encoding_of(path)
    if encoding is None:
        yield _not_utf8(path)
        return
    if encoding == WINDOWS:
        yield Note(path.name, "Lu en Windows-1252 : vérifiez les accents.", "Read as Windows-1252: check the accents.")
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline()
        if not first.strip():
            yield Problem(path.name, 1, "Le fichier est vide : il lui faut une ligne d’en-têtes.", "The file is empty.")
            return
        delimiter = _delimiter(first)
        names = yield from _names(path, next(csv.reader([first], delimiter=delimiter)), columns)
        if names is not None:
            yield from _records(path, file, delimiter, names)


def _records(path: Path, file: TextIO, delimiter: str, names: Sequence[str | None]) -> Iterator[Line | Problem]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        number = reader.line_num + 2  # The headers are line 1 and were read apart.
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(
                path.name,
                number,
                f"Ligne illisible ({error}) : vérifiez les guillemets, et qu’aucun texte n’est démesuré.",
                f"This line can't be read ({error}): check its quotes, and that no text is enormous.",
            )
            continue
        if not any(cell.strip() for cell in record):
            continue
        if len(record) > len(names) and any(cell.strip() for cell in record[len(names) :]):
            yield Problem(
                path.name,
                number,
                f"{len(record)} cellules, {len(names)} en-têtes : entourez de guillemets un texte qui a un séparateur.",
                f"{len(record)} cells for {len(names)} headers: put quotes around a text that holds the separator.",
            )
            continue
        cells = {name: cell.strip() for name, cell in zip(names, record, strict=False) if name and cell.strip()}
        yield Line(number, cells)


def _names(
    path: Path, headers: Sequence[str], columns: Sequence[Column]
) -> Generator[Problem | Note, None, list[str | None] | None]:
    known = {plain(header): column.name for column in columns for header in _all(column)}
    names = [known.get(plain(header)) for header in headers]
    refused = False
    for column in columns:
        if column.required and column.name not in names:
            refused = True
            yield Problem(
                path.name,
                1,
                f"La colonne « {_spoken(column)} » manque : ajoutez-la (ou « {column.name} »).",
                f"The column “{column.name}” is missing: add it.",
            )
        if names.count(column.name) > 1:
            refused = True
            yield Problem(
                path.name,
                1,
                f"La colonne « {_spoken(column)} » est là plusieurs fois : n’en gardez qu’une.",
                f"The column “{column.name}” is there several times: keep one.",
            )
    ignored = [header for header, name in zip(headers, names, strict=True) if name is None and header.strip()]
    if ignored:
        listed = ", ".join(ignored)
        yield Note(path.name, f"Colonnes sans emploi ici : {listed}.", f"Columns that are not used: {listed}.")
    return None if refused else names


def _all(column: Column) -> tuple[str, ...]:
    return (column.name, *column.headers)


def _spoken(column: Column) -> str:
    return column.headers[0] if column.headers else column.name


def _delimiter(header: str) -> str:
    return max(";,\t", key=header.count)


def _not_utf8(path: Path) -> Problem:
    """Names the line: the decoder reads in blocks and can't tell."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):  # noqa: B007 - the last number is what is wanted
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                break
    return Problem(
        path.name,
        number,
        "Ce n’est pas de l’UTF-8 : enregistrez le fichier en « CSV UTF-8 ».",
        "This is not UTF-8: save the file as “CSV UTF-8”.",
    )


class Reading:
    """Reads one line cell by cell and gathers all its problems, so that a person mends a line once."""

    def __init__(self, file: str, line: Line) -> None:
        self.file = file
        self.number = line.number
        self.problems: list[Problem] = []
        self._cells = line.cells

    def has(self, name: str) -> bool:
        return name in self._cells

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        """The cell's value; None where it is empty, or where it is wrong (then a problem is noted)."""
        if name not in self._cells:
            return None
        if CONTROL.search(self._cells[name]):
            self.refuse(f"{name} : ôtez les caractères invisibles.", f"{name}: remove the invisible characters.")
            return None
        try:
            return parse(self._cells[name])
        except Unreadable as wrong:
            self.refuse(f"{name} : {wrong.fr}", f"{name}: {wrong.en}")
            return None

    def required(self, name: str, parse: Callable[[str], T]) -> T | None:
        """As :meth:`optional`, and an empty cell is a problem: the caller gives no row where there are problems."""
        if name not in self._cells:
            self.refuse(f"« {name} » est vide : remplissez-la.", f"“{name}” is empty: fill it in.")
            return None
        return self.optional(name, parse)

    def refuse(self, fr: str, en: str) -> None:
        self.problems.append(Problem(self.file, self.number, fr, en))
