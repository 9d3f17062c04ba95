"""The AsyncAPI 3.0 document of the WebSocket interface, from `shared/protocol`."""

import json
import re
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from shared.protocol import client, limits, payloads, server
from shared.protocol.closing import CLIENT_ADVICE
from shared.protocol.errors import ADVICE, ErrorEvent

PROTOCOL: Final = Path(__file__).parents[2] / "docs/protocol.md"

VERSION = "1.0.0"
_ENUMS = {
    frozenset(get_args(client.MessageType)): "MessageType",
    frozenset(get_args(client.MediaType)): "MediaType",
    frozenset(get_args(client.Availability)): "Availability",
    frozenset(get_args(payloads.Status)): "PresenceStatus",
    frozenset({"system"}): "SystemMessageType",
}
"""The values of a field → the name of their type in generated code.

Where it is not listed, a type has its struct's and field's name.
"""
_EXAMPLE = re.compile(r"\s*Example: `(.*)`\s*", re.DOTALL)


def text(document: dict[str, Any]) -> str:
    """`document` as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def example_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the example object in an event's docstring. Raises ValueError when there is none."""
    match = _EXAMPLE.search(struct.__doc__ or "")
    if match is None:
        raise ValueError(f"{struct.__name__} shows no example")
    return dict(json.loads(re.sub(r"\s+", " ", match[1])))


def summary_of(struct: type[msgspec.Struct]) -> str:
    """The docstring without its example, on one line."""
    return re.sub(r"\s+", " ", _EXAMPLE.sub("", struct.__doc__ or "")).strip()


def document() -> dict[str, Any]:
    """The whole document."""
    structs = [*client.FRAMES.values(), *server.EVENTS.values(), ErrorEvent]
    _, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    for event in server.DURABLE:
        _add_cursor(schemas[event.__name__])
    for name, schema in schemas.items():
        _drop_raw(schema)
        _name_enums(name, schema)
        if "description" in schema:
            schema["description"] = re.sub(r"\s+", " ", _EXAMPLE.sub("", schema["description"])).strip()
    names = {struct: struct.__name__ for struct in structs}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Chat over WebSocket (chat.v1)",
            "version": VERSION,
            "description": _description(),
            "license": {"name": "MIT", "url": "https://opensource.org/license/mit"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8080",
                "protocol": "ws",
                "description": "The local stack (`make run`)",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
            }
        },
        "channels": {
            "chat": {
                "address": "/chat/ws",
                "title": "One connection of one user",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names.values()},
                "bindings": {
                    "ws": {"method": "GET", "query": _query(), "headers": _headers(), "bindingVersion": "0.1.0"}
                },
            }
        },
        "operations": _operations(names),
        "components": {
            "messages": {name: _message(struct) for struct, name in names.items()},
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _drop_raw(schema: dict[str, Any]) -> None:
    """Remove the alternative of raw JSON bytes (`msgspec.Raw`, an empty schema) from a field: on the wire both are the same."""
    for name, field in schema.get("properties", {}).items():
        options = field.get("anyOf", [])
        if {} in options:
            (schema["properties"][name],) = [option for option in options if option]


def _name_enums(struct: str, schema: dict[str, Any]) -> None:
    """Give each enumeration a title, from which generators make its name."""
    for name, field in schema.get("properties", {}).items():
        for option in field.get("anyOf", [field]):
            if "enum" in option:
                option["title"] = _ENUMS.get(frozenset(option["enum"]), struct + name.capitalize())


def _add_cursor(schema: dict[str, Any]) -> None:
    """Add the cursor to a durable event, because the struct doesn't have it."""
    schema["properties"]["cursor"] = {
        "type": "string",
        "description": "Opaque. Pass the last one seen as `?cursor=` when reconnecting.",
    }
    schema["required"] = [*schema["required"], "cursor"]


def _message(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "name": server.event_type(struct),
        "summary": summary_of(struct),
        "payload": {"$ref": f"#/components/schemas/{struct.__name__}"},
        "examples": [{"payload": example_of(struct)}],
    }


def _operations(names: dict[type[msgspec.Struct], str]) -> dict[str, Any]:
    """Return the operations from the server's side: it receives what clients send, and sends what they receive."""
    frames = set(client.FRAMES.values())
    return {
        ("receive" if struct in frames else "send") + name: {
            "action": "receive" if struct in frames else "send",
            "channel": {"$ref": "#/channels/chat"},
            "summary": summary_of(struct),
            "messages": [{"$ref": f"#/channels/chat/messages/{name}"}],
        }
        for struct, name in names.items()
    }


def _query() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "cursor": {"type": "string", "description": "Cursor of the last durable event that the client saw"},
            "status": {
                "type": "string",
                "enum": list(get_args(client.Availability)),
                "description": "Availability with which the device comes; without it, online",
            },
            "token": {"type": "string", "description": "JWT, where neither header can be set; operators may forbid it"},
        },
    }


def _headers() -> dict[str, Any]:
    protocols = "`chat.v1, bearer.<jwt>`, where a browser can't set the other header; `chat.v1` is selected"
    return {
        "type": "object",
        "properties": {
            "Authorization": {"type": "string", "description": "`Bearer <jwt>`"},
            "Sec-WebSocket-Protocol": {"type": "string", "description": protocols},
        },
    }


def _refusals() -> str:
    """The table of the statuses of refused handshakes, which docs/protocol.md has."""
    _, _, rest = PROTOCOL.read_text(encoding="utf-8").partition("A refused handshake is ")
    return rest[rest.index("|") :].partition("\n\n")[0]


def _description() -> str:
    """How to connect, limits, close codes and error codes, with tables."""
    closes = [f"| {int(code)} | {meaning} | {advice} |" for code, (meaning, advice) in CLIENT_ADVICE.items()]
    errors = [
        f"| `{code}` | {advice.message} | {'yes' if advice.retryable else 'no'} | {advice.status} |"
        for code, advice in ADVICE.items()
    ]
    return "\n".join(
        [
            "One JSON object in each text frame: `{type, payload}`; durable events have a `cursor` beside them.",
            "Clients ignore unknown fields and unknown event types.",
            "",
            f"Frames: at most {limits.MAX_FRAME_BYTES} bytes. At most {limits.MAX_CONNECTIONS_PER_USER} connections a user.",
            "",
            "## Connecting",
            "",
            "`GET /chat/ws` with a WebSocket upgrade, and a JWT in `Authorization: Bearer <jwt>`, in "
            "`Sec-WebSocket-Protocol: chat.v1, bearer.<jwt>`, or in `?token=<jwt>`. After a lost connection, "
            "`?cursor=<cursor>` names the last durable event that was seen. "
            "First comes `connection.success`, then what was missed, then `status.bulk`.",
            "",
            "A refused handshake is an HTTP response with the error object. A plain GET of the same URL gives the same verdict.",
            "",
            _refusals(),
            "",
            "## Close codes",
            "",
            "| code | meaning | what a client does |",
            "| --- | --- | --- |",
            *closes,
            "",
            "## Error codes",
            "",
            "| code | message | retry helps | HTTP status |",
            "| --- | --- | --- | --- |",
            *errors,
        ]
    )
