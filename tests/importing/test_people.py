"""people.csv: what is read, and how each problem names its line."""

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.cli.importing.people import Seen, read_people
from services.cli.importing.rows import Mentor, Note, Problem, Student, Transfer

SAMPLES = Path(__file__).parent / "samples"
PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HEADER = "kind,email,name,path,project,capacity,funding,mentor,training_day,enrolled_at,at"
MENTOR = "mentor,claire@example.org,Claire,web,Site,12"


def read(path: Path) -> list[Mentor | Student | Transfer | Problem | Note]:
    return list(read_people(path, timezone=PARIS, now=NOW, seen=Seen()))


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "people.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n", encoding=encoding)
    return path


def problems(folder: Path, *lines: str) -> list[tuple[int, str]]:
    found = read(write(folder, *lines))
    return [(each.line, each.en) for each in found if isinstance(each, Problem)]


def test_a_french_export_with_semicolons_and_a_byte_order_mark_is_read_whole() -> None:
    note, claire, karim, alice, emma, bruno, denis, transfer = read(SAMPLES / "people.csv")
    assert note == Note("people.csv", "Colonnes sans emploi ici : matricule.", "Columns that are not used: matricule.")
    assert claire == Mentor(
        line=2,
        email="claire.moreau@example.org",
        name="Claire Moreau",
        capacity=15,
        paths=("web-developer",),
        projects=("Site vitrine", "API d’avis"),
        timezone="Europe/Paris",
    )
    assert isinstance(karim, Mentor)
    assert karim.paths == ("web-developer", "data-analyst")
    assert alice == Student(
        line=4,
        email="alice.bernard@example.org",
        name="Alice Bernard",
        path="web-developer",
        project="API d’avis",
        funding="third_party",
        training_day=None,
        mentor_email="claire.moreau@example.org",
        language="fr",
        enrolled_at=datetime(2026, 8, 31, 22, tzinfo=UTC),
    )
    assert isinstance(emma, Student)
    assert (emma.funding, emma.training_day, emma.language) == ("apprenticeship", "thursday", "en")
    assert emma.enrolled_at == datetime(2026, 9, 15, 7, 30, tzinfo=UTC)
    assert isinstance(bruno, Student)
    assert (bruno.project, bruno.funding, bruno.enrolled_at) == ("Site vitrine; le retour", "self_funded", NOW)
    assert isinstance(denis, Student)
    assert transfer == Transfer(
        line=9,
        student_email="alice.bernard@example.org",
        mentor_email="karim.haddad@example.org",
        at=datetime(2026, 11, 9, 9, tzinfo=UTC),
        kind="one_off",
        expected_return_on=date(2026, 11, 30),
    )


def test_every_problem_of_every_line_is_listed_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "mentor,not-an-address,Claire,web,Site,twelve",
        "mentor,karim@example.org,,web,Site,3",
        "pupil,someone@example.org",
        "student,emma@example.org,Emma,web,Site,,lottery,claire@example.org,caturday",
    )
    assert [line for line, _ in found] == [2, 2, 3, 4, 5, 5]
    assert found[1] == (2, "capacity: “twelve”: write a whole number from 0 to 500.")
    assert found[2] == (3, "“name” is empty: fill it in.")
    assert found[3] == (4, "kind: “pupil” is not one of mentor, student, transfer.")
    assert found[4] == (5, "funding: “lottery” is not one of third_party, apprenticeship, self_funded.")


def test_one_address_has_one_account(tmp_path: Path) -> None:
    assert problems(tmp_path, MENTOR, MENTOR.replace("claire@", "CLAIRE@")) == [
        (3, "claire@example.org is on line 2 of people.csv already: an address has one account, keep one line.")
    ]


def test_a_transfer_is_never_planned_ahead(tmp_path: Path) -> None:
    line = "transfer,alice@example.org,,,,,,claire@example.org,,,2026-11-22 13:00:01+01:00"
    assert problems(tmp_path, line) == [
        (2, "A transfer is immediate and is never planned ahead: remove this line, and do it when the day comes.")
    ]
    assert problems(tmp_path, line.replace("13:00:01", "13:00:00")) == []


def test_a_missing_column_and_one_that_is_there_twice_are_named(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("kind,nom,name\nmentor,a,b\n")
    assert [(each.line, each.en) for each in read(path) if isinstance(each, Problem)] == [
        (1, "The column “email” is missing: add it."),
        (1, "The column “name” is there several times: keep one."),
    ]


def test_a_file_that_is_neither_utf_8_nor_windows_1252_names_its_first_bad_line(tmp_path: Path) -> None:
    path = write(tmp_path, MENTOR, "mentor,x@example.org,Name,web,Site,1")
    path.write_bytes(path.read_bytes().replace(b"Name", b"N\x81me"))
    assert [(each.line, each.fr) for each in read(path) if isinstance(each, Problem)] == [
        (3, "Ce n’est pas de l’UTF-8 : enregistrez le fichier en « CSV UTF-8 ».")
    ]


@pytest.mark.parametrize("content", ["", "\n", "\ufeff"])
def test_an_empty_file_is_a_problem(tmp_path: Path, content: str) -> None:
    path = tmp_path / "people.csv"
    path.write_text(content, encoding="utf-8")
    (found,) = read(path)
    assert isinstance(found, Problem)
    assert found.line == 1


def test_a_cell_too_many_and_an_enormous_one_are_problems_of_their_line(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{MENTOR},,,,,,one too many", f"mentor,x@example.org,{'y' * 30_000},web,Site,1", MENTOR)
    assert [line for line, _ in found] == [2, 3]


ACCENTED = "type;e-mail;nom;parcours;projet;capacité\nmentor;eve@example.org;Ève Lefèvre;Données;P5;3\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_table_is_read_in_utf_8_and_as_a_french_spreadsheet_saves_it(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(ACCENTED.encode(encoding))
    rows = read(path)
    [mentor] = [row for row in rows if isinstance(row, Mentor)]
    assert (mentor.name, mentor.paths) == ("Ève Lefèvre", ("Données",))
    assert [row.en for row in rows if isinstance(row, Note)] == (
        ["Read as Windows-1252: check the accents."] if encoding == "cp1252" else []
    )


def test_a_table_in_two_encodings_names_the_line_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(ACCENTED.encode() + "mentor;zoe@example.org;Zoé;Données;P5;3\n".encode("cp1252"))
    rows = read(path)
    assert [(row.line, "UTF-8" in row.en) for row in rows if isinstance(row, Problem)] == [(3, True)]
