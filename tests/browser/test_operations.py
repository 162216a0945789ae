"""What support sees of the machinery: how far services are behind, and parts of pages that change by themselves."""

import os
import re
import signal
from typing import Any

import pytest
from playwright.sync_api import expect

from services.portal.edges.routes import API_SERVICES
from tests.browser.conftest import PHONE, Visitors, Way
from tests.browser.test_office import is_open_to_everybody
from tests.conftest import RunningRelais

LOOKS: tuple[dict[str, Any], ...] = ({}, PHONE)


def test_support_reads_the_lag_of_each_service_and_its_last_hour(visitors: Visitors, way: Way) -> None:
    visitor = visitors.come(way, "Support")
    page = visitor.page
    page.goto("/retards")
    for service in API_SERVICES:
        row = page.get_by_role("row", name=re.compile(f"^{service}"))
        expect(row.get_by_text(way.say("à jour"), exact=True)).to_be_visible()
        expect(row.get_by_role("img")).to_have_attribute("aria-label", re.compile("0"))
    page.get_by_role("link", name="billing", exact=True).click()
    expect(page.get_by_role("row", name=re.compile("relais.sessions 0 "))).to_be_visible()
    expect(page.get_by_role("heading", name=way.say("La dernière heure"))).to_be_visible()


@pytest.mark.parametrize("look", LOOKS, ids=["desktop", "phone-dark"])
def test_the_pages_of_operations_are_open_to_everybody(visitors: Visitors, look: dict[str, Any]) -> None:
    visitor = visitors(**look)
    visitor.sign_in("Support")
    for path in ("/retards", "/retards/billing"):
        visitor.page.goto(path)
        is_open_to_everybody(visitor)


def test_a_service_that_stands_still_is_named_in_words_without_a_reload(
    relais: RunningRelais, visitors: Visitors
) -> None:
    visitor = visitors(**PHONE)
    page = visitor.page
    visitor.sign_in("Support")
    page.goto("/retards")
    row = page.get_by_role("row", name=re.compile("^attendance"))
    expect(row).to_contain_text("à jour")
    frozen = relais.processes["attendance"]
    os.kill(frozen, signal.SIGSTOP)
    try:
        expect(row).to_contain_text("ne répond pas", timeout=25_000)
        expect(page.get_by_role("status")).to_contain_text("attendance : ne répond pas")
        is_open_to_everybody(visitor)
    finally:
        os.kill(frozen, signal.SIGCONT)
    expect(row).to_contain_text("à jour", timeout=25_000)
