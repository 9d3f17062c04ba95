"""TypeScript declarations of the events, from the AsyncAPI document: what the JavaScript client is typed with."""

import json
from collections.abc import Iterable
from typing import Any, Final

from tools.docs.schema_types import Language, type_of

_HEADER: Final = (
    "/** The shapes of `chat.v1` on the wire, generated from the server's declarations by `make docs`. */\n"
)
_WRAPPED: Final = frozenset({"type", "payload", "cursor"})
"""Properties of an event itself; its payload is what is declared."""


def text(events: dict[str, Any]) -> str:
    """The declarations: an interface for each shape, and the payloads of commands and events by their type."""
    shapes, operations = events["components"]["schemas"], events["operations"]
    messages = {name: message["name"] for name, message in events["components"]["messages"].items()}
    commands = {name: type_ for name, type_ in messages.items() if f"receive{name}" in operations}
    told = {name: type_ for name, type_ in messages.items() if name not in commands}
    inner = {name: shape for name, shape in shapes.items() if not _is_event(shape)}
    parts = [
        _HEADER,
        *(_declaration(name, shape) for name, shape in inner.items()),
        _by_type("CommandPayloads", "What a client sends: command type → payload.", commands, shapes),
        _by_type("EventPayloads", "What the server sends: event type → payload. Errors have none.", told, shapes),
    ]
    return "\n".join(parts)


def _is_event(shape: dict[str, Any]) -> bool:
    properties = shape.get("properties", {})
    return "payload" in properties and set(properties) <= _WRAPPED


def _by_type(name: str, about: str, types: dict[str, str], shapes: dict[str, Any]) -> str:
    lines = [
        f"  {json.dumps(type_)}: {type_of(shapes[event]['properties']['payload'], _LANGUAGE)};"
        for event, type_ in types.items()
        if "payload" in shapes[event].get("properties", {})
    ]
    return f"{_comment(about)}export interface {name} {{\n" + "\n".join(lines) + "\n}\n"


def _declaration(name: str, shape: dict[str, Any]) -> str:
    about = _comment(shape.get("description", ""))
    if "properties" not in shape:
        return f"{about}export type {name} = {type_of(shape, _LANGUAGE)};\n"
    required = set(shape.get("required", []))
    return f"{about}export interface {name} {{\n{_fields(shape['properties'].items(), required)}}}\n"


def _fields(properties: Iterable[tuple[str, Any]], required: set[str]) -> str:
    return "".join(
        _comment(_about(field), indent="  ")
        + f"  {name}{'' if name in required else '?'}: {type_of(field, _LANGUAGE)};\n"
        for name, field in properties
    )


def _about(field: dict[str, Any]) -> str:
    """What is said of a field, or of the part of it that isn't null."""
    told = (str(part.get("description", "")) for part in (field, *field.get("anyOf", [])))
    return next((about for about in told if about), "")


def _comment(about: str, indent: str = "") -> str:
    """A documentation comment; nothing when there is nothing to say."""
    safe = " ".join(about.split()).replace("*/", "*\\/")
    return f"{indent}/** {safe} */\n" if safe else ""


def _array(item: str) -> str:
    return f"({item})[]" if " | " in item else f"{item}[]"


_LANGUAGE: Final = Language(
    primitives={"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"},
    anything="unknown",
    literals=lambda values: " | ".join(map(json.dumps, values)),
    array=_array,
    dictionary=lambda value: f"{{ [name: string]: {value} }}",
)
