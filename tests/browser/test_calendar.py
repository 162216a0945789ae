"""A calendar to subscribe to: a link of one's own, opened without signing in, changed and turned off."""

import httpx
from icalendar import Calendar
from playwright.sync_api import expect

from tests.browser.conftest import IN_THE_OTHER_TWO_WAYS, Visitors, Way
from tests.browser.test_absences import in_days
from tests.browser.test_journeys import Cast
from tests.journeys.school import School, eventually


def entries(address: str) -> list[str]:
    answer = httpx.get(address)
    assert answer.headers["content-type"].startswith("text/calendar")
    return [str(entry["uid"]) for entry in Calendar.from_ical(answer.text).walk("VEVENT")]


@IN_THE_OTHER_TWO_WAYS
def test_mentor_and_student_subscribe_to_their_sessions(school: School, visitors: Visitors, way: Way) -> None:
    cast = Cast(school, starts_at=in_days(3))
    expected = f"{cast.session['session_id']}@relais"
    for name, is_student in ((cast.mentor["name"], False), (cast.student["name"], True)):
        page = visitors.come(way, name, student=is_student).page
        page.goto("/sessions")
        page.get_by_role("link", name=way.say("Dans mon agenda")).click()
        page.get_by_role("button", name=way.say("Créer mon adresse")).click()
        address = page.get_by_label(way.say("Adresse de votre agenda")).input_value()
        assert address.startswith(school.relais.url + "/agenda/")
        eventually(lambda address=address: expected in entries(address), within_s=10)  # type: ignore[misc]

        page.get_by_role("button", name=way.say("Changer d'adresse")).click()
        changed = page.get_by_label(way.say("Adresse de votre agenda")).input_value()
        assert changed != address
        assert httpx.get(address).status_code == 404
        assert entries(changed) == [expected]
        page.get_by_role("button", name=way.say("Désactiver")).click()
        expect(page.get_by_role("status")).to_contain_text(way.say("Le lien n'ouvre plus rien."))
        assert httpx.get(changed).status_code == 404
