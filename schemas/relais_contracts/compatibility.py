"""Whether a changed contract still keeps the promise of the published one."""

from collections.abc import Mapping
from typing import Any

_WORDS_ALONE = frozenset({"description", "title", "examples"})


def incompatibilities(published: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Why `current` breaks those who read by `published`, one sentence each; both are JSON Schemas of one type.

    A published version never changes but by optional fields that are added, and by the words that describe it.
    So a newer reader understands every old message, and an older reader every new one.
    """
    problems: list[str] = []
    before, after = published["properties"], current["properties"]
    for name in before:
        if name not in after:
            problems.append(f"the field {name} is gone")
        elif _meaning(before[name]) != _meaning(after[name]):
            problems.append(f"the field {name} means something else")
    was_required, is_required = set(published.get("required", ())), set(current.get("required", ()))
    problems += [f"the field {name} is now required" for name in sorted(is_required - was_required)]
    problems += [
        f"the field {name} is no longer required" for name in sorted((was_required - is_required) & after.keys())
    ]
    problems += [
        f"{keyword} changed from {published.get(keyword)!r} to {current.get(keyword)!r}"
        for keyword in ("$id", "x-topic", "x-key")
        if published.get(keyword) != current.get(keyword)
    ]
    return problems


def _meaning(schema: Any) -> Any:
    """The schema without the words that only describe it."""
    match schema:
        case Mapping():
            return {key: _meaning(value) for key, value in schema.items() if key not in _WORDS_ALONE}
        case list():
            return [_meaning(value) for value in schema]
        case _:
            return schema
