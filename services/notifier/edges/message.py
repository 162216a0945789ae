"""One e-mail as it goes over the wire (RFC 5322): text, HTML, and an update of the recipient's calendar (RFC 5546)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any

from icalendar import Calendar, Event, vCalAddress, vText

from services.notifier.domain.letter import Person
from services.notifier.edges.rendering import Rendered

POLICY = SMTP.clone(max_line_length=78)


class Unaddressable(ValueError):
    """The recipient's address can't be written into a header."""


def compose(
    row: Mapping[str, Any], rendered: Rendered, recipient: Person, mentor: Person | None, *, sender: str
) -> EmailMessage:
    """The message of an e-mail's row. Raises Unaddressable."""
    message = EmailMessage(policy=POLICY)
    message["From"] = _address(*parseaddr(sender))
    message["To"] = _address(recipient.name, recipient.email)
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(row["created_at"])
    message["Message-ID"] = row["message_id"]
    message["Auto-Submitted"] = "auto-generated"
    message["X-Relais-Event-Id"] = str(row["event_id"])
    message.set_content(rendered.text)
    message.add_alternative(rendered.html, subtype="html")
    message["Content-Language"] = rendered.language
    if row["calendar"] is not None:
        update = _calendar(row, rendered, recipient, mentor, sender)
        message.add_alternative(update, subtype="calendar", params={"method": row["calendar"]})
    return message


def _address(name: str, email: str) -> Address:
    shown = " ".join("".join(character if character.isprintable() else " " for character in name).split())
    try:
        return Address(display_name=shown, addr_spec=email)
    except (ValueError, IndexError, TypeError) as error:
        raise Unaddressable(f"{email!r} is no e-mail address") from error


def _calendar(row: Mapping[str, Any], rendered: Rendered, recipient: Person, mentor: Person | None, sender: str) -> str:
    """The session as a calendar entry: moved with REQUEST, taken away with CANCEL."""
    facts = row["facts"]
    starts_at = datetime.fromisoformat(facts["starts_at"])
    entry = Event()
    entry.add("uid", f"{facts['session_id']}@relais")
    entry.add("sequence", row["event_sequence"])
    entry.add("dtstamp", row["created_at"])
    entry.add("dtstart", starts_at)
    entry.add("dtend", starts_at + timedelta(minutes=facts["duration_minutes"]))
    title = "Session de mentorat" if rendered.language == "fr" else "Mentoring session"
    entry.add("summary", f"{title} · {mentor.name}" if mentor else title)
    entry.add("status", "CANCELLED" if row["calendar"] == "CANCEL" else "CONFIRMED")
    organizer = vCalAddress(f"mailto:{parseaddr(sender)[1]}")
    organizer.params["CN"] = vText("Relais")
    entry.add("organizer", organizer)
    attendee = vCalAddress(f"mailto:{recipient.email}")
    attendee.params["RSVP"] = vText("FALSE")
    entry.add("attendee", attendee)
    calendar = Calendar()
    calendar.add("prodid", "-//Relais//notifier//FR")
    calendar.add("version", "2.0")
    calendar.add("method", row["calendar"])
    calendar.add_component(entry)
    text: str = calendar.to_ical().decode()
    return text
