"""French and English: catalogues read from .po files at start; numbers, dates and money as readers write them.

The French texts stand in the templates and are the message ids, so French can miss none; `locale/en` translates them.
"""

import io
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from gettext import NullTranslations
from pathlib import Path
from typing import Final, Literal
from unicodedata import combining, normalize
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date, format_datetime, format_time, format_timedelta, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from babel.support import Translations

Code = Literal["fr", "en"]
CODES: Final[tuple[Code, ...]] = ("fr", "en")
# English as Europe writes it: day before month, 24 hours, Monday first.
LOCALES: Final[Mapping[Code, str]] = {"fr": "fr_FR", "en": "en_GB"}
LOCALE_DIR: Final = Path(__file__).parent.parent / "locale"

_NARROW_NBSP: Final = "\u202f"
_NBSP: Final = "\u00a0"


@lru_cache(maxsize=4096)
def french_spaces(text: str) -> str:
    """Puts the spaces that never break where French typography asks for them."""
    text = re.sub(r" (?=[;!?])", _NARROW_NBSP, text)
    text = re.sub(r" (?=[:»]|%(?!\())", _NBSP, text)
    text = re.sub(r"(?<=\d) (?=(?:h|min|s|j|kB)\b)", _NBSP, text)
    return text.replace("« ", "«" + _NBSP)


class _FrenchTranslations(NullTranslations):
    def gettext(self, message: str) -> str:
        return french_spaces(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return french_spaces(msgid1 if abs(n) < 2 else msgid2)


def read_catalogue(code: Code) -> NullTranslations:
    """The catalogue of a language, compiled in memory from its .po file: no build step."""
    if code == "fr":
        return _FrenchTranslations()
    path = LOCALE_DIR / code / "LC_MESSAGES" / "messages.po"
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return Translations(compiled)


_FIRST: Final = re.compile(r"(?<!\d)1(?= \w)")


def sort_key(name: str) -> str:
    """Names in the order in which readers look for them: accents and capitals aside."""
    return "".join(one for one in normalize("NFKD", name.casefold()) if not combining(one))


@cache
def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("Europe/Paris")


class Language:
    """How one language says and writes things. ``school_zone``: the zone that goes without saying."""

    def __init__(self, code: Code, school_zone: str) -> None:
        self.code: Code = code
        self.locale = LOCALES[code]
        self.school_zone = school_zone
        self.translations = read_catalogue(code)

    def say(self, message: str, **values: object) -> str:
        said = self.translations.gettext(message)
        return said % values if values else said

    def say_many(self, one: str, many: str, n: int, **values: object) -> str:
        return self.translations.ngettext(one, many, n) % {"num": self.number(n), **values}

    def typeset(self, sentence: str) -> str:
        """A sentence of a service, with the spaces that its language asks for."""
        return french_spaces(sentence) if self.code == "fr" else sentence

    # Instants are UTC; a person reads them in the zone of what they belong to.

    def local(self, instant: datetime, zone: str | None = None) -> datetime:
        return instant.astimezone(zone_of(zone or self.school_zone))

    def _date(self, day: date, shape: str) -> str:
        """In French the first of a month is « 1er », which the locale's patterns do not know."""
        written = format_date(day, shape, locale=self.locale)
        return _FIRST.sub("1er", written) if self.code == "fr" else written

    def day(self, instant: datetime, zone: str | None = None) -> str:
        """mardi 24 novembre 2026"""
        return self._date(self.local(instant, zone).date(), "full")

    def short_day(self, instant: datetime, zone: str | None = None) -> str:
        """mar. 24 nov."""
        return self._date(self.local(instant, zone).date(), "EEE d MMM")

    def clock(self, instant: datetime, zone: str | None = None) -> str:
        """14:30, and the zone's city where it is not the school's."""
        local = self.local(instant, zone)
        written = format_time(local, "HH:mm" if local.second == 0 else "HH:mm:ss", locale=self.locale)
        if not zone or local.utcoffset() == self.local(instant).utcoffset():
            return written
        return f"{written} ({self.zone_name(zone)})"

    def moment(self, instant: datetime, zone: str | None = None) -> str:
        """mardi 24 novembre 2026 à 14:30"""
        return self.say("%(day)s à %(clock)s", day=self.day(instant, zone), clock=self.clock(instant, zone))

    def short_moment(self, instant: datetime, zone: str | None = None) -> str:
        """24/11/2026 14:30"""
        return format_datetime(self.local(instant, zone).replace(tzinfo=None), "dd/MM/y HH:mm", locale=self.locale)

    def zone_name(self, zone: str) -> str:
        return get_timezone_location(zone_of(zone), locale=self.locale, return_city=True)

    def from_now(self, instant: datetime, now: datetime) -> str:
        """dans 3 jours, il y a 2 heures"""
        return format_timedelta(instant - now, add_direction=True, locale=self.locale, threshold=1.2)

    def duration(self, minutes: int) -> str:
        hours, rest = divmod(minutes, 60)
        if not hours:
            return f"{minutes}{_NBSP}min"
        return f"{hours}{_NBSP}h" + (f"{_NBSP}{rest:02d}" if rest else "")

    def lasting(self, seconds: float) -> str:
        """12 secondes, 3 minutes, 2 heures"""
        return format_timedelta(timedelta(seconds=round(seconds)), locale=self.locale, threshold=1.2)

    def hours(self, hours: int) -> str:
        """4 j 15 h"""
        days, rest = divmod(hours, 24)
        return f"{days}{_NBSP}{'j' if self.code == 'fr' else 'd'} " * bool(days) + f"{rest}{_NBSP}h"

    def full_date(self, day: date) -> str:
        """jeudi 3 décembre 2026"""
        return self._date(day, "full")

    def day_of_week(self, day: date) -> str:
        """lun. 23 nov."""
        return self._date(day, "EEE d MMM")

    def days(self, first: date, last: date) -> tuple[str, str]:
        """Two days, the first without what both have in common: jeudi 3, dimanche 13 décembre 2026."""
        shape = "EEEE d MMMM y" if first.year != last.year else "EEEE d MMMM" if first.month != last.month else "EEEE d"
        return self._date(first, shape), self.full_date(last)

    def date(self, day: date) -> str:
        return self._date(day, "long")

    def weekday(self, number: int) -> str:
        """1 → lundi"""
        return self._date(date(2024, 1, number), "EEEE")

    def month(self, month: str) -> str:
        """2026-11 → novembre 2026"""
        return self._date(date.fromisoformat(f"{month}-01"), "MMMM y")

    def short_month(self, month: str) -> str:
        """2026-11 → nov."""
        return self._date(date.fromisoformat(f"{month}-01"), "MMM")

    def week(self, week: str) -> str:
        """2026-W47 → 16 – 22 nov. 2026"""
        monday = monday_of(week)
        sunday = monday + timedelta(days=6)
        first = "d MMM y" if monday.year != sunday.year else "d MMM" if monday.month != sunday.month else "d"
        return f"{self._date(monday, first)} – {self._date(sunday, 'd MMM y')}"

    def money(self, cents: int, currency: str = "EUR") -> str:
        return format_currency(Decimal(cents) / 100, currency, locale=self.locale)

    def number(self, value: int) -> str:
        return format_decimal(value, locale=self.locale)

    def percent(self, percent: int) -> str:
        return format_percent(Decimal(percent) / 100, locale=self.locale)


def monday_of(week: str) -> date:
    """The Monday of an ISO week written 2026-W47."""
    year, number = week.split("-W")
    return date.fromisocalendar(int(year), int(number), 1)


def week_of(day: date) -> str:
    year, number, _ = day.isocalendar()
    return f"{year}-W{number:02d}"


def from_local(text: str, zone: str) -> datetime:
    """The instant of a local date and time as a form sends it (2026-11-24T14:30), in a zone.

    An hour that a change to summer time leaves out is read as the hour after it; one that comes twice, as its first.
    """
    local = datetime.fromisoformat(text)
    if local.tzinfo is not None:
        return local.astimezone(UTC)
    return local.replace(tzinfo=zone_of(zone)).astimezone(UTC)


def to_local_field(instant: datetime, zone: str) -> str:
    """An instant as the value of a form's date and time field."""
    return instant.astimezone(zone_of(zone)).strftime("%Y-%m-%dT%H:%M")
