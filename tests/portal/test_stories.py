"""Each event that is published has a name and a story on the timeline, also where it says no more than it must."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from relais_contracts import REGISTRY
from services.portal.edges.language import CODES, Language
from services.portal.edges.rendering import environment
from services.portal.edges.shapes import Event
from services.portal.pages.people import People
from tests.conftest import ROOT

STORY = '{% from "_story.html" import story with context %}{{ words.event(event.type) }}|{{ story(event, people) }}'


def golden(ce_type: str) -> Mapping[str, Any]:
    value: dict[str, Any] = json.loads((ROOT / "schemas" / "examples" / f"{ce_type}.json").read_text())["value"]
    return value


@pytest.mark.parametrize("ce_type", sorted(REGISTRY))
def test_each_event_has_a_name_and_its_story_asks_for_nothing_that_is_optional(ce_type: str) -> None:
    needed = {name for name, field in REGISTRY[ce_type].model_fields.items() if field.is_required()}
    whole = golden(ce_type)
    for code in CODES:
        template = environment(Language(code, "Europe/Paris")).from_string(STORY)
        for data in (whole, {name: value for name, value in whole.items() if name in needed}):
            event = Event(event_id="1", type=ce_type, recorded_at=datetime(2026, 11, 25, tzinfo=UTC), data=dict(data))
            name, _, story = template.render(event=event, people=People({}, {})).partition("|")
            assert name not in ("", ce_type)
            assert "None" not in story
