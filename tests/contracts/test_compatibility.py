"""A published version never changes incompatibly: only optional fields are added."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from relais_contracts.compatibility import incompatibilities
from relais_contracts.generate import json_schema
from relais_contracts.sessions import SessionCancelled

REPOSITORY = Path(__file__).parents[2]
MAIN_BRANCHES = ("refs/remotes/origin/main", "refs/heads/main")


def git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def published_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schemas on main by type, read through git."""
    known = git("for-each-ref", "--format=%(refname)", *MAIN_BRANCHES).split()
    main = next(branch for branch in MAIN_BRANCHES if branch in known)
    paths = git("ls-tree", "--name-only", main, "schemas/json/").split()
    return {Path(path).stem: json.loads(git("show", f"{main}:{path}")) for path in paths}


def test_what_is_on_main_still_holds() -> None:
    problems = []
    for ce_type, published in published_schemas().items():
        path = REPOSITORY / "schemas" / "json" / f"{ce_type}.json"
        if not path.exists():
            problems.append(f"{ce_type} is gone")
            continue
        current = json.loads(path.read_text(encoding="utf-8"))
        problems += [f"{ce_type}: {problem}" for problem in incompatibilities(published, current)]
    assert problems == []


def schema() -> dict[str, Any]:
    return copy.deepcopy(json_schema(SessionCancelled))


def test_an_optional_field_may_be_added() -> None:
    changed = schema()
    changed["properties"]["room"] = {"type": "string", "default": None}
    assert incompatibilities(schema(), changed) == []


def test_words_may_be_improved() -> None:
    changed = schema()
    changed["description"] = "Better."
    changed["properties"]["note"]["description"] = "Better."
    assert incompatibilities(schema(), changed) == []


def test_a_field_that_goes_is_noticed() -> None:
    changed = schema()
    del changed["properties"]["note"]
    assert incompatibilities(schema(), changed) == ["the field note is gone"]


def test_a_field_that_must_suddenly_be_there_is_noticed() -> None:
    changed = schema()
    changed["properties"]["room"] = {"type": "string"}
    changed["required"].append("room")
    assert incompatibilities(schema(), changed) == ["the field room is now required"]


def test_a_field_that_may_suddenly_be_missing_is_noticed() -> None:
    changed = schema()
    changed["required"].remove("notice_at")
    assert incompatibilities(schema(), changed) == ["the field notice_at is no longer required"]


@pytest.mark.parametrize(
    ("field", "meaning"),
    [
        ("duration_minutes", {"type": "number"}),
        ("reason", {"type": "string", "enum": ["student_early", "student_late", "student_no_show", "other", "snow"]}),
        ("note", {"type": "string"}),
    ],
)
def test_a_field_that_means_something_else_is_noticed(field: str, meaning: dict[str, Any]) -> None:
    changed = schema()
    changed["properties"][field] = meaning
    assert incompatibilities(schema(), changed) == [f"the field {field} means something else"]


def test_another_key_is_noticed_since_it_changes_the_order() -> None:
    changed = schema() | {"x-key": "session_id"}
    assert incompatibilities(schema(), changed) == ["x-key changed from 'student_id' to 'session_id'"]
