"""Templates: one Jinja2 environment a language, built once. Everything is escaped; an unknown name is an error."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.portal.edges import words
from services.portal.edges.language import Code, Language, to_local_field

HERE: Final = Path(__file__).parent.parent
TEMPLATES_DIR: Final = HERE / "templates"
STATIC_DIR: Final = HERE / "static"


def environment(language: Language) -> Environment:
    """The templates in one language."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # Set up by ext.i18n: newstyle puts escaped values into the translated sentence.
    env.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    versions = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:10] for path in STATIC_DIR.iterdir()}
    env.globals.update(
        language=language,
        words=words.Words(language),
        static=lambda name: f"/static/{name}?v={versions[name]}",
        new_key=lambda: str(uuid4()),
        to_local_field=to_local_field,
    )
    env.filters.update(
        day=language.day,
        short_day=language.short_day,
        clock=language.clock,
        moment=language.moment,
        short_moment=language.short_moment,
        money=language.money,
        duration=language.duration,
        lasting=language.lasting,
        number=language.number,
        month=language.month,
        week=language.week,
        date=language.date,
        percent=language.percent,
        typeset=language.typeset,
    )
    return env


class Renderer:
    """Renders a template in the person's language."""

    def __init__(self, languages: Mapping[Code, Language]) -> None:
        self._environments = {code: environment(language) for code, language in languages.items()}

    def render(self, code: Code, template: str, **values: Any) -> str:
        return self._environments[code].get_template(template).render(**values)


class VersionedStatic(StaticFiles):
    """Static files; asked for by version, they never change."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope["query_string"]
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if versioned else "public, max-age=3600"
        )
        return response
