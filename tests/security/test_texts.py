"""What people type never becomes code: on pages, in e-mails, in spreadsheets, in headers."""

import html
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from tests.conftest import RunningRelais
from tests.journeys.school import School
from tests.security.conftest import MARK, Hostile, Tried
from tests.signed_in import signed_in

PAGES_AT_MOST = 120


def pages_of(relais: RunningRelais, person: str) -> dict[str, str]:
    """Every page that this person reaches by links, with its source."""
    browser = signed_in(relais, person)
    found: dict[str, str] = {}
    waiting = ["/"]
    while waiting and len(found) < PAGES_AT_MOST:
        path = waiting.pop(0)
        if path in found:
            continue
        answer = browser.get(path)
        if "html" not in answer.headers.get("content-type", ""):
            found[path] = ""
            continue
        found[path] = answer.text
        for link in re.findall(r'(?:href|action)="([^"]+)"', answer.text):
            there = urlsplit(urljoin(str(answer.url), html.unescape(link)))
            inside = there.netloc == urlsplit(relais.url).netloc and not there.path.startswith(("/static", "/docs"))
            if inside and "deconnexion" not in there.path and "/evenements" not in there.path:
                waiting.append(there.path + (f"?{there.query}" if there.query else ""))
    return {path: text for path, text in found.items() if text}


@pytest.mark.parametrize("who", ["mentor", "student", "support", "billing", "training"])
def test_no_text_becomes_code_on_any_page(relais: RunningRelais, hostile: Hostile, tried: Tried, who: str) -> None:
    ids = {"mentor": hostile.mentor["mentor_id"], "student": hostile.student["student_id"]}
    pages = pages_of(relais, f"{who}:{ids.get(who, '')}")
    shown = {path: text for path, text in pages.items() if MARK in text}
    assert shown, f"{who} never saw a hostile text on {sorted(pages)}"
    for path, text in shown.items():
        safe = not re.search(r"<script(?! src=)|<img src=x|onerror=alert\(1\)>|\}\}</title>", text)
        tried.note("XSS: pages with hostile texts", refused=safe)
        assert safe, f"{who} {path}"
        assert "{{7*7}}" in text or "49</title>" not in text


def test_no_text_becomes_code_in_an_email(hostile: Hostile, tried: Tried) -> None:
    emails = hostile.school.ok("GET", f"/emails?to={hostile.student['email']}")["items"]
    assert any(MARK in (email["html"] or "") for email in emails)
    for email in emails:
        safe = "<script" not in (email["html"] or "") and "<img src=x" not in (email["html"] or "")
        tried.note("XSS: e-mails", refused=safe)
        assert safe


LINE_BREAKS = (
    "\r\nBcc: x@evil.example",
    "\nX-Injected: 1",
    "\r<script>",
    "\u2028Bcc: x@evil.example",
    "\x00",
    "\x1b[2J",
)


@pytest.mark.parametrize("text", LINE_BREAKS, ids=repr)
@pytest.mark.parametrize("where", ["name", "email", "path"])
def test_no_text_becomes_a_header(school: School, tried: Tried, where: str, text: str) -> None:
    """A name stands in e-mails' subjects, an address in their headers."""
    mentor = school.mentor()
    student = school.student(mentor)
    changed: dict[str, Any] = {where: f"Ada{text}" if where != "email" else f"ada@example.org{text}"}
    body = {name: value for name, value in student.items() if name != "student_id"} | changed
    answer = school.call("PUT", f"/students/{student['student_id']}", body, role="directory")
    if answer.is_success:  # Then as one line of plain text.
        assert not re.search(r"[\r\n\x00-\x08\x1b]", answer.json()[where]), answer.json()[where]
        session = school.session(student, datetime.now(UTC).replace(microsecond=0))
        note = {"reason": "other", "cause": "student", "note": "Bonjour"}
        school.call("POST", f"/sessions/{session['session_id']}/cancellation", note)
    else:
        assert answer.status_code == 422
    tried.note("header injection: names, addresses, paths", refused=True)
