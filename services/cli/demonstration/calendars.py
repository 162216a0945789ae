"""A mentor's calendar in the demonstration school, as Google Calendar or Outlook exports it."""

from datetime import datetime, time

from services.cli.demonstration.school import DAY, HOUR, WEEKS_AHEAD, ZONE, Mentor, School, Student, start_of
from services.cli.importing.cells import plain


def calendar(school: School, mentor: Mentor, *, outlook: bool) -> str:
    """The mentor's next two weeks as Google Calendar or Outlook export them: series, one moved and one cancelled."""
    zone = "Romance Standard Time" if outlook else "Europe/Paris"
    stamp = f"{school.now:%Y%m%dT%H%M%SZ}"
    lines = [
        "BEGIN:VCALENDAR",
        f"PRODID:-//{'Microsoft Corporation//Outlook 16.0' if outlook else 'Google Inc//Google Calendar'} 70.9054//EN",
        "VERSION:2.0",
        "CALSCALE:GREGORIAN",
        *([] if outlook else [f"X-WR-CALNAME:{mentor.email}", "X-WR-TIMEZONE:Europe/Paris"]),
        *_zone_lines(zone),
    ]
    students = [each for each in school.students if each.mentor_at(school.now) is mentor]
    for index, student in enumerate(students):
        first = start_of(school, student, 1)
        if first is None:
            continue
        base = [f"UID:{plain(student.name)}-{school.monday:%Y%m%d}@example.org", f"DTSTAMP:{stamp}"]
        people = [
            f"ORGANIZER;CN={mentor.name}:mailto:{mentor.email}",
            f"ATTENDEE;ROLE=REQ-PARTICIPANT;CN={student.name}:mailto:{student.email}",
        ]
        changed = f"LAST-MODIFIED:{stamp}"
        lines += ["BEGIN:VEVENT", *base, *_times(first, student, zone), f"RRULE:FREQ=WEEKLY;COUNT={WEEKS_AHEAD}"]
        lines += [*people, f"SUMMARY:Session de mentorat – {student.name}", "END:VEVENT"]
        second = start_of(school, student, 2)
        assert second is not None
        original = f"RECURRENCE-ID;TZID={zone}:{second.astimezone(ZONE):%Y%m%dT%H%M%S}"
        if index % 6 == 1:
            lines += ["BEGIN:VEVENT", *base, original, *_times(second + DAY + HOUR / 2, student, zone)]
            lines += [changed, *people, "SUMMARY:Session de mentorat (déplacée)", "END:VEVENT"]
        elif index % 6 == 4:
            lines += ["BEGIN:VEVENT", *base, original, *_times(second, student, zone)]
            lines += [changed, *people, "STATUS:CANCELLED", "SUMMARY:Session de mentorat", "END:VEVENT"]
    lunch = school.at(1, 2, time(12, 30)).astimezone(ZONE)
    lines += ["BEGIN:VEVENT", f"UID:dejeuner-{school.monday:%Y%m%d}@example.org", f"DTSTAMP:{stamp}"]
    lines += [f"DTSTART;TZID={zone}:{lunch:%Y%m%dT%H%M%S}", "SUMMARY:Déjeuner", "END:VEVENT", "END:VCALENDAR"]
    return "".join(f"{_folded(line)}\n" for line in lines)


def _times(starts_at: datetime, student: Student, zone: str) -> list[str]:
    start = starts_at.astimezone(ZONE)
    end = (starts_at + student.duration).astimezone(ZONE)
    return [f"DTSTART;TZID={zone}:{start:%Y%m%dT%H%M%S}", f"DTEND;TZID={zone}:{end:%Y%m%dT%H%M%S}"]


def _zone_lines(zone: str) -> list[str]:
    return [
        *("BEGIN:VTIMEZONE", f"TZID:{zone}"),
        *("BEGIN:DAYLIGHT", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "DTSTART:19700329T020000"),
        *("RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", "END:DAYLIGHT"),
        *("BEGIN:STANDARD", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0100", "DTSTART:19701025T030000"),
        *("RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "END:STANDARD", "END:VTIMEZONE"),
    ]


def _folded(line: str) -> str:
    """Folded at 70 characters, as RFC 5545 asks of long lines (its 75 octets, some letters having two)."""
    return "\n ".join(line[begin : begin + 70] for begin in range(0, len(line), 70))
