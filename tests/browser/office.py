"""What the tests of the school's teams share: sessions that were held, files that were taken, pages that are well."""

from datetime import datetime
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.browser.conftest import Visitor
from tests.browser.test_journeys import Cast
from tests.journeys.school import School, eventually


def documented(school: School, starts_at: datetime) -> Cast:
    """A cast whose session was held, with its line and its entry in the file."""
    cast = Cast(school, starts_at=starts_at)
    school.ok("POST", f"{cast.session_path}/completion", {})
    month = f"/mentors/{cast.mentor['mentor_id']}/statements/{starts_at:%Y-%m}"
    eventually(lambda: school.ok("GET", month)["lines"], within_s=10)
    eventually(lambda: school.ok("GET", f"/students/{cast.student['student_id']}/attendance")["weeks"], within_s=10)
    return cast


def is_open_to_everybody(visitor: Visitor, *rules: str) -> None:
    assert visitor.barriers(*rules) == []
    assert not visitor.overflows()
    assert visitor.weight_bytes() <= 100_000


def taken(page: Page, link: Locator, extension: str) -> bytes:
    """The file that a link gives, under a name that people recognise."""
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith(f".{extension}")
    return Path(download.value.path()).read_bytes()
