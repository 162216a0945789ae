"""One cell of a table: text to a value, or a sentence that says what to write instead."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from services.cli.importing.rows import Cause, Funding, Reason, Side, TransferKind, Weekday

EMAIL = re.compile(r"[^@\s<>\"(),:;]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
FRENCH_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?!\d)(.*)", re.DOTALL)
FRENCH_HOUR = re.compile(r"(\d{1,2}) ?[hH] ?(\d{2})?$")
TEXT_MAX = 2_000
CAPACITY_MAX = 500
DURATION_MAX_MINUTES = 480

T = TypeVar("T")


class Unreadable(ValueError):
    """The cell can't be read; ``fr`` and ``en`` say what it should hold."""

    def __init__(self, fr: str, en: str) -> None:
        super().__init__(en)
        self.fr = fr
        self.en = en


def plain(text: str) -> str:
    """Lower case, no accents, anything between words one ``_``: how headers and choices are compared."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9+]+", "_", bare).strip("_")


def email(text: str) -> str:
    if not EMAIL.fullmatch(text) or len(text) > 254:
        raise Unreadable(
            f"« {text} » n’est pas une adresse e-mail : écrivez-la comme prenom.nom@example.org.",
            f"“{text}” is not an e-mail address: write it as first.last@example.org.",
        )
    return text.lower()


def words(text: str) -> tuple[str, ...]:
    """Several values in one cell, between ``|``."""
    return tuple(dict.fromkeys(part.strip() for part in text.split("|") if part.strip()))


def short_text(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise Unreadable(f"Raccourcissez ce texte à {TEXT_MAX} caractères.", f"Shorten this to {TEXT_MAX} characters.")
    return text


def whole_number(text: str, *, least: int, most: int) -> int:
    if not re.fullmatch(r"\d{1,6}", text) or not least <= int(text) <= most:
        raise Unreadable(
            f"« {text} » : écrivez un nombre entier de {least} à {most}.",
            f"“{text}”: write a whole number from {least} to {most}.",
        )
    return int(text)


def capacity(text: str) -> int:
    return whole_number(text, least=0, most=CAPACITY_MAX)


def duration_minutes(text: str) -> int:
    return whole_number(text, least=1, most=DURATION_MAX_MINUTES)


@lru_cache(maxsize=1_000)
def zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise Unreadable(
            f"Le fuseau horaire « {text} » est inconnu : écrivez-le comme Europe/Paris.",
            f"The time zone “{text}” is unknown: write it as Europe/Paris.",
        ) from None


def instant(text: str, where: ZoneInfo) -> datetime:
    """``2026-11-16 18:00``, ``16/11/2026 18:00``, ``16.11.26 18h00`` (local time) or RFC 3339; in UTC.

    Of an hour that comes twice, when summer time ends, it is the first.
    """
    moment = _read(text)
    if moment is None:
        raise Unreadable(
            f"« {text} » n’est pas une date avec son heure : écrivez 2026-11-16 18:00 ou 16/11/2026 18:00.",
            f"“{text}” is not a date with its time: write 2026-11-16 18:00 or 2026-11-16T18:00:00+01:00.",
        )
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    utc = moment.replace(tzinfo=where).astimezone(UTC)
    if utc.astimezone(where).replace(tzinfo=None) != moment:
        raise Unreadable(
            f"« {text} » n’existe pas à {where.key} : cette nuit-là, l’heure d’été commence. Corrigez l’heure.",
            f"“{text}” does not exist in {where.key}: summer time begins that night. Mend the time.",
        )
    return utc


def _read(text: str) -> datetime | None:
    text = text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    if french := FRENCH_DATE.fullmatch(text):
        day, month, year, rest = french.groups()
        text = f"{_whole_year(year)}-{int(month):02}-{int(day):02}{rest}"
    day_part, _, hour_part = text.replace("T", " ", 1).partition(" ")
    if french := FRENCH_HOUR.fullmatch(hour_part.strip()):
        hour_part = f"{int(french[1]):02}:{french[2] or '00'}"
    if not hour_part.strip():
        return None
    if re.match(r"\d:", hour_part.strip()):
        hour_part = f"0{hour_part.strip()}"
    try:
        return datetime.fromisoformat(f"{day_part}T{hour_part.strip()}")
    except ValueError:
        return None


def day(text: str) -> date:
    try:
        if french := FRENCH_DATE.fullmatch(text):
            return date(_whole_year(french[3]), int(french[2]), int(french[1]))
        return date.fromisoformat(text)
    except ValueError:
        raise Unreadable(
            f"« {text} » n’est pas une date : écrivez 2026-11-16 ou 16/11/2026.",
            f"“{text}” is not a date: write 2026-11-16.",
        ) from None


def _whole_year(text: str) -> int:
    """A spreadsheet's short form of a date has two digits of it."""
    return int(text) if len(text) == 4 else 2_000 + int(text)


def one_of(text: str, choices: Mapping[str, T]) -> T:
    try:
        return choices[plain(text)]
    except KeyError:
        offered = ", ".join(dict.fromkeys(str(value) for value in choices.values()))
        raise Unreadable(
            f"« {text} » n’est pas prévu ici : écrivez l’un de {offered}.",
            f"“{text}” is not one of {offered}.",
        ) from None


def _choices(spoken: Mapping[T, tuple[str, ...]]) -> dict[str, T]:
    return {plain(word): value for value, spellings in spoken.items() for word in (str(value), *spellings)}


FUNDINGS: Mapping[str, Funding] = _choices(
    {
        "third_party": ("Financé par un organisme tiers", "organisme tiers", "tiers"),
        "apprenticeship": ("En alternance", "alternance", "apprentissage"),
        "self_funded": ("Auto-financement", "Autofinancement", "auto-financé", "autofinancé"),
    }
)
WEEKDAYS: Mapping[str, Weekday] = _choices(
    {
        "monday": ("lundi",),
        "tuesday": ("mardi",),
        "wednesday": ("mercredi",),
        "thursday": ("jeudi",),
        "friday": ("vendredi",),
        "saturday": ("samedi",),
        "sunday": ("dimanche",),
    }
)
TRANSFER_KINDS: Mapping[str, TransferKind] = _choices(
    {
        "one_off": ("ponctuel", "one-off"),
        "return": ("retour",),
        "permanent": ("définitif", "permanent"),
    }
)
STATUSES: Mapping[str, str] = _choices(
    {
        "scheduled": ("planned", "planifiée", "prévue"),
        "held": ("réalisée", "tenue", "effectuée", "a eu lieu"),
        "cancelled": ("canceled", "annulée"),
        "no_show": ("no-show", "absence", "absent", "non présenté"),
    }
)
REASONS: Mapping[str, Reason] = _choices(
    {
        "student_early": ("L’étudiant a annulé plus de 24h avant le début de la session", "plus de 24h", "> 24h"),
        "student_late": ("L’étudiant a annulé moins de 24h avant le début de la session", "moins de 24h"),
        "student_no_show": ("L’étudiant ne s’est pas présenté à la session", "no-show", "absent"),
        "other": ("Autre",),
    }
)
CAUSES: Mapping[str, Cause] = _choices(
    {
        "mentor": (),
        "platform": ("plateforme",),
        "student": ("étudiant",),
        "force_majeure": ("force majeure",),
    }
)
SIDES: Mapping[str, Side] = _choices({"student": ("étudiant",), "mentor": ()})
LANGUAGES: Mapping[str, str] = _choices({"fr": ("français", "french"), "en": ("anglais", "english")})
KINDS: Mapping[str, str] = _choices(
    {"mentor": (), "student": ("étudiant", "étudiante"), "transfer": ("transfert", "relais")}
)
