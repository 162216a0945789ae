"""English is complete: each French text of the pages has its English one, and none is left over."""

import re
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from services.portal.edges.language import LOCALE_DIR, read_catalogue
from services.portal.edges.rendering import HERE

METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("edges/**.py", "python"), ("pages/**.py", "python")]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "say": None, "say_many": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)s")

Message = str | tuple[str, ...]


def used() -> dict[Message, str]:
    """Every text of the code and the templates, with the file that shows it."""
    found: dict[Message, str] = {}
    options = {"templates/**.html": {"trimmed": "true", "silent": "false"}}
    for file, line, message, _, _ in extract_from_dir(HERE, METHODS, options, KEYWORDS):
        found.setdefault(message, f"{file}:{line}")
    return found


def english() -> dict[Message, Message]:
    path = LOCALE_DIR / "en" / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        catalogue = read_po(file, locale="en")
    return {_key(message.id): _key(message.string or "") for message in catalogue if message.id}


def test_each_text_has_its_english_one() -> None:
    texts = english()
    missing = [f"{place} {message!r}" for message, place in used().items() if not texts.get(message)]
    assert missing == []


def test_no_translation_is_left_of_a_text_that_is_gone() -> None:
    assert english().keys() - used().keys() == set()


def test_translations_keep_their_placeholders() -> None:
    for french, translated in english().items():
        for one, other in zip(_forms(french), _forms(translated), strict=True):
            assert sorted(PLACEHOLDER.findall(one)) == sorted(PLACEHOLDER.findall(other)), one


def test_no_visible_text_of_a_template_stands_outside_the_catalogue() -> None:
    for template in sorted((HERE / "templates").glob("*.html")):
        for text in _bare_texts(template):
            assert text in {"Relais", "English", "Français", "Message-ID"}, f"{template.name}: {text!r}"


def test_french_spaces_never_break() -> None:
    say = read_catalogue("fr").gettext
    assert say("Qui êtes-vous ?") == "Qui êtes-vous\u202f?"
    assert say("son statut est « %(status)s ».") == "son statut est «\u00a0%(status)s\u00a0»."


def _key(message: str | tuple[str, ...] | list[str]) -> Message:
    return message if isinstance(message, str) else tuple(message)


def _forms(message: Message) -> tuple[str, ...]:
    return (message,) if isinstance(message, str) else tuple(message)


def _bare_texts(template: Path) -> list[str]:
    """Words between tags that no expression says: those would be in one language only."""
    source = template.read_text(encoding="utf-8")
    source = re.sub(r"{#.*?#}|{% trans.*?endtrans %}|{%.*?%}|{{.*?}}", " ", source, flags=re.DOTALL)
    source = re.sub(r"<(code|pre)\b.*?</\1>", " ", source, flags=re.DOTALL)
    texts = [text.strip(" ·\n") for text in re.findall(r">([^<>]*)<", source)]
    return [text for text in texts if re.search(r"[A-Za-zÀ-ÿ]{3}", text) and not text.startswith("/")]
