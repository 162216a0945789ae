"""The table of rules and their tests, made from the tests' own marks: ``python -m tests.rules [--check]``."""

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "docs" / "rules.md"
TABLE = ROOT / "docs" / "rules-and-tests.md"

HEAD = """# Rules and their tests

Made from the marks `@pytest.mark.rule(…)` by `python -m tests.rules`; a rule without a test fails the build.

| # | tests |
|---|---|
"""


def rules() -> list[str]:
    """The numbers of all rules, in the order of docs/rules.md."""
    return re.findall(r"^\| ([ST]\d+) \|", RULES.read_text(), flags=re.MULTILINE)


def marked() -> dict[str, dict[str, list[str]]]:
    """Rule -> test file -> the tests in it that carry the rule's mark."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in sorted(ROOT.glob("tests/**/test_*.py")):
        tree = ast.parse(file.read_text())
        whole_file = [number for node in tree.body if isinstance(node, ast.Assign) for number in _numbers(node.value)]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                numbers = whole_file + [number for mark in node.decorator_list for number in _numbers(mark)]
                for number in dict.fromkeys(numbers):
                    found[number][str(file.relative_to(ROOT))].append(node.name)
    return found


def _numbers(mark: ast.expr) -> list[str]:
    calls = mark.elts if isinstance(mark, ast.List | ast.Tuple) else [mark]
    return [
        argument.value
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "rule"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def table() -> str:
    tests = marked()
    lines = []
    for number in rules():
        held = "; ".join(
            f"[{file.removeprefix('tests/')}](../{file}): " + ", ".join(name.removeprefix("test_") for name in names)
            for file, names in sorted(tests[number].items())
        )
        lines.append(f"| {number} | {held} |\n")
    return HEAD + "".join(lines)


def untested() -> list[str]:
    tests = marked()
    return [number for number in rules() if not tests[number]]


if __name__ == "__main__":
    fresh = table()
    if "--check" in sys.argv:
        if untested() or not TABLE.exists() or TABLE.read_text() != fresh:
            sys.exit(f"docs/rules-and-tests.md is stale (make rules), or untested: {untested() or 'none'}")
    else:
        TABLE.write_text(fresh)
    print(f"{len(rules())} rules, {len(untested())} without a test {untested() or ''}")
