"""What a command caused appears as it happens, in the page that is open; and nobody holds a connection for nothing."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitors
from tests.browser.test_journeys import Cast, panel
from tests.conftest import RunningRelais
from tests.journeys.school import School, at, eventually

APPEARS_MS = 30_000
STREAMS = re.compile(r"^relais_portal_streams (\d+)", re.MULTILINE)


@contextmanager
def kafka_paused(relais: RunningRelais) -> Iterator[None]:
    """Commands are accepted, and what they cause is on its way for as long as this lasts."""
    broker = relais.processes["kafka"]
    os.kill(broker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker, signal.SIGCONT)


def streams(relais: RunningRelais) -> int:
    found = STREAMS.search(httpx.get(f"{relais.url}/metrics", trust_env=False).text)
    assert found
    return int(found[1])


def mark(page: Page) -> None:
    """A reload would take it away."""
    page.evaluate("document.body.dataset.never = 'reloaded'")


def is_still_the_same(page: Page) -> bool:
    return bool(page.evaluate("document.body.dataset.never") == "reloaded")


def test_the_line_the_entry_and_the_e_mail_of_a_cancellation_appear_without_a_reload(
    relais: RunningRelais, school: School, visitors: Visitors
) -> None:
    cast = Cast(school, starts_at=at(days=3))
    without_script = visitors(java_script_enabled=False)
    visitor = visitors()
    page = visitor.page
    for one in (visitor, without_script):
        one.sign_in(cast.mentor["name"])
    page.goto(f"{cast.session_path}/annuler")
    page.get_by_role("radio", name=re.compile("plus de 24h avant")).check()
    with kafka_paused(relais):
        page.get_by_role("button", name="Annuler la session").click()
        expect(page.get_by_role("status")).to_contain_text("La session est annulée.")
        expect(panel(page).locator(".coming")).to_have_count(3)
        mark(page)
        without_script.page.goto(cast.session_path)
        expect(panel(without_script.page).locator(".coming")).to_have_count(3)
        assert streams(relais) >= 1
    expect(panel(page)).to_contain_text("Annulée plus de 24h avant", timeout=APPEARS_MS)
    expect(panel(page)).to_contain_text("Absence excusée", timeout=APPEARS_MS)
    expect(panel(page)).to_contain_text("Envoyé", timeout=APPEARS_MS)
    expect(panel(page).locator(".coming")).to_have_count(0)
    assert is_still_the_same(page)
    eventually(lambda: streams(relais) == 0, within_s=10)  # All was there, so the stream ended.
    without_script.page.reload()
    expect(panel(without_script.page)).to_contain_text("Envoyé")
    expect(panel(without_script.page).locator(".coming")).to_have_count(0)


def test_sessions_go_to_the_new_mentor_while_the_page_is_open(
    relais: RunningRelais, school: School, visitors: Visitors
) -> None:
    cast = Cast(school, starts_at=at(days=3))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Support")
    page.goto(f"/etudiants/{cast.student['student_id']}/informations")
    page.get_by_label("E-mail exact du nouveau mentor").fill(cast.colleague["email"])
    page.get_by_role("button", name="Vérifier").click()
    cause = page.get_by_role("region", name="Ce que cela a causé")
    with kafka_paused(relais):
        page.get_by_role("button", name=re.compile("Transférer maintenant")).click()
        expect(cause).to_contain_text("0 sur 1")
        mark(page)
    expect(cause).to_contain_text("1 sur 1", timeout=APPEARS_MS)
    assert is_still_the_same(page)


def test_support_sees_the_consequences_of_an_event_come_in(
    relais: RunningRelais, school: School, visitors: Visitors
) -> None:
    cast = Cast(school, starts_at=at(days=-1))
    visitor = visitors()
    page = visitor.page
    visitor.sign_in("Support")
    school.ok("POST", f"{cast.session_path}/completion", {})
    event_id = school.ok("GET", f"{cast.session_path}/history")["items"][-1]["event_id"]
    eventually(lambda: school.call("GET", f"/audit/events/{event_id}").status_code == 200, within_s=10)
    page.goto(f"/journal/{event_id}")
    expect(page.get_by_role("region", name="Ce que cela a causé")).to_contain_text("Présent")
    assert streams(relais) >= 1


def test_a_page_that_is_closed_frees_its_connection(relais: RunningRelais, visitors: Visitors) -> None:
    visitor = visitors()
    visitor.sign_in("Support")
    visitor.page.goto("/retards")
    eventually(lambda: streams(relais) == 1, within_s=10)
    visitor.page.goto("/journal")
    eventually(lambda: streams(relais) == 0, within_s=10)
    other = visitor.context.new_page()
    other.goto("/retards")
    eventually(lambda: streams(relais) == 1, within_s=10)
    other.close()
    eventually(lambda: streams(relais) == 0, within_s=10)


def test_what_somebody_may_not_see_is_not_streamed_to_them(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=3))
    visitor = visitors()
    visitor.sign_in(cast.colleague["name"])
    for path in (
        f"{cast.session_path}/effets",
        f"/etudiants/{cast.student['student_id']}/transfert/effets",
        f"/journal/{cast.session['session_id']}/direct",
        "/retards/direct",
    ):
        answer = visitor.context.request.get(path)
        assert answer.status == 403, path
        assert cast.student["name"] not in answer.text()


def test_a_page_out_of_sight_gives_its_connection_back_until_it_is_seen_again(
    relais: RunningRelais, visitors: Visitors
) -> None:
    visitor = visitors()
    visitor.sign_in("Support")
    visitor.page.goto("/retards")
    eventually(lambda: streams(relais) == 1, within_s=10)
    for hidden, left in (("true", 0), ("false", 1)):  # A browser without a window shows each of its pages: told so.
        visitor.page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        eventually(lambda left=left: streams(relais) == left, within_s=10)  # type: ignore[misc]
