"""The API's documentation: the services' OpenAPI documents as one, and a page that shows it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from services.portal.edges.routes import API_SERVICES
from services.portal.edges.visit import AnyVisit, Visit

router = APIRouter()

TIMEOUT_S: Final = 3.0
METHODS: Final = ("get", "put", "post", "patch", "delete")


@router.get("/openapi.json")
async def openapi(visit: AnyVisit) -> JSONResponse:
    """One OpenAPI 3.1 document for the whole API; `x-unavailable` names services that did not answer."""
    return JSONResponse(merged(await _documents(visit)))


@router.get("/docs")
async def docs(visit: AnyVisit) -> Response:
    document = merged(await _documents(visit))
    groups: dict[str, list[dict[str, Any]]] = {service: [] for service in API_SERVICES}
    for address, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                groups[operation["tags"][0]].append({"method": method.upper(), "path": address, **_shown(operation)})
    return visit.page("docs.html", groups=groups, away=document["x-unavailable"], version=document["openapi"])


def merged(documents: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """All paths and components of the services' documents.

    A component that two services declare differently gets its service's name.
    """
    paths: dict[str, Any] = {}
    components: dict[str, dict[str, Any]] = {}
    for service, document in documents.items():
        if document is None:
            continue
        renamed: dict[str, str] = {}
        for kind, declared in document.get("components", {}).items():
            taken = components.setdefault(kind, {})
            for name, component in declared.items():
                if taken.get(name, component) != component:
                    renamed[f"#/components/{kind}/{name}"] = f"#/components/{kind}/{service}_{name}"
        for kind, declared in document.get("components", {}).items():
            for name, component in declared.items():
                target = renamed.get(f"#/components/{kind}/{name}", name).rpartition("/")[2]
                components[kind][target] = _pointed(component, renamed)
        for address, item in document.get("paths", {}).items():
            if address.startswith("/api"):
                shared = paths.setdefault(address, {})
                for method, operation in _pointed(item, renamed).items():
                    shared[method] = {**operation, "tags": [service]} if method in METHODS else operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Relais",
            "version": "1",
            "description": "The API of all services.",
        },
        "tags": [{"name": service} for service in documents],
        "paths": paths,
        "components": components,
        "x-unavailable": [service for service, document in documents.items() if document is None],
    }


def _pointed(value: Any, renamed: Mapping[str, str]) -> Any:
    """A copy in which references follow the components that were renamed."""
    if isinstance(value, Mapping):
        return {
            key: renamed.get(inner, inner) if key == "$ref" and isinstance(inner, str) else _pointed(inner, renamed)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_pointed(inner, renamed) for inner in value]
    return value


def _shown(operation: Mapping[str, Any]) -> dict[str, Any]:
    bodies = operation.get("requestBody", {}).get("content", {})
    return {
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": [
            {"name": parameter["name"], "place": parameter["in"], "required": parameter.get("required", False)}
            for parameter in operation.get("parameters", ())
        ],
        "body": next((_reference(content.get("schema", {})) for content in bodies.values()), ""),
        "answers": sorted(operation.get("responses", {})),
    }


def _reference(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2] or str(schema.get("title", ""))


async def _documents(visit: Visit) -> dict[str, Mapping[str, Any] | None]:
    found = await asyncio.gather(*(_document(visit, service) for service in API_SERVICES))
    return dict(zip(API_SERVICES, found, strict=True))


async def _document(visit: Visit, service: str) -> Mapping[str, Any] | None:
    base_url = visit.portal.upstreams.base_url(service)
    if base_url is None:
        return None
    try:
        response = await visit.portal.client.get(base_url + "/openapi.json", timeout=TIMEOUT_S)
        response.raise_for_status()
        document: Mapping[str, Any] = json.loads(response.content)
    except (httpx.HTTPError, ValueError):
        return None
    return document
