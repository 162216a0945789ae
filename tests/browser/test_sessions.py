"""One session after another: moved with open eyes, made up for, put back; and the third of a session, to the second."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import IN_FOUR_WAYS, IN_THE_OTHER_TWO_WAYS, Visitors, Way
from tests.browser.test_absences import in_days
from tests.browser.test_journeys import Cast
from tests.journeys.school import School, at, eventually


@IN_FOUR_WAYS
@pytest.mark.rule("S9", "T2")
def test_a_move_says_first_what_it_runs_into_and_can_be_taken_back(
    school: School, visitors: Visitors, way: Way
) -> None:
    cast = Cast(school, starts_at=in_days(3))
    other = school.student(cast.mentor, name="Ines Aubry")
    busy = school.session(other, in_days(10, hour=11))
    eventually(
        lambda: any(
            one["session_id"] == busy["session_id"]
            for one in school.ok("GET", f"/sessions?mentor_id={cast.mentor['mentor_id']}")["items"]
        ),
        within_s=10,
    )
    page = visitors.come(way, cast.mentor["name"]).page
    page.goto(f"{cast.session_path}/deplacer")
    page.locator("#day").fill(in_days(10).strftime("%Y-%m-%d"))
    page.locator("#hour").fill("11:15")
    page.locator("input[name=requested_by][value=student]").check()
    page.get_by_role("button", name=way.say("Déplacer la session")).click()
    warned = page.get_by_role("alert")
    expect(warned).to_contain_text("Ines Aubry")
    expect(warned).to_contain_text(
        way.say("la semaine d'origine reste sans session, alors que chaque étudiant en a une par semaine")
    )
    assert cast.now()["version"] == 1

    page.get_by_role("button", name=way.say("Déplacer quand même")).click()
    expect(page.locator("h1 + .lead")).to_contain_text("11:15")
    page.get_by_role("button", name=re.compile("^" + way.say("Remettre au %(before)s", before=""))).click()
    expect(page.locator("h1 + .lead")).to_contain_text("10:00")
    assert cast.now()["version"] == 3


@IN_THE_OTHER_TWO_WAYS
@pytest.mark.rule("S3", "T6", "T8")
def test_a_missed_session_is_made_up_for_and_both_say_so(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=in_days(4))
    school.ok("POST", f"{cast.session_path}/cancellation", {"reason": "student_early"}, role="mentor")
    page = visitors.come(way, cast.mentor["name"]).page
    page.goto(cast.session_path)
    page.get_by_role("link", name=way.say("Planifier le rattrapage")).click()
    page.get_by_label(way.say("Date et heure")).fill(in_days(6).strftime("%Y-%m-%dT15:30"))
    page.get_by_role("button", name=way.say("Planifier le rattrapage")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("Le rattrapage est planifié."))
    page.locator(".facts a[href^='/sessions/']").click()
    expect(page.locator(".facts")).to_contain_text(way.say("Rattrapée par"))
    page.goto(f"{cast.session_path}/rattraper")
    expect(page.locator("main")).to_contain_text(way.say("Cette session est déjà rattrapée."))

    student = visitors.come(way, cast.student["name"], student=True).page
    student.goto(cast.session_path)
    expect(student.locator("main")).to_contain_text(
        way.say("Cette session est rattrapée : une autre est prévue à sa place.")
    )


@pytest.mark.rule("S5")
def test_the_no_show_opens_at_the_third_without_anybody_touching_the_page(school: School, visitors: Visitors) -> None:
    third = timedelta(minutes=5)
    cast = Cast(school, starts_at=at(hours=2))
    started = school.session(cast.student, at() - third + timedelta(seconds=9), duration_minutes=15)
    visitor = visitors()
    page = visitor.page
    visitor.sign_in(cast.mentor["name"])
    page.goto(f"/sessions/{started['session_id']}")
    expect(page.locator(".countdown")).to_have_text(re.compile(r"dans \d s"))
    page.get_by_role("link", name="L'étudiant ne s'est pas présenté").click(timeout=15_000)
    expect(page.get_by_role("radio", name=re.compile("ne s'est pas présenté"))).to_be_checked()
    page.get_by_role("button", name="Enregistrer le motif").click()
    expect(page.get_by_role("status")).to_contain_text("C'est noté : l'étudiant ne s'est pas présenté.")
    expect(page.get_by_role("link", name="Demander au support de le corriger")).to_have_attribute(
        "href", re.compile("^mailto:support@")
    )
