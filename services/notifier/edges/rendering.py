"""Letters in words: a template a kind and language gives subject and content, two layouts make text and HTML of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_timezone_location
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from services.notifier.domain.letter import Person

TEMPLATES = Path(__file__).parent.parent / "templates"
LOCALES: Mapping[str, str] = {"fr": "fr_FR", "en": "en_GB"}
WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "greeting": "Bonjour {name},",
        "colon": "\u00a0:",
        "signature": "Relais, le suivi du mentorat. Ce message est automatique.",
    },
    "en": {
        "greeting": "Hello {name},",
        "colon": ":",
        "signature": "Relais, mentoring administration. This message is automatic.",
    },
}
WHICH_OF_TWO: Mapping[str, Mapping[bool, str]] = {
    "fr": {True: "d’été ", False: "d’hiver "},
    "en": {True: "summer ", False: "winter "},
}
"""Said only of a time that comes twice, by whether it is summer time."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An e-mail in the recipient's language."""

    recipient: str
    language: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as people read it: « jeudi 19 novembre 2026 », « 18 h 00 », and both with the zone's city.

    In the night when clocks go back, 2:30 comes twice: ``whole`` says which of the two.
    """

    day: str
    time: str
    whole: str


class Renderer:
    """Renders letters; times are shown in the mentor's time zone, or in ``zone`` where the letter has no mentor."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._templates = _environment()

    def render(
        self, template: str, recipient: Person, people: Mapping[str, Person], facts: Mapping[str, Any]
    ) -> Rendered:
        """``people`` by their part in the letter (student, mentor, …). Raises jinja2.TemplateError, ValueError."""
        language = recipient.language
        words = WORDS[language]
        mentor = people.get("mentor")
        zone = ZoneInfo(mentor.timezone) if mentor and mentor.timezone else self._zone
        said = {name: _said(name, value, language, zone) for name, value in facts.items()}
        named = {part: {"name": _one_line(person.name), "email": person.email} for part, person in people.items()}
        students = [person["name"] for part, person in named.items() if part.startswith("student_")]
        said |= {"students": ", ".join(sorted(students, key=str.casefold)), "students_count": len(students)}
        content: Any = self._templates.get_template(f"{language}/{template}.jinja").make_module({**said, **named})
        parts = {
            "language": language,
            "subject": _one_line(content.subject),
            "greeting": words["greeting"].format(name=_one_line(recipient.name)),
            "paragraphs": content.paragraphs,
            "details": content.details,
            "quote": getattr(content, "quote", None),
            "closing": content.closing,
            "colon": words["colon"],
            "signature": words["signature"],
        }
        return Rendered(
            recipient=recipient.email,
            language=language,
            subject=parts["subject"],
            text=self._templates.get_template("layout.txt.jinja").render(parts),
            html=self._templates.get_template("layout.html.jinja").render(parts),
        )


def moment(instant: datetime, language: str, zone: ZoneInfo) -> Moment:
    """``instant`` in ``zone``, as a reader of ``language`` writes it."""
    local = instant.astimezone(zone)
    city = get_timezone_location(zone, locale=LOCALES[language], return_city=True)
    day = spoken_day(local.date(), language)
    which = WHICH_OF_TWO[language][bool(local.dst())] if _comes_twice(local) else ""
    if language == "fr":
        time = f"{local.hour}\u00a0h\u00a0{local.minute:02}"
        of_city = f"d’{city}" if city[0].lower() in "aeéèiouyh" else f"de {city}"
        return Moment(day, time, f"{day} à {time} (heure {which}{of_city})")
    time = format_time(local, "HH:mm", locale=LOCALES[language])
    return Moment(day, time, f"{day} at {time} ({city} {which}time)")


def _comes_twice(local: datetime) -> bool:
    """Whether clocks show this time twice, since they go back that night."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def spoken_day(day: date, language: str) -> str:
    """« dimanche 1er novembre 2026 », "Sunday 1 November 2026"."""
    if language == "fr" and day.day == 1:
        return format_date(day, "EEEE '1er' MMMM y", locale=LOCALES[language])
    return format_date(day, "EEEE d MMMM y", locale=LOCALES[language])


def _said(name: str, value: Any, language: str, zone: ZoneInfo) -> Any:
    if value is not None and name.endswith("_at"):
        return moment(datetime.fromisoformat(value), language, zone)
    if value is not None and name.endswith("_on"):
        return spoken_day(date.fromisoformat(value), language)
    return value


def _one_line(text: str) -> str:
    """Names and subjects go into headers, where a line break would begin a header of the sender's choice."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _environment() -> Environment:
    escaped = select_autoescape(enabled_extensions=("html.jinja",))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=escaped,  # noqa: S701 - only text goes unescaped, by the names of its templates
        undefined=StrictUndefined,
    )
    environment.filters["quoted"] = lambda text: "\n".join(f"> {line}" for line in str(text).splitlines())
    return environment
