"""What support sees of the machinery: how far services are behind, and parts of pages that change by themselves."""

import os
import re
import signal
import subprocess
import sys
import time
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from services.portal.edges.routes import API_SERVICES
from tests.browser.conftest import PHONE, Visitors, Way, crossed
from tests.browser.office import is_open_to_everybody
from tests.chassis.pipeline import event
from tests.cli.test_parked import broken, publish
from tests.conftest import RunningRelais
from tests.journeys.school import School, eventually

LOOKS: tuple[dict[str, Any], ...] = ({}, PHONE)


@crossed(1)
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
    for path in ("/retards", "/retards/billing", "/reconstructions"):
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


def replay(relais: RunningRelais, *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.main", "replay", *options, "--data-dir", str(relais.data_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_a_rebuild_and_its_switch_are_seen_as_they_go_and_audited(relais: RunningRelais, visitors: Visitors) -> None:
    watching, reloading = visitors(), visitors(java_script_enabled=False)
    for visitor in (watching, reloading):
        visitor.sign_in("Support")
        visitor.page.goto("/reconstructions")
    page = watching.page
    view = page.get_by_role("region", name="attendance")
    expect(view).to_contain_text("version 1")
    view.get_by_text("Sur le serveur").click()
    expect(view.get_by_text("relais replay attendance --diff")).to_be_visible()
    replay(relais, "attendance", "--diff")
    expect(view).to_contain_text("construite")
    expect(view.get_by_text("relais replay attendance --diff")).to_be_visible()
    expect(view).to_contain_text("Aucun écart avec la vue qui sert.")
    expect(view.get_by_role("progressbar")).to_be_visible()
    is_open_to_everybody(watching)
    reloading.page.reload()
    expect(reloading.page.get_by_role("region", name="attendance")).to_contain_text("construite")
    replay(relais, "attendance", "--switch")
    expect(view).to_contain_text("de la version 1 à la 2")
    expect(view).to_contain_text("sont gardées")
    deadline = time.monotonic() + 10
    page.goto("/journal?type=relais.operations.ViewSwitched.v1")
    while not page.get_by_role("link", name="Vue reconstruite mise en service").count():
        assert time.monotonic() < deadline
        page.reload()
    expect(page.locator("main")).to_contain_text("Exploitation")


def parked_of(school: School, student_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = school.ok("GET", f"/parked?key={student_id}")["items"]
    return items


@crossed(0)
def test_support_retries_and_skips_what_was_set_aside_and_sees_what_depends_on_it(
    relais: RunningRelais, school: School, visitors: Visitors, way: Way
) -> None:
    student = uuid4()
    good = event(uuid4(), 1, student)
    publish(relais, broken(event(uuid4(), 1, student)), good.to_record())
    eventually(
        lambda: len({one["service"] for one in parked_of(school, str(student))}) == len(API_SERVICES), within_s=20
    )
    first, behind = [one for one in parked_of(school, str(student)) if one["service"] == "attendance"]
    say, visitor = way.say, visitors.come(way, "Support")
    page = visitor.page
    page.goto("/mis-de-cote?service=attendance")
    page.locator(f"a[href$='/attendance/{first['parked_id']}']").click()
    expect(page.get_by_role("heading", name=say("Ce qui attend, dans l'ordre"))).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text=say("celui-ci"))).to_be_visible()

    page.get_by_role("link", name=say("Reprendre…")).click()
    expect(page.locator(".in-order li")).to_have_count(2)
    has_script = way.options.get("java_script_enabled", True)  # axe-core is one.
    if has_script:
        is_open_to_everybody(visitor)
    page.get_by_role("button", name="2").click()
    expect(page.get_by_role("status")).to_contain_text("Invalid JSON")
    attempts = school.ok("GET", f"/parked/attendance/{first['parked_id']}")
    assert (attempts["state"], attempts["attempts"]) == ("parked", first["attempts"] + 1)

    page.get_by_role("link", name=say("Écarter…")).click()
    if has_script:
        is_open_to_everybody(visitor)
    page.get_by_role("button", name=say("Écarter cet événement")).click()
    expect(page.get_by_label(say("Pourquoi"))).to_be_focused()  # The reason is asked for by the browser itself.
    page.get_by_label(say("Pourquoi")).fill("Ce n'est pas <b>un événement</b>")
    page.get_by_role("button", name=say("Écarter cet événement")).click()
    expect(page.get_by_role("status")).to_contain_text(say("L'événement est écarté."))
    expect(page.locator("main")).to_contain_text("Ce n'est pas <b>un événement</b>")

    page.get_by_role("link", name=say("Voir le suivant")).click()
    page.get_by_role("link", name=say("Reprendre…")).click()
    page.get_by_role("button", name=say("Reprendre cet événement")).click()
    expect(page.get_by_role("status")).to_contain_text(say("Tout est repris, dans l'ordre."))
    assert school.ok("GET", f"/parked/attendance/{behind['parked_id']}")["state"] == "retried"
    page.goto(f"/mis-de-cote/attendance/{behind['parked_id']}/abandon")
    expect(page.locator("main")).to_contain_text(say("Cet événement n'est plus mis de côté."))

    for one in parked_of(school, str(student)):  # Nothing is to be left for other tests.
        school.ok("POST", f"/parked/{one['service']}/{one['parked_id']}/skip", {"reason": "Un essai."})
