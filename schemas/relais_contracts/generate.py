"""Writes what others read of the contracts: JSON Schemas, the AsyncAPI document and the catalogue.

`python -m relais_contracts.generate` writes them below `schemas/`; with `--check` it writes nothing and exits with 1
where a file is missing, stale or left over.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from relais_contracts.asyncapi import asyncapi_document
from relais_contracts.catalogue import REGISTRY, TOPICS
from relais_contracts.cloudevents import dataschema_of
from relais_contracts.contract import PERSONAL_DATA, Contract
from relais_contracts.yaml import to_yaml

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
HERE = Path(__file__).resolve().parent.parent
NOTICE = "Written by `python -m relais_contracts.generate`; change the models, then run it again."


def json_schema(contract: type[Contract]) -> dict[str, Any]:
    """The JSON Schema 2020-12 of one event's data."""
    schema = contract.model_json_schema()
    for field in schema["properties"].values():
        del field["title"]
    return {
        "$schema": JSON_SCHEMA_DIALECT,
        "$id": dataschema_of(contract.ce_type),
        "title": contract.ce_type,
        "x-topic": contract.topic,
        "x-key": contract.key_field,
        **{name: value for name, value in schema.items() if name != "title"},
    }


def catalogue() -> str:
    """The catalogue of events in Markdown, for people."""
    lines = [
        "# The events of Relais",
        "",
        f"<!-- {NOTICE} -->",
        "",
        "Every message is a CloudEvent in Kafka's binary mode: what is said about the event stands in headers",
        "(`ce_…`), the data below is the value, in JSON. Instants are RFC 3339 in UTC. Optional fields are left out",
        "where there is nothing to say, and later versions may add more of them. Fields marked *personal* hold",
        "personal data.",
    ]
    for topic in TOPICS:
        lines += ["", f"## Topic `{topic}`"]
        for contract in _of_topic(topic):
            lines += ["", f"### `{contract.ce_type}`", "", *_described(contract)]
    return "\n".join(lines) + "\n"


def _described(contract: type[Contract]) -> Iterable[str]:
    yield f"{contract.__doc__} Key: `{contract.key_field}`."
    yield ""
    yield "| field | type | | meaning |"
    yield "|---|---|---|---|"
    schema = json_schema(contract)
    for name, field in schema["properties"].items():
        marks = [] if name in schema["required"] else ["optional"]
        if field.get(PERSONAL_DATA):
            marks.append("personal")
        yield f"| `{name}` | {_type_of(field)} | {', '.join(marks)} | {field['description']} |"


def _type_of(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        kinds = [_type_of(option) for option in field["anyOf"]]
        # An optional field may also be written as null; only where null says something is it worth a word.
        return " or ".join(kind for kind in kinds if "default" not in field or kind != "null")
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_type_of(field['items'])}"
    return str(field.get("format", field["type"]))


def _of_topic(topic: str) -> list[type[Contract]]:
    return [contract for contract in REGISTRY.values() if contract.topic == topic]


def generated_files(root: Path) -> dict[Path, str]:
    """Every generated file below `root` with the text that it should have."""
    files = {
        root / "json" / f"{ce_type}.json": json.dumps(json_schema(contract), indent=2, ensure_ascii=False) + "\n"
        for ce_type, contract in REGISTRY.items()
    }
    files[root / "asyncapi.yaml"] = f"# {NOTICE}\n" + to_yaml(asyncapi_document())
    files[root / "CATALOGUE.md"] = catalogue()
    return files


def stale(root: Path) -> list[str]:
    """What is wrong with the generated files below `root`, one sentence each; empty where all are fresh."""
    expected = generated_files(root)
    problems = [
        f"{path.relative_to(root)} is {'stale' if path.exists() else 'missing'}"
        for path, text in expected.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    left_over = sorted(set((root / "json").glob("*.json")) - expected.keys())
    return problems + [f"{path.relative_to(root)} belongs to no contract" for path in left_over]


def main() -> int:
    """Writes or checks the generated files; returns the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m relais_contracts.generate", description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is stale")
    arguments.add_argument("--root", type=Path, default=HERE, help="the folder that holds json/ and asyncapi.yaml")
    given = arguments.parse_args()
    if given.check:
        problems = stale(given.root)
        for problem in problems:
            print(problem, file=sys.stderr)
        return 1 if problems else 0
    for path, text in generated_files(given.root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
