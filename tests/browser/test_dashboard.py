"""The mentor's dashboard: what needs them stands first, and leads to where it is done."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import IN_TWO_WAYS, WAYS, Visitors, Way
from tests.browser.test_absences import declare, in_days, is_planned
from tests.browser.test_journeys import Cast
from tests.journeys.school import School, at, eventually


@IN_TWO_WAYS
@pytest.mark.rule("S1", "T17")
def test_what_needs_the_mentor_stands_first_and_leads_there(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=at(hours=-3))
    missed = school.session(cast.student, in_days(6))
    school.ok("POST", f"/sessions/{missed['session_id']}/cancellation", {"reason": "student_early"}, role="support")
    away = school.session(cast.student, in_days(9))
    eventually(lambda: is_planned(school, away, cast.mentor), within_s=10)
    page = visitors.come(way, cast.mentor["name"]).page
    declare(page, way, in_days(8), in_days(11))
    page.goto("/")
    tasks = page.locator("#attend + .rows")
    expect(tasks.locator("li").first).to_contain_text(way.say("Un étudiant sans solution pour votre absence"))
    name = cast.student["name"]
    expect(tasks).to_contain_text(way.say("%(name)s : session à documenter", name=name))
    tasks.get_by_role("link", name=way.say("Elle a eu lieu") + f", {name}").click()
    page.get_by_role("button", name=way.say("Confirmer")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("C'est noté : la session a eu lieu."))
    expect(tasks).not_to_contain_text(way.say("%(name)s : session à documenter", name=name))


@pytest.mark.rule("T2")
def test_a_student_without_a_session_this_week_is_named(school: School, visitors: Visitors) -> None:
    cast = Cast(school, starts_at=at(days=8))
    page = visitors.come(WAYS[0], cast.mentor["name"]).page
    task = page.get_by_role("link", name=f"Planifiez une session avec {cast.student['name']}")
    eventually(lambda: page.reload() and task.count() == 1, within_s=10)
    task.click()
    expect(page.get_by_label("Étudiant")).to_have_value(cast.student["student_id"])
