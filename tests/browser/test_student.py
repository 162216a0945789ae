"""What a student finds: what happened to their sessions, who accompanies them, their own file, their preferences."""

from datetime import datetime

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import IN_FOUR_WAYS, IN_THE_OTHER_TWO_WAYS, Visitors, Way
from tests.browser.test_absences import in_days, is_planned
from tests.browser.test_journeys import Cast
from tests.journeys.school import School, at, eventually


@IN_FOUR_WAYS
@pytest.mark.rule("S6", "S7", "T10", "T16")
def test_a_student_reads_what_happened_who_accompanies_them_and_who_comes_after(
    school: School, visitors: Visitors, way: Way
) -> None:
    cast = Cast(school, starts_at=at(days=2))
    cancellation = {"reason": "other", "note": "Je suis souffrante.", "cause": "mentor"}
    school.ok("POST", f"{cast.session_path}/cancellation", cancellation, role="mentor")
    coming = school.session(cast.student, in_days(5))
    eventually(lambda: is_planned(school, coming, cast.mentor), within_s=10)
    days = {"from": in_days(4).strftime("%Y-%m-%d"), "to": in_days(8).strftime("%Y-%m-%d")}
    absence = school.ok("POST", f"/mentors/{cast.mentor['mentor_id']}/absences", days, role="mentor")
    handed = {"mentor_email": cast.colleague["email"], "absence_id": absence["absence_id"]}
    school.ok("POST", f"/students/{cast.student['student_id']}/transfer", handed, role="mentor")
    path = f"/sessions/{coming['session_id']}"
    eventually(lambda: school.ok("GET", path)["mentor_id"] == cast.colleague["mentor_id"], within_s=10)

    page = visitors.come(way, cast.student["name"], student=True).page
    main = page.locator("main")
    expect(main).to_contain_text(way.say("%(name)s prend le relais.", name=cast.colleague["name"]))
    expect(main.locator(".notice")).to_contain_text(cast.mentor["name"])
    expect(page.get_by_role("link", name=cast.colleague["email"])).to_be_visible()
    page.locator(f"a[href='{path}']").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(cast.colleague["name"])

    page.goto(cast.session_path)
    expect(main).to_contain_text("Je suis souffrante.")
    expect(main).to_contain_text(
        way.say("Cette session peut être rattrapée : convenez d'une nouvelle date avec votre mentor.")
    )
    expect(main).not_to_contain_text(way.say("Ce que cela a causé"))

    page.get_by_role("link", name=way.say("Mon assiduité")).click()
    expect(page.locator("table")).to_contain_text(way.say("Absence excusée"))
    expect(page.locator("svg.heat[role=img] rect.excused")).to_have_count(1)
    refused = page.goto(f"/etudiants/{cast.student['student_id']}/commentaires")
    assert refused is not None
    assert refused.status == 403
    expect(page.get_by_role("heading", level=1)).to_contain_text(way.say("Cette page ne vous est pas destinée"))


def language_of_a_letter(school: School, cast: Cast, starts_at: datetime) -> str:
    """Moves the session, and reads what the student was written about it."""
    moved = {"starts_at": starts_at.isoformat(), "requested_by": "mentor"}
    school.ok("POST", f"{cast.session_path}/reschedule", moved, role="mentor")
    event_id = school.ok("GET", f"{cast.session_path}/history")["items"][-1]["event_id"]
    [email] = eventually(lambda: school.ok("GET", f"/emails?event_id={event_id}&state=sent")["items"], within_s=10)
    return str(email["language"])


@IN_THE_OTHER_TWO_WAYS
def test_a_student_chooses_the_language_of_the_pages_and_of_the_emails(
    school: School, visitors: Visitors, way: Way
) -> None:
    cast = Cast(school, starts_at=at(days=2))
    page = visitors.come(way, cast.student["name"], student=True).page
    page.get_by_role("link", name=way.say("Mon compte")).click()
    emails = page.get_by_role("group", name=way.say("Langue des e-mails"))
    expect(emails.get_by_role("radio", name="Français")).to_be_checked()
    emails.get_by_role("radio", name="English").check()
    page.get_by_role("button", name=way.say("Enregistrer mes préférences")).click()
    expect(page.get_by_role("status")).to_contain_text(way.say("Vos préférences sont enregistrées."))
    expect(emails.get_by_role("radio", name="English")).to_be_checked()
    expect(page.locator("html")).to_have_attribute("lang", way.language)

    account = {name: value for name, value in cast.student.items() if name != "student_id"}
    school.ok("PUT", f"/students/{cast.student['student_id']}", account, role="directory")
    hours = iter(range(1, 20))
    eventually(lambda: language_of_a_letter(school, cast, at(days=3, hours=next(hours))) == "en", within_s=20)
