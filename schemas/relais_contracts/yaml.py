"""Block YAML for plain documents, so that the contracts depend on pydantic alone.

Scalars are written as in JSON, which YAML reads.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN_KEY = re.compile(r"[A-Za-z][\w.-]*")


def to_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML; dicts, lists and scalars only."""
    return "\n".join(_lines(document, depth=0)) + "\n"


def _lines(node: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    match node:
        case Mapping():
            for key, value in node.items():
                written = key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)
                if _is_block(value):
                    yield f"{indent}{written}:"
                    yield from _lines(value, depth + 1)
                else:
                    yield f"{indent}{written}: {json.dumps(value, ensure_ascii=False)}"
        case _:
            for value in node:
                if _is_block(value):
                    first, *rest = _lines(value, depth + 1)
                    yield f"{indent}- {first.lstrip()}"
                    yield from rest
                else:
                    yield f"{indent}- {json.dumps(value, ensure_ascii=False)}"


def _is_block(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and bool(value)
