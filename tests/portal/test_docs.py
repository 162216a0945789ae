"""The services' OpenAPI documents as one."""

from typing import Any

from services.portal.edges.docs import merged


def document(schema: dict[str, Any], path: str) -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}}
    return {
        "paths": {path: {"get": {"responses": {"200": answer}}}, "/health/live": {"get": {}}},
        "components": {"schemas": {"Page": schema, "Problem": {"type": "object"}}},
    }


def test_all_paths_stand_in_one_document_with_their_service_named() -> None:
    whole = merged({"sessions": document({"a": 1}, "/api/sessions"), "billing": document({"a": 1}, "/api/lines")})
    assert whole["openapi"] == "3.1.0"
    assert set(whole["paths"]) == {"/api/sessions", "/api/lines"}
    assert whole["paths"]["/api/lines"]["get"]["tags"] == ["billing"]
    assert set(whole["components"]["schemas"]) == {"Page", "Problem"}


def test_a_component_that_two_declare_differently_is_kept_apart_and_references_follow() -> None:
    whole = merged({"sessions": document({"a": 1}, "/api/sessions"), "billing": document({"a": 2}, "/api/lines")})
    assert whole["components"]["schemas"]["Page"] == {"a": 1}
    assert whole["components"]["schemas"]["billing_Page"] == {"a": 2}
    answer = whole["paths"]["/api/lines"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/billing_Page"}


def test_a_service_that_is_away_is_named() -> None:
    assert merged({"sessions": None})["x-unavailable"] == ["sessions"]
