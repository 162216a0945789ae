"""What is generated from the contracts is what is checked in."""

import json
import subprocess
import sys
from pathlib import Path

from relais_contracts import REGISTRY
from relais_contracts.generate import generated_files, json_schema, stale

SCHEMAS = Path(__file__).parents[2] / "schemas"


def test_the_checked_in_files_are_fresh() -> None:
    assert stale(SCHEMAS) == []


def test_a_stale_a_missing_and_a_left_over_file_are_each_named(tmp_path: Path) -> None:
    for path, text in generated_files(tmp_path).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert stale(tmp_path) == []
    (tmp_path / "CATALOGUE.md").write_text("old", encoding="utf-8")
    (tmp_path / "asyncapi.yaml").unlink()
    (tmp_path / "json" / "relais.sessions.SessionForgotten.v1.json").write_text("{}", encoding="utf-8")
    assert stale(tmp_path) == [
        "asyncapi.yaml is missing",
        "CATALOGUE.md is stale",
        "json/relais.sessions.SessionForgotten.v1.json belongs to no contract",
    ]


def test_the_check_fails_on_an_empty_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "relais_contracts.generate", "--check", "--root", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert "asyncapi.yaml is missing" in run.stderr


def test_fields_that_hold_personal_data_are_marked() -> None:
    marked = {
        (contract.__name__, name)
        for contract in REGISTRY.values()
        for name, field in json_schema(contract)["properties"].items()
        if field.get("x-personal-data")
    }
    accounts = ("MentorRegistered", "MentorUpdated", "StudentEnrolled", "StudentUpdated")
    assert marked == {
        *((account, field) for account in accounts for field in ("email", "name")),
        ("EventSkipped", "reason"),
        ("HelpRequested", "message"),
        ("SessionCancelled", "note"),
        ("SessionCorrected", "note"),
        ("SessionCorrected", "why"),
    }


def test_every_schema_says_its_dialect_and_its_name() -> None:
    for ce_type in REGISTRY:
        schema = json.loads((SCHEMAS / "json" / f"{ce_type}.json").read_text(encoding="utf-8"))
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["$id"] == f"urn:relais:schema:{ce_type}"
