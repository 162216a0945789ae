"""The AsyncAPI 3 document of the published topics."""

from typing import Any

from relais_contracts.catalogue import REGISTRY, TOPICS
from relais_contracts.cloudevents import CONTENT_TYPE, SPEC_VERSION
from relais_contracts.contract import Contract

PARTITIONS = 6
DATA_SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"


def asyncapi_document() -> dict[str, Any]:
    """Channels, the operations by which Relais sends on them, and the messages with their schemas."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Relais",
            "version": "1.0.0",
            "description": "What happens to mentoring sessions and student transfers, as events on Kafka.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {topic: _channel(topic) for topic in TOPICS},
        "operations": {f"publish-{topic}": _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {ce_type: _message(contract) for ce_type, contract in REGISTRY.items()},
            "schemas": {"CloudEventHeaders": _headers()},
        },
    }


def _channel(topic: str) -> dict[str, Any]:
    return {
        "address": topic,
        "messages": {
            ce_type: {"$ref": f"#/components/messages/{ce_type}"}
            for ce_type, contract in REGISTRY.items()
            if contract.topic == topic
        },
        "bindings": {
            "kafka": {
                "topic": topic,
                "partitions": PARTITIONS,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": -1},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(topic: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": f"Relais publishes on {topic}, in order for each key.",
    }


def _message(contract: type[Contract]) -> dict[str, Any]:
    return {
        "name": contract.ce_type,
        "summary": contract.__doc__,
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "payload": {"schemaFormat": DATA_SCHEMA_FORMAT, "schema": {"$ref": f"./json/{contract.ce_type}.json"}},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "format": "uuid", "description": f"The {contract.key_field}."},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _headers() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "ce_specversion": {"type": "string", "const": SPEC_VERSION},
        "ce_id": {"type": "string", "format": "uuid", "description": "The event."},
        "ce_source": {"type": "string", "format": "uri-reference", "description": "The service that published it."},
        "ce_type": {"type": "string", "enum": list(REGISTRY)},
        "ce_subject": {"type": "string", "format": "uuid", "description": "The aggregate that it happened to."},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it was recorded."},
        "ce_dataschema": {"type": "string", "format": "uri", "description": "Names the JSON Schema of the data."},
        "ce_sequence": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "The aggregate's version; a double has the same subject and sequence.",
        },
        "ce_correlationid": {
            "type": "string",
            "format": "uuid",
            "description": "One for all that a person's act caused.",
        },
        "ce_causationid": {"type": "string", "format": "uuid", "description": "The event that caused this one."},
        "ce_actor": {"type": "string", "description": "Who did it, as role:e-mail.", "x-personal-data": True},
        "traceparent": {"type": "string", "description": "W3C trace context."},
        "content-type": {"type": "string", "const": CONTENT_TYPE},
    }
    optional = {"ce_causationid", "traceparent"}
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
