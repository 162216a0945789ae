"""The structure holds, and each rule that guards it is seen to catch a violation planted for it."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.chassis.settings import readme_with_table
from tests.simulation import mutations as safeguards

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

CANARIES = {
    "A service never imports another service": (
        "services/billing/canary.py",
        "import services.sessions.main\n",
    ),
    "The domain does no I/O": ("services/sessions/domain/canary.py", "import psycopg\n"),
    "The chassis knows no service": ("services/chassis/canary.py", "import services.billing.main\n"),
    "The contracts stand alone": ("schemas/relais_contracts/canary.py", "import services.chassis.ids\n"),
}

FORBIDDEN_CALLS = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("uuid", "uuid4"), ("uuid", "uuid1"), ("time", "time"), ("time", "monotonic"),
}  # fmt: skip
FORBIDDEN_NAMES = {"uuid4", "uuid1", "uuid7", "new_id"}


def copy_of_the_code(folder: Path) -> Path:
    for part in ("services", "deploy", "schemas"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{folder / 'schemas'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("contract", CANARIES)
def test_a_planted_violation_is_caught(contract: str, tmp_path: Path) -> None:
    folder = copy_of_the_code(tmp_path)
    path, text = CANARIES[contract]
    (folder / path).write_text(text)
    result = lint_imports(folder)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout


def forbidden_calls(source: str) -> list[str]:
    """Where a piece of code reads a clock or makes an id (STYLE: both arrive in the command)."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in FORBIDDEN_CALLS:
                found.append(f"line {node.lineno}: {node.value.id}.{node.attr}")
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            found.append(f"line {node.lineno}: {node.id}")
    return found


def test_no_domain_reads_a_clock_or_makes_an_id() -> None:
    files = sorted(ROOT.glob("services/*/domain/**/*.py"))
    assert files
    found = {str(file.relative_to(ROOT)): calls for file in files if (calls := forbidden_calls(file.read_text()))}
    assert found == {}


@pytest.mark.parametrize("line", ["datetime.now(UTC)", "x = uuid4()", "time.time()", "date.today()", "new_id()"])
def test_a_planted_clock_or_id_is_caught(line: str) -> None:
    assert forbidden_calls(line)


def test_sql_is_never_glued_from_strings() -> None:
    """SQL stands in constants: no f-string and no concatenation reaches ``execute``."""
    glued = []
    for file in sorted(ROOT.glob("services/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"execute", "executemany", "copy"}
                and node.args
                and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
            ):
                glued.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert glued == []


def test_the_lock_file_is_hashed_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--hash=sha256:" in lock


def test_each_service_says_what_it_accepts_emits_and_owns() -> None:
    for service in sorted(path.parent for path in ROOT.glob("services/*/main.py") if path.parent.name != "cli"):
        readme = service / "README.md"
        assert readme.exists(), f"{service.name} has no README.md"
        text = readme.read_text().lower()
        for word in ("accepts", "emits", "owns"):
            assert word in text, f"{service.name}/README.md does not say what it {word}"


def test_the_readme_lists_every_setting() -> None:
    text = (ROOT / "README.md").read_text()
    assert readme_with_table(text) == text, "run python -m services.chassis.settings"


def test_no_document_links_to_what_is_not_there() -> None:
    """Every relative link of every Markdown file leads to a file or a folder."""
    broken = []
    for document in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("s*/**/README.md"),
        *ROOT.glob("schemas/*.md"),
    ]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


@pytest.mark.parametrize("mutation", safeguards.MUTATIONS, ids=lambda one: one.safeguard)
def test_each_safeguard_that_is_taken_away_stands_where_it_is_looked_for(mutation: safeguards.Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.before) == 1
