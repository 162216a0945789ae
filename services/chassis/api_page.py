"""The page ``/docs``: a service's routes from its OpenAPI document, as plain HTML that loads nothing from anywhere."""

from collections.abc import Mapping
from html import escape
from typing import Any

from starlette.responses import HTMLResponse

from services.chassis.problem import Language

_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code { font-family: ui-monospace, monospace; } details { border-top: 1px solid #8886; padding: .6rem 0; }
summary { cursor: pointer; } .method { display: inline-block; min-width: 4.5rem; font-weight: 700; }
table { border-collapse: collapse; margin: .5rem 0; } td, th { text-align: left; padding: .15rem 1rem .15rem 0; }
td, th { vertical-align: top; }
"""


def api_page(document: Mapping[str, Any], language: Language) -> HTMLResponse:
    """Each operation with its parameters and the fields of its body."""
    french = language == "fr"
    title = escape(document["info"]["title"])
    whole = "Document OpenAPI complet" if french else "Whole OpenAPI document"
    operations = "".join(
        _operation(method, path, operation, document, french=french)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return HTMLResponse(
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1><p><a href="openapi.json">{whole}</a> '
        f"(OpenAPI {escape(document['openapi'])})</p>{operations}</html>",
        headers=_HEADERS,
    )


def _operation(
    method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any], *, french: bool
) -> str:
    summary = escape(operation.get("summary", ""))
    description = escape(operation.get("description", ""))
    rows = [
        (parameter["name"], parameter["in"], parameter["schema"], bool(parameter.get("required")))
        for parameter in operation.get("parameters", ())
    ]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = _resolved(content["schema"], document)
        required_fields = schema.get("required", ())
        rows += [(name, "body", field, name in required_fields) for name, field in schema.get("properties", {}).items()]
    needed = "obligatoire" if french else "required"
    table = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{place}</td><td>{escape(_type(schema))}</td>"
        f"<td>{needed if required else ''}</td><td>{escape(schema.get('description', ''))}</td></tr>"
        for name, place, schema, required in rows
    )
    return (
        f'<details><summary><span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code> '
        f"{summary}</summary>"
        f"<p>{description}</p><table>{table}</table></details>"
    )


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"[{_type(schema.get('items', {}))}]"
    return str(schema.get("format") or schema.get("type") or "")
