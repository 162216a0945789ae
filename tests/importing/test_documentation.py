"""docs/import.md names every column, and every header that is read as it."""

from pathlib import Path

from services.cli.importing import people, sessions

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")


def test_every_column_and_header_is_documented() -> None:
    _, of_people, of_sessions = DOCUMENTED.split("\n## ")[:3]
    for section, columns in ((of_people, people.COLUMNS), (of_sessions, sessions.COLUMNS)):
        for column in columns:
            (row,) = [line for line in section.splitlines() if line.startswith(f"| `{column.name}` |")]
            cells = row.split(" | ")
            headers = [header.strip("`") for header in cells[1].strip("| ").split(", ") if header.strip()]
            assert sorted(headers) == sorted(set(column.headers) - {column.name}), column.name
