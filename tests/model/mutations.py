"""Rules broken on purpose: each must be noticed by the model. ``python -m tests.model.mutations [NAME…] [--seed N]``.

A mutation changes one place in a copy of the services; the model is then run on that copy in a process of its own.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SEQUENCES = 3_000
TIMEOUT_S = 900.0

REASONS = "sessions/domain/cancellation_reasons.py"
CANCEL = "sessions/domain/cancel_session.py"
MOVE = "sessions/domain/reschedule_session.py"
TRANSFER = "transfers/domain/transfer_student.py"
STATEMENT = "billing/domain/statement.py"
CHECK = "transfers/domain/check_transfer.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """``before`` stands once in ``file`` (below ``services/``), and ``after`` takes its place."""

    name: str
    rule: str
    file: str
    before: str
    after: str


MUTATIONS = [
    Mutation("exactly 24 h is late", "S3", REASONS, "early = notice_at <= late_from", "early = notice_at < late_from"),
    Mutation("25 hours for 24", "S4", REASONS, "timedelta(hours=24)", "timedelta(hours=25)"),
    Mutation(
        "early after the start",
        "S3",
        REASONS,
        "case Reason.STUDENT_EARLY if started",
        "case Reason.STUDENT_EARLY if False",
    ),
    Mutation(
        "late after the start",
        "S4",
        REASONS,
        "case Reason.STUDENT_LATE if started",
        "case Reason.STUDENT_LATE if False",
    ),
    Mutation(
        "late whatever the notice",
        "S4",
        REASONS,
        "case Reason.STUDENT_LATE if early",
        "case Reason.STUDENT_LATE if False",
    ),
    Mutation(
        "no-show only after the third",
        "S5",
        REASONS,
        "now < absent_from(appointment)",
        "now <= absent_from(appointment)",
    ),
    Mutation(
        "a third in whole minutes",
        "S5",
        REASONS,
        "appointment.duration / 3",
        "timedelta(minutes=appointment.duration_minutes // 3)",
    ),
    Mutation("a no-show can be made up", "S5", REASONS, "            return False", "            return True"),
    Mutation(
        "force majeure can be made up",
        "S6",
        REASONS,
        "(Cause.MENTOR, Cause.PLATFORM)",
        "(Cause.MENTOR, Cause.PLATFORM, Cause.FORCE_MAJEURE)",
    ),
    Mutation(
        "« Autre » without a reason in words",
        "S6",
        CANCEL,
        "if note is None and command.reason",
        "if False and command.reason",
    ),
    Mutation("a cause with any reason", "S6", CANCEL, "if command.cause is not None and", "if False and"),
    Mutation("notice in the future", "S3", CANCEL, "if notice_at > command.now", "if False"),
    Mutation("typing counts, not the notice", "S3", CANCEL, "(command.notice_at or command.now)", "(command.now)"),
    Mutation(
        "the student's own cause is excused",
        "S7",
        "attendance/domain/standing.py",
        "            return Standing.UNEXCUSED\n        case Cause.MENTOR",
        "            return Standing.EXCUSED\n        case Cause.MENTOR",
    ),
    Mutation(
        "a make-up that was not held catches up",
        "T8",
        "attendance/domain/attendance_file.py",
        "if entry.makes_up_for is not None and entry.outcome is Outcome.HELD",
        "if entry.makes_up_for is not None",
    ),
    Mutation(
        "at risk from exactly 72 h on",
        "T2",
        "attendance/domain/continuity.py",
        "ends_at - now < AT_RISK_WITHIN",
        "ends_at - now <= AT_RISK_WITHIN",
    ),
    Mutation(
        "a session that moves takes along what its month was closed with",
        "S8",
        STATEMENT,
        "if line.of == month]",
        "if line]",
    ),
    Mutation(
        "an adjustment forgets what was closed",
        "S8",
        STATEMENT,
        "price.amount_cents - sum(line.amount_cents for line in settled)",
        "price.amount_cents",
    ),
    Mutation(
        "half a cent is cut off",
        "S8",
        "billing/domain/tariff.py",
        "rate_cents * share_percent + 50",
        "rate_cents * share_percent",
    ),
    Mutation(
        "a month is closed before it begins",
        "S8",
        "billing/domain/close_statement.py",
        "if command.month > Month.of(command.now, command.zone):",
        "if False:",
    ),
    Mutation("weeks in UTC", "T2", "attendance/domain/week.py", "instant.astimezone(zone).date()", "instant.date()"),
    Mutation(
        "moved at exactly 24 h is late", "S9", MOVE, "late=command.now > late_from", "late=command.now >= late_from"
    ),
    Mutation(
        "moved once it has started",
        "S9",
        MOVE,
        "if command.now >= appointment.starts_at",
        "if command.now > appointment.starts_at",
    ),
    Mutation(
        "held before the start",
        "S1",
        "sessions/domain/complete_session.py",
        "if command.now < appointment.starts_at",
        "if False",
    ),
    Mutation(
        "made up for twice",
        "T2",
        "sessions/domain/make_up_session.py",
        "if missed.made_up_by is not None:",
        "if False:",
    ),
    Mutation(
        "one place too many",
        "T18",
        "transfers/domain/mentor.py",
        "self.capacity - len(self.students)",
        "self.capacity + 1 - len(self.students)",
    ),
    Mutation("the path is not asked", "T18", CHECK, "if path not in replacement.profile.paths", "if False"),
    Mutation("the project is not asked", "T18", CHECK, "if project not in replacement.profile.projects", "if False"),
    Mutation("to the same mentor", "T11", TRANSFER, "if to_mentor_id == student.mentor_id:", "if False:"),
    Mutation("permanent without support", "T4", TRANSFER, "if not command.by_support:", "if False:"),
    Mutation(
        "the place left is not freed",
        "T18",
        TRANSFER,
        "        (student.mentor_id, StudentReleased(command.student_id, returns=kind is TransferKind.ONE_OFF)),\n",
        "",
    ),
    Mutation(
        "what has started goes along",
        "T3",
        "sessions/domain/reassign_session.py",
        "appointment.starts_at <= command.transferred_at",
        "appointment.starts_at < command.transferred_at",
    ),
    Mutation(
        "who came back still lends",
        "T16",
        "transfers/domain/student.py",
        "student.lenders[: student.lenders.index(transfer.to_mentor_id)]",
        "student.lenders[: student.lenders.index(transfer.to_mentor_id) + 1]",
    ),
    Mutation(
        "two missed are kept", "T9", "transfers/domain/advice.py", "if sessions_missed > 1:", "if sessions_missed > 2:"
    ),
    Mutation(
        "kept without consent",
        "T6",
        "transfers/domain/advice.py",
        "sessions_missed == 1 and consent is Consent.GIVEN",
        "sessions_missed == 1",
    ),
    Mutation(
        "exactly 72 h is in time",
        "T17",
        "transfers/domain/request_help.py",
        "command.now >= absence.help_deadline_at",
        "command.now > absence.help_deadline_at",
    ),
    Mutation(
        "no date of return in the comment",
        "T14",
        "transfers/domain/add_comment.py",
        "    elif missing:",
        '    elif missing and missing != ["return_on"]:',
    ),
]


@dataclass(frozen=True, slots=True)
class Verdict:
    caught: bool
    sequences: int
    took_s: float
    told: str


def run_on(mutation: Mutation | None, seed: int, *, sequences: int = SEQUENCES) -> Verdict:
    """Runs the model on the services with ``mutation``; on the services as they are without one."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="relais-mutation-") as folder:
        copy = Path(folder)
        _copy_of_rules(copy / "services")
        (copy / "tests").symlink_to(ROOT / "tests")
        if mutation is not None:
            _break(mutation, copy / "services" / mutation.file)
        command = [sys.executable, "-m", "tests.model", "--no-shrink"]
        command += ["--sequences", str(sequences), "--seed", str(seed)]
        process = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=TIMEOUT_S)
    said = process.stdout + process.stderr
    run = re.search(r"^(\d+) sequences, .* (\d+) counterexamples", said, flags=re.MULTILINE)
    assert run is not None, said
    told = next((line for line in said.splitlines() if "where the rules say" in line), "")
    return Verdict(run[2] == "1" and bool(told), int(run[1]), time.monotonic() - began, told)


def stands_in(mutation: Mutation) -> int:
    """How often its file has what it changes; once, or it breaks nothing or too much."""
    return (ROOT / "services" / mutation.file).read_text().count(mutation.before)


def _copy_of_rules(to: Path) -> None:
    """All that the rules are made of: the domains and how they refuse."""
    for domain in sorted(ROOT.glob("services/*/domain")):
        shutil.copytree(domain, to / domain.parent.name / "domain")
    for package in ("", "chassis", *(domain.parent.name for domain in ROOT.glob("services/*/domain"))):
        (to / package).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "services" / package / "__init__.py", to / package)
    shutil.copy(ROOT / "services/chassis/refusal.py", to / "chassis")


def _break(mutation: Mutation, file: Path) -> None:
    source = file.read_text()
    found = source.count(mutation.before)
    assert found == 1, f"{mutation.name}: stands {found} times in {mutation.file}: {mutation.before!r}"
    file.write_text(source.replace(mutation.before, mutation.after))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="all of them where none is named")
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}")
    missed = 0
    for mutation in [one for one in MUTATIONS if not asked.names or one.name in asked.names]:
        verdict = run_on(mutation, seed)
        missed += not verdict.caught
        outcome = f"caught by sequence {verdict.sequences}" if verdict.caught else f"NOT CAUGHT in {verdict.sequences}"
        print(f"{mutation.rule:4} {mutation.name:40} {outcome:24} {verdict.took_s:6.1f} s", flush=True)
    print(f"{missed} not caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
