"""Each rule that keeps a limit is seen to be held: with it broken, the rules' own tests fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES_TESTS = (
    "test_absences.py",
    "test_accounts.py",
    "test_check_transfer.py",
    "test_missed_sessions.py",
    "test_transfer_student.py",
)

MUTATIONS = {
    "T18: a place more than the capacity": (
        "mentor.py",
        "max(0, self.capacity - len",
        "max(0, self.capacity + 1 - len",
    ),
    "T18: a full mentor passes": ("check_transfer.py", "replacement.free_places > 0", "replacement.free_places >= 0"),
    "T18: any path will do": ("check_transfer.py", "path not in replacement.profile.paths", "False"),
    "T18: any project will do": ("check_transfer.py", "project not in replacement.profile.projects", "False"),
    "T18: the place is never freed": (
        "transfer_student.py",
        "(student.mentor_id, StudentReleased(command.student_id, returns=kind is TransferKind.ONE_OFF)),",
        "",
    ),
    "T12: a full mentor takes a new student": ("enrol_student.py", "case Registered(free_places=0):", "case int():"),
    "T4: a mentor transfers for good": ("transfer_student.py", "if not command.by_support:", "if False:"),
    "T16: the way back is forgotten": (
        "student.py",
        "return (*student.lenders, transfer.from_mentor_id)",
        "return student.lenders",
    ),
    "T16: capacity counts for one, not for all": ("return_students.py", "len(students) > mentor", "1 > mentor"),
    "T17: 72 hours become more": ("request_help.py", "command.now >= absence", "command.now > absence"),
    "T9: three sessions before a transfer": ("advice.py", "if sessions_missed > 1:", "if sessions_missed > 2:"),
    "T6: kept without consent": ("advice.py", "== 1 and consent is Consent.GIVEN", "== 1"),
    "T7: apprentices are kept": (
        "advice.py",
        'Action.TRANSFER,\n                "T7"',
        'Action.KEEP,\n                "T7"',
    ),
    "T6: what the mentor cancels is not missed": ("missed_sessions.py", 'self.reason == "other"', "False"),
    "T8: a session that has no solution is settled": ("absence_plan.py", "and sessions.open == 0", ""),
    "T16: a student comes back from any absence": ("absence_plan.py", "lending.absence_id == absence_id", "True"),
    "T1: absences overlap by touching": ("absence.py", "self.from_at < to_at", "self.from_at <= to_at"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules and their tests alone, to be broken."""
    folder = tmp_path_factory.mktemp("mutated")
    for package in ("services/transfers/domain", "services/chassis"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.sql"))
    for file in ("services/__init__.py", "services/transfers/__init__.py", "tests/spec.py"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib --assert=plain\n")
    (folder / "tests/transfers").mkdir()
    for name in ("__init__.py", "school.py", *RULES_TESTS):
        shutil.copy(ROOT / "tests/transfers" / name, folder / "tests/transfers" / name)
    return folder


def run(folder: Path) -> int:
    """The exit status of the rules' tests in `folder`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/transfers"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    return done.returncode


def test_unbroken_rules_pass(copy: Path) -> None:
    assert run(copy) == 0


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.mutation("the limits of transfers and absences")
def test_a_broken_rule_is_noticed(copy: Path, name: str) -> None:
    file_name, right, wrong = MUTATIONS[name]
    file = copy / "services/transfers/domain" / file_name
    text = file.read_text()
    assert text.count(right) == 1, f"{file_name} no longer reads {right!r}"
    file.write_text(text.replace(right, wrong))
    try:
        assert run(copy) == 1
    finally:
        file.write_text(text)
